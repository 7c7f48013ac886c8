"""Target: metrics of a host for Prometheus: its release, its condition, its services.

Standard library only, Python 3.8. ``main`` runs by a timer, ``watch`` puts it on a host.
"""
