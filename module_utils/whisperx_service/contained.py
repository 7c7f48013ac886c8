"""What a unit adds when its command runs in a container: the release's launch script starts the engine.

The script knows image, engine, mounts and GPU; it takes the rest from these variables. The container is the
confinement: no capabilities, a read-only root. A killed engine leaves its container running, so one of that
name is removed before a start and after the end.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from ..whisperx_problem import Problem
from .model import Service, variables

__all__ = ["MARK", "NETWORK", "OPTIONS", "REMOVE", "environment", "name_of", "refusal", "removal"]

# Read by the launch scripts (whisperx_container/script.py).
NETWORK, OPTIONS, REMOVE = (
    "WHISPERX_CONTAINER_NETWORK",
    "WHISPERX_CONTAINER_OPTIONS",
    "WHISPERX_CONTAINER_REMOVE",
)
# In the environment of a service's processes: their control group is the engine's, not the unit's.
MARK = "WHISPERX_SERVICE"
_ENV = "/usr/bin/env"
# The launch script splits its options at spaces.
_SAFE = re.compile(r"/[A-Za-z0-9_@%+=./-]*")
_UNITS = {"K": "k", "M": "m", "G": "g"}


def refusal(service: Service) -> Optional[Problem]:
    """Return Problem "service.runtime" for what a release in a container cannot have, None if it can."""
    where = "whisperx_services.{}.".format(service.name)
    if service.user:
        return Problem(
            "service.runtime",
            "a user, for a release in a container",
            where + "user",
            "no user: the container confines what it runs",
            "Remove it, or install the release without a container (whisperx_plan_runtime: venv).",
        )
    for path in service.writable:
        if not _SAFE.fullmatch(path):
            return Problem(
                "service.runtime",
                "'{}', for a release in a container".format(path),
                where + "writable",
                "letters, digits and the signs _@%+=./-",
                "Rename the directory.",
            )
    return None


def name_of(stem: str) -> str:
    """Return the container's name for a unit's; a service's own name has no dot."""
    return stem.replace("@", ".")


def environment(service: Service, unit: str, name: str) -> Dict[str, str]:
    """Return what tells the launch script how a service runs. ``name`` is the container's."""
    options = ["--name=" + name, "--env={}={}".format(MARK, unit)]
    options += ["--env=" + one for one in sorted(variables(service))]
    options += ["--volume={0}:{0}".format(path) for path in service.writable]
    # Of the engine's own: the container is in no control group of the unit.
    options += ["--memory=" + _memory(service.memory)] if service.memory else []
    found = {NETWORK: "host", OPTIONS: " ".join(options)}
    return dict(found, CUDA_VISIBLE_DEVICES="") if service.gpu is False else found


def removal(launcher: str, name: str) -> List[str]:
    """Return the command that removes a container, if it is there."""
    return [_ENV, "{}={}".format(REMOVE, name), launcher]


def _memory(size: str) -> str:
    """Return a size of systemd's as engines write it, which have no terabytes."""
    if size.endswith("T"):
        return "{}g".format(int(size[:-1]) * 1024)
    return size[:-1] + _UNITS[size[-1]] if size[-1] in _UNITS else size + "b"
