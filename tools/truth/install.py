"""Puts a combination into a directory of its own, with uv, for any Python and C library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from .rows import Combination

__all__ = ["Installed", "Installer"]

_TIMEOUT = 1800  # seconds; torch and its libraries are 4 GB
# What uv says where it knows that no set of wheels answers: that is a fact about the combination,
_NO_ANSWER = re.compile(r"No solution found|has no wheels|no wheels? (with|for)|no matching")
# unless it is because the index could not be asked, or does not have the package at all.
_NO_INDEX = re.compile(r"network was disabled|not found in the (cache|package registry)|Failed to fetch")


@dataclass(frozen=True)
class Installed:
    """What became of an installation.

    ``versions`` by package, empty when nothing was installed. ``refusal`` is uv's reason when no wheels
    answer; ``trouble`` is any other failure (no network, no room), which says nothing about the combination.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Installer:
    """``uv``: the program. ``cache``: its cache, on the file system of ``trees``, where the sets are put.

    ``sources``: the packages that are built from source, as no index has wheels of them.
    """

    uv: Path
    cache: Path
    trees: Path
    sources: tuple[str, ...] = ()

    def tree(self, combination: Combination) -> Path:
        """The directory of a combination."""
        return self.tree_of(combination.key)

    def tree_of(self, key: str) -> Path:
        """The directory of the combination with this key."""
        return self.trees / key

    def _from_source(self) -> list[str]:
        return [word for name in self.sources for word in ("--no-binary", name)]

    def install(self, combination: Combination, platform: str, plan: Mapping[str, Any] | None) -> Installed:
        """Install a combination as asked, or with a plan what that asks for."""
        constraints = self.trees / f"{combination.key}.constraints"
        bounds = plan["constraints"] if plan else {}
        constraints.write_text("".join(f"{name}{bound}\n" for name, bound in sorted(bounds.items())))
        wanted = plan["requirements"] if plan else [f"{n}{bound}" for n, bound in combination.pins.items()]
        command = [str(self.uv), "pip", "install", "--quiet", "--python", sys.executable]
        command += ["--target", str(self.tree(combination)), "--python-version", combination.python]
        command += ["--python-platform", platform, "--only-binary", ":all:", "--no-python-downloads"]
        command += ["--constraints", str(constraints), *self._from_source(), *wanted]
        environment = {**os.environ, "UV_CACHE_DIR": str(self.cache), "NO_COLOR": "1"}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Installed(trouble=f"uv: {error}")
        if done.returncode:
            said = _reason(done.stderr)
            known = _NO_ANSWER.search(done.stderr) and not _NO_INDEX.search(done.stderr)
            return Installed(refusal=said) if known else Installed(trouble=said)
        return Installed(versions=_versions(self.tree(combination)))


def _versions(tree: Path) -> dict[str, str]:
    return {canonicalize_name(found.name): found.version for found in distributions(path=[str(tree)])}


def _reason(text: str) -> str:
    """Return what uv complained about as one line: its drawing left out, addresses too."""
    words = " ".join(re.sub(r"[\u2500-\u25ff\u00d7]+", " ", text).split())
    return re.sub(r"[a-z]+://\S+", "the index", words)[:600]
