"""Are the files of an environment those that its packages brought?

RECORD (PEP 376, PEP 427) lists every file of a distribution with its digest and size. Missing files and other
sizes are seen with one stat each; digests are compared for small files that two distributions claim.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .installed import distributions
from .records import Symptom

__all__ = ["examine"]

_MOST_SHOWN = 20
# What nothing needs at run time, and what images are slimmed by; a certificate bundle is edited on purpose.
_IDLE = re.compile(
    r"(^|/)(tests?|testing|include|docs?|examples?)/|\.(pyi|h|hpp|cuh|a|cmake|txt|md|rst|pem|typed|pxd|pyx|c|cpp)$"
)
# Packages of the distribution: it moves their files and leaves RECORD as it was.
_DISTRIBUTIONS = "/usr/lib/python3/dist-packages"
_MOST_HASHED = 16 << 20
# The largest real one has 2 MiB.
_LARGEST_RECORD = 1 << 26
_SIZE = re.compile(r"[0-9]{1,18}\Z")


class _Claim(NamedTuple):
    """A file as a distribution's RECORD has it; size -1 where it does not say."""

    distribution: str
    digest: str
    size: int


def examine(sites: Sequence[str]) -> Tuple[List[Symptom], int]:
    """Return what is not as it was installed, worst first, and how many files were looked at."""
    found: List[Symptom] = []
    looked = 0
    for site in sites:
        if site.endswith(_DISTRIBUTIONS):
            continue
        claims: Dict[str, List[_Claim]] = {}
        for name, version, info in distributions(site):
            for path, claim in _claims(f"{name} {version}", os.path.join(info, "RECORD")):
                claims.setdefault(path, []).append(claim)
        looked += len(claims)
        for path in sorted(claims):
            symptom = _judge(site, path, claims[path])
            if symptom is not None:
                found.append(symptom)
    found.sort(key=lambda symptom: (symptom.minor, symptom.name, ".so" not in symptom.where))
    return found[:_MOST_SHOWN], looked


def _claims(distribution: str, record: str) -> Iterator[Tuple[str, _Claim]]:
    """Yield the files of one RECORD that matter: not byte code, not scripts outside the directory."""
    try:
        if not os.path.isfile(record) or os.path.getsize(record) > _LARGEST_RECORD:
            return
        with open(record, encoding="utf-8", errors="replace", newline="") as stream:
            rows = [row for row in csv.reader(stream) if len(row) == 3]
    except (OSError, csv.Error):
        return
    for path, digest, size in rows:
        outside = path.startswith(("/", ".."))
        if outside or path.endswith((".pyc", "/RECORD")) or ".dist-info/" in path:
            continue
        yield path, _Claim(distribution, digest, int(size) if _SIZE.match(size) else -1)


def _judge(site: str, path: str, claims: List[_Claim]) -> Optional[Symptom]:
    """Return what is wrong with one file."""
    here, idle = os.path.join(site, path), _IDLE.search(path) is not None
    owners = " and ".join(dict.fromkeys(claim.distribution for claim in claims))
    try:
        size = os.stat(here).st_size
    except (OSError, ValueError):
        return Symptom("files", "missing", f"{path} is missing; it belongs to {owners}", path, minor=idle)
    wrong = [claim for claim in claims if claim.size not in (-1, size)]
    if not wrong and len({claim.digest for claim in claims}) > 1 and size <= _MOST_HASHED:
        real = _digest(here)
        wrong = [claim for claim in claims if claim.digest not in ("", real)]
    if not wrong:
        return None
    first = wrong[0]
    if len({claim.distribution for claim in claims}) > 1:
        text = f"{path} belongs to {owners}; the installed file is not that of {first.distribution}"
        return Symptom("files", "collision", text, path, minor=idle)
    text = f"{path} has {size} bytes, the file of {first.distribution} has {first.size}"
    return Symptom("files", "changed", text, path, minor=idle)


def _digest(path: str) -> str:
    value = hashlib.sha256()
    with open(path, "rb") as stream:
        for part in iter(lambda: stream.read(1 << 20), b""):
            value.update(part)
    return "sha256=" + base64.urlsafe_b64encode(value.digest()).rstrip(b"=").decode("ascii")
