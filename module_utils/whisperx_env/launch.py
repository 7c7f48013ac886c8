"""The scripts users call: they set what the plan asks for and become the real program.

Every path in them is absolute and leads into their own release, so a program that runs while `current` is
switched goes on with the files it started with.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Dict, Pattern, Tuple

from ..whisperx_common import telemetry
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import make_way, read_text, write_text
from ..whisperx_placed import sources
from ..whisperx_problem import Problem
from . import session
from .model import Wanted

__all__ = ["environment", "loader_path", "render", "stale", "write"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_COMMAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*$")
# Variables that are lists: the caller's own entries stay.
_JOINED = ("GLIBC_TUNABLES", "LD_LIBRARY_PATH")
PYTHON = "python"

# CUDA keeps what it compiles for a GPU in the home directory, which a service account may not have.
_CUDA_CACHE = """\
if [ -z "${CUDA_CACHE_PATH:-}" ] && [ -n "$wf_cache" ] && usable "$wf_cache/whisperx-cuda"; then
    export CUDA_CACHE_PATH="$wf_cache/whisperx-cuda"
fi
"""


def loader_path(wanted: Wanted, site_packages: str) -> str:
    """Return the release's library directories that exist, joined with colons; "" on a host without a GPU."""
    if wanted.device != "cuda":
        return ""
    paths = [os.path.join(site_packages, path) for path in wanted.plan.get("loader_paths") or []]
    return ":".join(path for path in paths if os.path.isdir(path))


def environment(wanted: Wanted, site_packages: str) -> Dict[str, str]:
    """Return what the scripts set, as a dictionary."""
    values = dict(wanted.environment)
    path = loader_path(wanted, site_packages)
    if path:
        values["LD_LIBRARY_PATH"] = path
    values["PYTHONNOUSERSITE"] = "1"
    return values


def render(wanted: Wanted, release: str, site_packages: str) -> Dict[str, str]:
    """Return file name -> text of every script.

    Raises Problem "env.plan-malformed" for a variable or command name that no shell would take.
    """
    lines = ["unset PYTHONPATH PYTHONHOME"]
    for name, value in sorted(environment(wanted, site_packages).items()):
        _check(_VARIABLE, name, "variable")
        joined = '"${{{0}:+:${0}}}"'.format(name) if name in _JOINED else ""
        lines.append("export {}={}{}".format(name, shlex.quote(value), joined))
    head = "\n".join(lines) + "\n" + telemetry.shell(wanted.environment)
    head += _CUDA_CACHE if wanted.device == "cuda" else ""
    texts: Dict[str, str] = {}
    for name in commands(wanted):
        _check(_COMMAND, name, "command")
        program = shlex.quote(os.path.join(release, "bin", name))
        about = "# {} of the whisperx-fleet release {}.\n".format(name, os.path.basename(release))
        caller = session.shell(release, stops=name != PYTHON)
        texts[name] = "#!/bin/sh\n" + about + caller + head + 'exec {} "$@"\n'.format(program)
    return texts


def write(wanted: Wanted, release: str, site_packages: str) -> None:
    """Write the scripts of a release, and what lets its programs find placed models.

    Raises Problem "env.command-missing" when a package that should bring a command did not.
    """
    directory = os.path.join(release, "launch")
    make_way(directory, directory=True)
    make_directories(directory)
    for name, text in render(wanted, release, site_packages).items():
        program = os.path.join(release, "bin", name)
        if not os.access(program, os.X_OK):
            raise Problem(
                "env.command-missing",
                "the locked packages have no command '{}'".format(name),
                program,
                "a command of that name",
                "Check 'scripts' in the plan: the package that has the command must be in the request.",
            )
        make_way(os.path.join(directory, name))
        write_text(os.path.join(directory, name), text, 0o755)
    sources.write(site_packages)


def stale(wanted: Wanted, release: str, site_packages: str) -> bool:
    """Return whether a release's scripts differ from those that would be written now."""
    directory = os.path.join(release, "launch")
    texts = render(wanted, release, site_packages)
    if any(read_text(os.path.join(directory, name)) != text for name, text in texts.items()):
        return True
    return sources.stale(site_packages)


def commands(wanted: Wanted) -> Tuple[str, ...]:
    """Return every command that a release will have a launch script for."""
    return tuple(dict.fromkeys((PYTHON, *wanted.commands)))


def _check(pattern: Pattern[str], name: str, what: str) -> None:
    if not pattern.match(name):
        raise Problem(
            "env.plan-malformed",
            "the plan names a {} '{}'".format(what, name),
            "option plan",
            "a name of letters, digits and underscores (a command also of dots and hyphens)",
            "This is an error in the catalogue's rows; report it.",
        )
