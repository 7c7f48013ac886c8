"""Files that two distributions claim: the later one overwrote the earlier one's.

In: a site-packages directory. Out: one finding per pair of distributions whose RECORD files give the same
path different digests and a shared object is among the paths (such as onnxruntime and onnxruntime-gpu); a
note where only other files are. Same digests harm nothing until one of the two is removed, and are not told.
"""

from __future__ import annotations

import csv
import os
from typing import Dict, List, Tuple

from .model import Finding

__all__ = ["Claims", "collisions"]

Claims = Tuple[List[Finding], List[Finding]]

# A RECORD of the largest real package has 2 MiB; what is larger was not written by an installer.
_LARGEST = 1 << 26
_INFO = ".dist-info"


def collisions(root: str, site_packages: str) -> Claims:
    """Findings and notes; file names are relative to ``root``. An unreadable RECORD claims nothing."""
    owner: Dict[str, Tuple[str, str]] = {}
    pairs: Dict[Tuple[str, str], List[str]] = {}
    try:
        names = sorted(name for name in os.listdir(site_packages) if name.endswith(_INFO))
    except OSError:
        return [], []
    for name in names:
        distribution = name[: -len(_INFO)]
        for path, digest in _claims(os.path.join(site_packages, name, "RECORD")):
            other = owner.setdefault(path, (distribution, digest))
            if other[1] != digest and other[0] != distribution:
                pairs.setdefault((other[0], distribution), []).append(path)
    findings: List[Finding] = []
    notes: List[Finding] = []
    for pair, paths in sorted(pairs.items()):
        native = [path for path in paths if path.endswith(".so") or ".so." in path]
        where = os.path.relpath(os.path.normpath(os.path.join(site_packages, (native or paths)[0])), root)
        (findings if native else notes).append(_collision(where, pair, len(paths)))
    return findings, notes


def _collision(where: str, pair: Tuple[str, str], count: int) -> Finding:
    more = "" if count == 1 else " and {} more files".format(count - 1)
    return Finding(
        "abi.collision",
        where,
        "{} and {} both contain it{}, with different contents".format(pair[0], pair[1], more),
        "one distribution for each file: what was installed last overwrote the other's",
        "Keep one of {} and {}, and install it again.".format(*(item.partition("-")[0] for item in pair)),
    )


def _claims(record: str) -> List[Tuple[str, str]]:
    """The (path, digest) rows of a RECORD that have a digest."""
    try:
        with open(record, "rb") as stream:
            text = stream.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return []
    found: List[Tuple[str, str]] = []
    for line in text.splitlines():
        row = _quoted(line) if '"' in line else line.rsplit(",", 2)
        if len(row) == 3 and row[1]:
            found.append((row[0], row[1]))
    return found


def _quoted(line: str) -> List[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []
