"""Puts the program on an image, from the very files that Ansible sent."""

from __future__ import annotations

import json
import os
import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Dict, List, Optional

from .. import (
    whisperx_abi,
    whisperx_common,
    whisperx_env,
    whisperx_firstboot,
    whisperx_host,
    whisperx_problem,
    whisperx_release,
)

# Named so that Ansible sends them: it follows imports, and the program's are these.
from ..whisperx_common import trust
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, link, read_text, write_text
from ..whisperx_host import nvml, nvml_child
from . import main
from .enact import UNDECIDED, layout, refusal, withdraw, write_refusal
from .records import Image, Places
from .unit import ENTRY, UNIT, UNITS, WANTS, unit

__all__ = ["install"]

# The probe that proves a release lies in the release.
_PACKAGES = (
    whisperx_abi,
    whisperx_common,
    whisperx_env,
    whisperx_firstboot,
    whisperx_host,
    whisperx_release,
)
_NEEDED = (main, nvml, nvml_child)
_ABOUT = '"""The parts of whisperx-fleet that stay on an image."""\n'


def install(image: Image, python: str, distro: ModuleType, places: Places, check: bool) -> List[str]:
    """Make program, unit, stand-ins and links on the image what this release of the toolkit has.

    ``python``: the interpreter that will run the program; ``distro``: the module with LinuxDistribution.
    Returns what was changed, or with ``check`` would be, as sentences. Raises OSError, Problem
    "firstboot.untrusted-directory".
    """
    _check_trusted(image, places)
    done: List[str] = []
    for path, text in sorted(_files(image, python, distro, places).items()):
        mode = 0o755 if path.startswith(refusal(places)) else 0o644
        if read_text(path) != text or (os.stat(path).st_mode & 0o777) != mode:
            done.append("Wrote {}".format(path))
            if not check:
                make_directories(os.path.dirname(path))
                write_text(path, text, mode)
    done += _links(image, places, check)
    if _undecided(image, places):
        done.append("Left the choice to the first boot")
        if not check:
            discard(places.verdict)
            withdraw(image, places, UNDECIDED)
    return done


def _check_trusted(image: Image, places: Places) -> None:
    """Raise Problem where somebody but root can change what root will run at boot."""
    written = {image.root: "whisperx_venv_root", image.bin_dir: "whisperx_venv_bin_dir"}
    written[image.facts_dir] = "whisperx_venv_facts_dir"
    written.update(dict.fromkeys((places.home, places.path(WANTS), os.path.dirname(places.verdict)), ""))
    trust.check(written, "firstboot.untrusted-directory")


def _files(image: Image, python: str, distro: ModuleType, places: Places) -> Dict[str, str]:
    """Return path -> text of everything that is a file."""
    home = places.home
    record = json.dumps(image.record(), indent=1, sort_keys=True) + "\n"
    files = {
        places.image: record,
        os.path.join(home, "firstboot.py"): ENTRY,
        os.path.join(home, "distro.py"): _source(distro),
        os.path.join(home, "fleet", "__init__.py"): _ABOUT,
        os.path.join(home, "fleet", "whisperx_problem.py"): _source(whisperx_problem),
        places.path(UNITS + UNIT): unit(python, image.root),
    }
    for package in _PACKAGES:
        name = package.__name__.rpartition(".")[2]
        files[os.path.join(home, "fleet", name, "__init__.py")] = _source(package)
        for found in pkgutil.iter_modules(package.__path__):
            module = import_module("{}.{}".format(package.__name__, found.name))
            files[os.path.join(home, "fleet", name, found.name + ".py")] = _source(module)
    scripts = {script for profile in image.profiles for script in profile.scripts}
    files.update(write_refusal(places, scripts))
    return files


def _links(image: Image, places: Places, check: bool) -> List[str]:
    """Enable the unit; let users' commands lead to whatever `current` is."""
    where = layout(image)
    wanted = {places.path(WANTS + UNIT): UNITS + UNIT}
    if image.bin_dir:
        scripts = sorted({script for profile in image.profiles for script in profile.scripts})
        wanted.update({where.command(name): where.launcher(name) for name in scripts})
    done: List[str] = []
    for path, target in wanted.items():
        if _read_link(path) != target:
            done.append("Linked {}".format(path))
            if not check:
                make_directories(os.path.dirname(path))
                link(path, target)
    return done


def _undecided(image: Image, places: Places) -> bool:
    """Whether something else than the stand-ins is in use, or a verdict of another machine is there."""
    used = os.path.realpath(layout(image).current)
    return used != os.path.realpath(refusal(places)) or os.path.exists(places.verdict)


def _read_link(path: str) -> Optional[str]:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _source(module: ModuleType) -> str:
    """Return a module's source from wherever it was loaded, a file or the zip that Ansible sends."""
    loader = module.__spec__.loader if module.__spec__ is not None else None
    text = loader.get_source(module.__name__) if loader is not None and hasattr(loader, "get_source") else ""
    return str(text or "")
