#!/usr/bin/env python3
"""Write the catalogue's rows of managed Pythons from uv's own list of downloads.

    tools/refresh_interpreters.py download-metadata.json

The file is crates/uv-python/download-metadata.json of uv's source: `uv python list` prints no digest. Of
every minor version and machine the newest patch of the build for the base instruction set and glibc becomes
a row.
The archives themselves are not read: the rows are documented, not measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CATALOGUE = Path(__file__).resolve().parents[1] / "roles" / "whisperx_plan" / "files" / "catalogue"
OLDEST = (3, 10)
# What python-build-standalone promises of its glibc builds ("Running distributions"), by machine.
FLOORS = {"x86_64": "2.17", "aarch64": "2.17"}
# The first patch of a minor version that has security fixes only, which follows its last bugfix release
# (PEP 619, 664, 693).
SECURITY_ONLY = {10: 12, 11: 10, 12: 11}

HEAD = """\
# The standalone builds of CPython that a plan may take (whisperx_plan_interpreters: managed).
# Written by tools/refresh_interpreters.py: the newest patch of each minor version in uv's list of downloads.
# libc is the oldest on which the build runs; security marks minor versions that get security fixes only.
---
schema: 1

# Where the archives are: BASE/BUILD/FILE; whisperx_plan_python_mirror replaces the base.
bases:
  - base: "https://github.com/astral-sh/python-build-standalone/releases/download"
    source: uv
    confidence: documented

interpreters:
"""
TAIL = """
sources:
  uv: "download-metadata.json of uv's source; glibc floor: python-build-standalone, Running Distributions"
"""


def rows(listed: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the newest final patch of every minor version and machine, newest minor first."""
    newest: dict[tuple[str, int], Mapping[str, Any]] = {}
    for entry in listed.values():
        if _fits(entry):
            key = (entry["arch"]["family"], entry["minor"])
            newest[key] = max(newest.get(key, entry), entry, key=lambda one: (one["patch"], one["build"]))
    return [newest[key] for key in sorted(newest, key=lambda key: (key[0] != "x86_64", key[0], -key[1]))]


def _fits(entry: Mapping[str, Any]) -> bool:
    arch = entry["arch"]
    return (
        (entry["name"], entry["os"], entry["libc"]) == ("cpython", "linux", "gnu")
        and arch["family"] in FLOORS
        and not (arch["variant"] or entry.get("variant") or entry["prerelease"])
        and (entry["major"], entry["minor"]) >= OLDEST
        and bool(entry.get("sha256"))
    )


def render(found: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of interpreters.yml."""
    lines = []
    for entry in found:
        machine, build = entry["arch"]["family"], entry["build"]
        version = ".".join(str(entry[part]) for part in ("major", "minor", "patch"))
        file = unquote(entry["url"].rpartition("/")[2])
        lines.append(
            f'  - {{version: {version}, build: "{build}", machine: {machine}, '
            f'libc: {{family: glibc, version: "{FLOORS[machine]}"}},\n'
            f"     file: {file},\n"
            f"     sha256: {entry['sha256']}, {_security(entry)}source: uv, confidence: documented}}\n"
        )
    return HEAD + "".join(lines) + TAIL


def _security(entry: Mapping[str, Any]) -> str:
    only = SECURITY_ONLY.get(entry["minor"])
    return "security: true, " if only is not None and entry["patch"] >= only else ""


def main(arguments: list[str] | None = None) -> int:
    """Read uv's list and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list", type=Path, help="download-metadata.json of uv's source")
    parser.add_argument("--output", type=Path, default=CATALOGUE / "interpreters.yml")
    options = parser.parse_args(arguments)
    text = render(rows(json.loads(options.list.read_text("utf-8"))))
    options.output.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
