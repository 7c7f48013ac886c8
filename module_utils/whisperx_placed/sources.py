"""Puts the look-up of placed models into a release: a package beside the others, and a .pth to start it."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Dict

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, make_way, names_in, read_text, write_text
from . import hooks, lookup

__all__ = ["NAMES", "PACKAGE", "files", "stale", "write"]

PACKAGE = "whisperx_fleet_models"
_START = PACKAGE + ".pth"
# What lies in site-packages, of no wheel.
NAMES = (PACKAGE, _START)
_MODULES = (hooks, lookup)
_INIT = '"""How programs of this environment find placed models; docs/models.md of whisperx-fleet."""\n'


def files() -> Dict[str, str]:
    """Return path below site-packages -> text. OSError when a source cannot be read."""
    texts = {os.path.join(PACKAGE, "__init__.py"): _INIT}
    for module in _MODULES:
        texts[os.path.join(PACKAGE, module.__name__.rpartition(".")[2] + ".py")] = _source(module)
    # Python runs a line that begins with import.
    texts[_START] = "import {0}.hooks; {0}.hooks.install()\n".format(PACKAGE)
    return texts


def write(site_packages: str) -> None:
    """Write the package; whatever else lies under its name goes, so that nothing is imported in its place."""
    directory = os.path.join(site_packages, PACKAGE)
    make_way(directory, directory=True)
    texts = files()
    for name in set(names_in(directory)) - {os.path.basename(path) for path in texts}:
        discard(os.path.join(directory, name))
    make_directories(directory)
    # The .pth last: it starts what is complete.
    for path, text in sorted(texts.items(), key=lambda one: one[0] == _START):
        make_way(os.path.join(site_packages, path))
        write_text(os.path.join(site_packages, path), text, 0o644)


def stale(site_packages: str) -> bool:
    """Return whether what is in a release differs from what would be written now."""
    return any(read_text(os.path.join(site_packages, path)) != text for path, text in files().items())


def _source(module: ModuleType) -> str:
    """Return the module's source from wherever it was loaded, a file or the zip that Ansible sends."""
    spec = module.__spec__
    loader = spec.loader if spec is not None else None
    text = loader.get_source(module.__name__) if loader and hasattr(loader, "get_source") else None
    if not text:
        raise OSError("the source of {} is not there".format(module.__name__))
    return str(text)
