"""Target: a bill of materials of a managed environment, in CycloneDX.

Standard library only, Python 3.8. It is made of two things that are there anyway: the lock (names, versions,
hashes of what was installed) and the METADATA of the packages (licences, needs).
"""
