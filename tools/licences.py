#!/usr/bin/env python3
"""Write docs/licences.md: what the locked packages of this project are licensed under, by their own metadata.

    tools/licences.py            # write it
    tools/licences.py --check    # exit code 1 when a locked package has no row, or a row no package

A package that another Python or system alone installs keeps the row that it has.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib import metadata
from pathlib import Path

__all__ = ["PAGE", "licence_of", "locked", "main", "page"]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/licences.md"
# Lock to who installs it.
LOCKS = {
    "controller": "controller",
    "collections": "collections",
    "ee": "execution environment",
    "test": "tests",
    "data": "tests",
}
_LOCKED = re.compile(r"(?m)^([A-Za-z0-9._-]+)==")
_ROW = re.compile(r"(?m)^\| `(.+?)` \| (.+?) \| .+? \|$")
_CLASSIFIER = "License :: OSI Approved :: "
_HEAD = """\
# Licences

whisperx-fleet is under the GNU General Public License, version 3 or later ([LICENSE](../LICENSE)).
What it installs on hosts is listed in the SBOM of a bundle or an image; \
the weights of models have [licences of their own](models.md).
What its own locks (`requirements/`) install on the controller and for tests, \
by the packages' metadata (`tools/licences.py`):

| package | licence | installed for |
| --- | --- | --- |
"""


def locked(folder: Path = ROOT / "requirements") -> dict[str, list[str]]:
    """Return package to who installs it, in the order of LOCKS."""
    found: dict[str, list[str]] = {}
    for lock, who in LOCKS.items():
        for name in dict.fromkeys(_LOCKED.findall((folder / f"{lock}.txt").read_text("utf-8"))):
            found.setdefault(name, []).append(who)
    return dict(sorted(found.items()))


def licence_of(package: metadata.Distribution) -> str:
    """Return a licence as SPDX has it (PEP 639), else by classifier, else the first line of field or file."""
    told = package.metadata
    values = told.get_all("Classifier") or []
    classified = [value.removeprefix(_CLASSIFIER) for value in values if value.startswith(_CLASSIFIER)]
    named = [
        *(told.get_all("License-Expression") or []),
        ", ".join(classified),
        *(told.get_all("License") or []),
        *(package.read_text(f"licenses/{name}") or "" for name in told.get_all("License-File") or []),
    ]
    return next((text.strip().partition("\n")[0] for text in named if text.strip()), "not stated")


def page(before: str) -> str:
    """Return the page. ``before``: what it is now, for packages that are not installed here."""
    known = dict(_ROW.findall(before))
    rows = []
    for name, users in locked().items():
        try:
            licence = licence_of(metadata.distribution(name)).replace("|", "/")
        except metadata.PackageNotFoundError:
            licence = known.get(name, "not installed where this was written")
        rows.append(f"| `{name}` | {licence} | {', '.join(users)} |")
    return _HEAD + "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/licences.md.")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    options = parser.parse_args(arguments)
    before = PAGE.read_text("utf-8") if PAGE.exists() else ""
    if options.check:
        wrong = set(locked()).symmetric_difference(dict(_ROW.findall(before)))
        print(*sorted(wrong), sep="\n")
        return int(bool(wrong))
    PAGE.write_text(page(before), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
