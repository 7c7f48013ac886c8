"""Controller: the decision: which versions run on which host, and why the others do not. No I/O but the
catalogue and the documents.
"""
