"""What shared objects ask of the host: ELF reader, ABI audit of an environment, repair of a wheel.

Standard library only, Python 3.8: it runs on targets (audit) and on the controller (catalogue, repair).
"""
