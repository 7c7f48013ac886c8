"""What changed on a host since its environment was provisioned, and what a coming libc or driver would break.

Runs on the target; standard library only, Python 3.8; reads and writes nothing. ``report.report()`` is the
door.
"""
