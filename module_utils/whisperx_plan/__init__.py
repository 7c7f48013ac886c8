"""The decision: which versions run on which host, and why the others do not. Controller side, no I/O but
the catalogue.
"""
