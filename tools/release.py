#!/usr/bin/env python3
"""Release a version: write the changelog and galaxy.yml, commit, tag. Nothing is pushed.

    python tools/release.py [VERSION]

Without VERSION the one of galaxy.yml is tagged, whose changelog is written already.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

__all__ = ["main", "release"]

ROOT = Path(__file__).resolve().parent.parent


class Refused(Exception):
    """What keeps a version from being released, and what to do."""


def release(root: Path, version: str) -> str:
    """Release ``version`` ("" for that of galaxy.yml) in a checkout; return the tag.

    Raises Refused before anything is written, subprocess.CalledProcessError if a program fails.
    """
    galaxy = root / "galaxy.yml"
    before = str(yaml.safe_load(galaxy.read_text(encoding="utf-8"))["version"])
    version = version or before
    tag = f"v{version}"
    written = yaml.safe_load((root / "changelogs/changelog.yaml").read_text(encoding="utf-8"))["releases"]
    _refuse(root, version, before, tag, version in written)
    if version not in written:
        text = galaxy.read_text(encoding="utf-8")
        galaxy.write_text(re.sub(r"(?m)^version: .*$", f"version: {version}", text), encoding="utf-8")
        # It asks ansible-doc, beside it, for the pages of plugins.
        programs = Path(sys.executable).parent
        env = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        command = [str(programs / "antsibull-changelog"), "release", "--version", version]
        subprocess.run(command, cwd=root, env=env, check=True)
        _git(root, "add", "--all", "galaxy.yml", "changelogs", "CHANGELOG.md")
        _git(root, "commit", "--quiet", "--message", f"Release {version}")
    _git(root, "tag", "--annotate", "--message", f"whisperx-fleet {version}", tag)
    return tag


def _refuse(root: Path, version: str, before: str, tag: str, written: bool) -> None:
    """Raise Refused for a version that cannot be released now."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise Refused(f"VERSION is {version}; wanted: three numbers, such as 0.2.0.")
    if _git(root, "status", "--porcelain"):
        raise Refused("The checkout has changes that are not committed; wanted: none. Commit them first.")
    if _git(root, "tag", "--list", tag):
        raise Refused(
            f"The tag {tag} is there already; wanted: a newer version. Name it: make release VERSION=..."
        )
    if written:
        return
    if _numbers(version) <= _numbers(before):
        raise Refused(f"VERSION is {version}, and galaxy.yml has {before}; wanted: a newer one.")
    if not list((root / "changelogs/fragments").glob("*.y*ml")):
        raise Refused(
            "changelogs/fragments has no fragment; wanted: what users notice. CONTRIBUTING.md has the form."
        )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def main(arguments: list[str]) -> int:
    """Release what the arguments name; return the exit status."""
    parser = argparse.ArgumentParser(description="Release a version of the collection.")
    parser.add_argument("version", nargs="?", default="")
    options = parser.parse_args(arguments)
    try:
        tag = release(ROOT, options.version)
    except Refused as problem:
        print(f"whisperx-fleet: {problem}", file=sys.stderr)
        return 2
    print(f"{tag} is tagged. Next: make collection, then git push --follow-tags")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
