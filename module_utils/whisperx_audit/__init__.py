"""Target: what changed on a host since its environment was provisioned, and what a pending libc or driver
would break.

Standard library only, Python 3.8; reads and writes nothing. ``report.report()`` is the door.
"""
