"""Which Pythons the wheels of the index are not made for, by what is known of an interpreter."""

from __future__ import annotations

import re
from typing import Optional

__all__ = ["foreign"]

# A build without the global lock has another ABI: python3.14t, cpython-3.14.0+freethreaded-..., 3.13.0t
_FREE_THREADED = re.compile(
    r"/python3\.\d+t$|\+freethreaded|/versions/3\.\d+\.\w+t/|/versions/3\.\d+t(?:-dev)?/"
)
_OTHER = re.compile(
    r"(?:^|[/-])(pypy|graalpy|graalpython|micropython|rustpython|jython)[\d.v-]*", re.IGNORECASE
)
_NAMES = {"pypy": "PyPy", "graalpy": "GraalPy", "graalpython": "GraalPy"}


def foreign(path: str, implementation: Optional[str] = None, free_threaded: bool = False) -> str:
    """Return what an interpreter is if it is not the CPython that wheels are made for, "" if it is.

    ``implementation``: as ``sys.implementation.name`` has it, None if unknown.
    """
    other = _OTHER.search(path)
    name = (implementation or (other.group(1) if other else "cpython")).lower()
    if name != "cpython":
        return _NAMES.get(name, implementation or name)
    if free_threaded or _FREE_THREADED.search(path):
        return "a free-threaded CPython"
    return ""
