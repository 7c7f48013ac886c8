"""Puts the probe on the host, as files that also run without Ansible."""

from __future__ import annotations

import json
import os
from types import ModuleType
from typing import Dict, Mapping, Optional

from . import (
    child,
    imports,
    kernels,
    main,
    micro_model,
    model_file,
    network,
    pipeline,
    process,
    records,
    remains,
    reporter,
    session,
    speech,
    spoken,
    supervise,
    transcript,
)
from .records import Request

__all__ = ["probe_files", "write_probe"]

PACKAGE = "whisperx_verify"
# Imported above so that Ansible ships them with every module that may need them.
MODULES = (
    child,
    imports,
    kernels,
    main,
    micro_model,
    model_file,
    network,
    pipeline,
    process,
    records,
    remains,
    reporter,
    session,
    speech,
    spoken,
    supervise,
    transcript,
)
INIT = '"""The probe of this environment; see ../probe.py."""\n'
ENTRY = '''"""Verify that this environment works: run it with the environment's own launcher, launch/python.

Options: --level import|kernels|pipeline|speech, --device cpu|cuda, --timeout SECONDS, --json, --help.
"""

import os
import sys

DIRECTORY = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [DIRECTORY] + [path for path in sys.path if path not in ("", DIRECTORY)]

from whisperx_verify.main import main  # noqa: E402

# From here on nothing beside this file can be taken for an installed package.
sys.path.remove(DIRECTORY)

if __name__ == "__main__":
    sys.exit(main(DIRECTORY))
'''


def probe_files(request: Request) -> Dict[str, str]:
    """Return the probe's files, name -> text. OSError when a source cannot be read.

    ``request`` is what probe.py proves when it is started without options. Only whoever started this process
    may be able to read the sources: Ansible's are in a zip of root's, a checkout may be below a closed home.
    """
    wanted = {
        "probe.py": ENTRY,
        main.PLAN: json.dumps(request.record(), indent=1, sort_keys=True) + "\n",
        os.path.join(PACKAGE, "__init__.py"): INIT,
    }
    for module in MODULES:
        name = module.__name__.rpartition(".")[2] + ".py"
        wanted[os.path.join(PACKAGE, name)] = _source(module)
    return wanted


def write_probe(directory: str, request: Request, files: Optional[Mapping[str, str]] = None) -> bool:
    """Make the files under ``directory`` those of this release of the toolkit; return whether any changed.

    ``files``: what probe_files returned, read here by default. OSError when they cannot be read or written.
    """
    wanted = probe_files(request) if files is None else files
    for folder in (directory, os.path.join(directory, PACKAGE)):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
    changed = [_write(os.path.join(directory, name), text) for name, text in sorted(wanted.items())]
    return any(changed)


def _source(module: ModuleType) -> str:
    """Return the module's source from wherever it was loaded, a file or the zip that Ansible sends."""
    spec = module.__spec__
    loader = spec.loader if spec is not None else None
    text = (
        loader.get_source(module.__name__) if loader is not None and hasattr(loader, "get_source") else None
    )
    if not text:
        raise OSError(f"the source of {module.__name__} is not there")
    return str(text)


def _write(path: str, text: str) -> bool:
    """Make the file's content ``text``, readable by all; return whether it was different."""
    try:
        with open(path, encoding="utf-8") as stream:
            if stream.read() == text:
                return False
    except OSError:
        pass
    with open(path + ".part", "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path + ".part", 0o644)
    os.replace(path + ".part", path)
    return True
