"""Both sides: the sources of a program that runs on a host without Ansible, from where they are loaded."""

from __future__ import annotations

import ast
import importlib.util
import os
from typing import Dict, List, Optional

from .files import read_text

__all__ = ["is_same", "sources"]


def sources(entry: str, package: str) -> Dict[str, str]:
    """Return path below a directory -> text, for the module ``entry`` and all that it needs of this toolkit.

    They become the package ``package`` there. Raises OSError when a source is not there.
    """
    top = __name__.rpartition(".")[0].rpartition(".")[0]
    texts = {"{}/__init__.py".format(package): ""}
    waiting: List[str] = [entry]
    seen = {top}
    while waiting:
        name = waiting.pop()
        if name in seen or not name.startswith(top + "."):
            continue
        seen.add(name)
        source = _source(name)
        if source is None:
            continue
        inside = name[len(top) + 1 :].replace(".", "/")
        is_package = _is_package(name)
        texts["{}/{}{}".format(package, inside, "/__init__.py" if is_package else ".py")] = source
        waiting += [*_imported(name, source, is_package), name.rpartition(".")[0]]
    return texts


def _imported(name: str, source: str, is_package: bool) -> List[str]:
    """Return the modules that a source may import relatively; names that are no modules among them."""
    found: List[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = name.split(".")
            up = node.level - (1 if is_package else 0)
            base = ".".join(parts[: len(parts) - up] + ([node.module] if node.module else []))
            found += [base] + [base + "." + alias.name for alias in node.names]
    return found


def _is_package(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is not None


def _source(name: str) -> Optional[str]:
    """Return a module's source from wherever it was loaded, None for a name that is no module."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.loader is None or not hasattr(spec.loader, "get_source"):
        return None
    text = spec.loader.get_source(name)
    if text is None:
        raise OSError("the source of {} is not there".format(name))
    return str(text)


def is_same(directory: str, package: str) -> bool:
    """Return whether the program below ``directory`` is the one of this toolkit: every module that is there.

    One that needs a further module has another source itself. Much cheaper than `sources`, which parses all.
    """
    top = __name__.rpartition(".")[0].rpartition(".")[0]
    base, count = os.path.join(directory, package), 0
    for folder, inner, names in os.walk(base):
        inner[:] = [name for name in inner if name != "__pycache__"]
        for name in names:
            parts = os.path.relpath(os.path.join(folder, name), base)[: -len(".py")].split(os.sep)
            module = ".".join([top, *(part for part in parts if part != "__init__")])
            if module == top:
                continue
            if not name.endswith(".py") or read_text(os.path.join(folder, name)) != _source(module):
                return False
            count += 1
    return count > 0
