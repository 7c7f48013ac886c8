"""What goes into the build container, read-only: this toolkit's code, the order, the files of the lock."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ..whisperx_common.files import write_json, write_text
from . import inside

__all__ = ["ENTRY", "ORDER", "PLACE", "write_payload"]

# Where the payload is mounted, its entry point, and the order in it.
PLACE = "/run/whisperx-fleet"
ENTRY = "entry.py"
ORDER = "order.json"
_ENTRY = '''"""Make the release that order.json asks for."""

import os
import sys

DIRECTORY = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, DIRECTORY)

from module_utils.whisperx_image.inside import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(os.path.join(DIRECTORY, "order.json")))
'''


def write_payload(directory: str, order: Mapping[str, Any], files: list[dict[str, str]]) -> None:
    """Write everything below ``directory``, which root alone may read: the order may hold a password.

    ``files``: sha256, file and path on this machine of what is carried; the order names them as they lie in
    the container. OSError when something cannot be read or written.
    """
    os.makedirs(directory, mode=0o700)
    package = inside.__name__.rsplit(".", 2)[0]
    modules = {
        name: module
        for name, module in sys.modules.items()
        if module is not None and name.startswith(package + ".whisperx_")
    }
    write_text_at(os.path.join(directory, "module_utils", "__init__.py"), "")
    for name, module in sorted(modules.items()):
        parts = name[len(package) + 1 :].split(".")
        is_package = hasattr(module, "__path__")
        path = os.path.join(directory, "module_utils", *parts, *(["__init__"] if is_package else [])) + ".py"
        write_text_at(path, _source(module))
    write_text(os.path.join(directory, ENTRY), _ENTRY)
    carried = []
    for item in files:
        target = os.path.join("carried", item["sha256"], item["file"])
        os.makedirs(os.path.dirname(os.path.join(directory, target)), exist_ok=True)
        shutil.copyfile(item["path"], os.path.join(directory, target))
        carried.append({"sha256": item["sha256"], "file": item["file"], "path": os.path.join(PLACE, target)})
    write_json(os.path.join(directory, ORDER), dict(order, carried=carried))


def write_text_at(path: str, text: str) -> None:
    """Write a file and the directories that lead to it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_text(path, text)


def _source(module: ModuleType) -> str:
    """Return a module's source from wherever it was loaded, a file or the zip that Ansible sends."""
    spec = module.__spec__
    loader = spec.loader if spec is not None else None
    if loader is None or not hasattr(loader, "get_source"):
        return ""
    return loader.get_source(module.__name__) or ""
