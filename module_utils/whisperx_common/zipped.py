"""Target: what Ansible sends in a zip is compiled once instead of twice.

CPython's zipimport compiles a module to say which file it is, throws that away, and compiles it again to run
it (`zipimporter.get_filename`, seen in 3.8 to 3.13). Compiling is most of what a module costs on a host that
stays as it is.
"""

from __future__ import annotations

import functools
import zipimport

__all__ = ["compile_once"]

_NAME = "_get_module_code"


def compile_once() -> None:
    """Have zipimport remember what it compiled, for the imports that follow; no other importer changes."""
    found = getattr(zipimport, _NAME, None)
    if found is not None and not hasattr(found, "cache_info"):
        setattr(zipimport, _NAME, functools.lru_cache(maxsize=None)(found))
