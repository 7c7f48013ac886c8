"""Both sides: what shared objects ask of the host: an ELF reader, the ABI audit, the repair of a wheel.

Standard library only, Python 3.8: it runs on targets (audit) and on the controller (catalogue, repair).
"""
