"""The facts of the host, also where Ansible is not: without the package distro, os-release is read here."""

from __future__ import annotations

import shlex
from typing import Any, Dict, Optional

from ..whisperx_host.probe import probe

__all__ = ["OsRelease", "read"]

_SECONDS = 20.0


class OsRelease:
    """As much of distro.LinuxDistribution as whisperx_host asks for."""

    def __init__(self, os_release_file: str = "", **_options: Any) -> None:
        self._values: Dict[str, str] = {}
        if os_release_file:
            with open(os_release_file, encoding="utf-8", errors="replace") as stream:
                for part in shlex.split(stream.read(), comments=True):
                    name, _sign, value = part.partition("=")
                    self._values[name.lower()] = value

    def id(self) -> str:
        return self._values.get("id", "")

    def like(self) -> str:
        return self._values.get("id_like", "")

    def codename(self) -> str:
        return self._values.get("version_codename", "")

    def version(self) -> str:
        return self._values.get("version_id", "")

    def os_release_attr(self, name: str) -> str:
        return self._values.get(name, "")


def read(root: str, distribution: Optional[Any] = None) -> Dict[str, Any]:
    """Return the facts of the system below ``root``; see whisperx_host. Raises Problem."""
    return probe(root, _SECONDS, {}, distribution or OsRelease)
