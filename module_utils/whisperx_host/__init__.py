"""Reading a host: the facts that decide which WhisperX can run there.

Runs on the target; standard library only, Python 3.8. ``probe.probe()`` is the door; ``tree.py`` and
``live.py`` are the only files that touch the machine; the parsers take text or bytes and return records of
``model.py``.
"""
