"""Both sides: services of a host that follow its active release: systemd units, their health, their records.

Standard library only, Python 3.8. ``model`` validates on the controller too; the rest runs on hosts.
"""
