"""Target: the facts that decide which WhisperX can run on a host.

Standard library only, Python 3.8. ``probe.probe()`` is the door; ``live.py`` and the ``Tree`` of
whisperx_common are all that touches the machine; the parsers take text or bytes and return records of
``model.py``.
"""
