"""What the dnf plugin sends, and what rpm's own database says."""

from __future__ import annotations

import json
import subprocess
from typing import Dict, List, Sequence, Set

from .model import Change

__all__ = ["installed", "owns", "parse", "versions"]

_ANSWER = 30  # seconds


def parse(text: str) -> List[Change]:
    """Return the changes that the plugin sent: a JSON list of records. Raises ValueError, KeyError."""
    return [
        Change(str(item["package"]), str(item["arch"]), str(item["before"]), str(item["after"]))
        for item in json.loads(text)
    ]


def owns(change: Change, paths: Sequence[str]) -> bool:
    """Return whether the installed package has one of the files."""
    return change.package in _rpm("-qf", "%{NAME}\\n", *paths)


def installed() -> Set[str]:
    """Return the names of the installed packages."""
    return set(_rpm("-qa", "%{NAME}\\n"))


def versions(machine: str) -> Dict[str, str]:
    """Return the installed packages for a machine: name -> "epoch:version-release"."""
    lines = _rpm("-qa", "%{NAME}/%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}/%{ARCH}\\n")
    fields = [line.split("/") for line in lines]
    return {row[0]: row[1] for row in fields if len(row) == 3 and row[2] in (machine, "noarch")}


def _rpm(query: str, form: str, *paths: str) -> List[str]:
    """Return the lines that rpm answers; the sentence about a file that no package has is left out."""
    done = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
        ["rpm", query, "--qf", form, *paths],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_ANSWER,
        check=False,
    )
    lines = done.stdout.decode("utf-8", "replace").split("\n")
    return [line for line in lines if line and " " not in line]
