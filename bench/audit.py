"""Audit an environment and print the figures as JSON: objects, files, seconds (the best of five, warm).

    python bench/audit.py [DIRECTORY]      default: the release in use below /opt/whisperx

`gate` reads headers, as before every switch; `deep` looks at every symbol too. They are compared with `walk`,
one stat of every file, less than which nothing that looks at all files can take; with `readelf`, one call of
binutils' program on all objects, which reads the same headers and judges nothing; and with `ldd`, the
loader's own answer for the first objects, scaled to all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_abi.audit import Use, audit, objects  # noqa: E402
from module_utils.whisperx_abi.header import MAGIC  # noqa: E402
from module_utils.whisperx_catalogue.catalogue import load  # noqa: E402
from module_utils.whisperx_release import host  # noqa: E402

ROUNDS = 5
LDD = 20


def best(deed: Callable[[], Any]) -> float:
    """Return the shortest of some rounds, in seconds."""
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        deed()
        found.append(time.perf_counter() - begun)
    return round(min(found), 3)


def walk(top: str) -> int:
    """Stat every file; return how many there are."""
    count = 0
    for directory, _, names in os.walk(top):
        for name in names:
            os.lstat(os.path.join(directory, name))
            count += 1
    return count


def others(paths: list[str]) -> dict[str, float]:
    """Return the seconds of other programs on the same objects, where they are."""
    found = {}
    if shutil.which("readelf"):
        command = ["readelf", "-ldVW", *paths]
        found["readelf"] = best(lambda: subprocess.run(command, capture_output=True, check=False))
    if shutil.which("ldd"):
        begun = time.perf_counter()
        for path in paths[:LDD]:
            subprocess.run(["ldd", path], capture_output=True, check=False)
        found["ldd"] = round((time.perf_counter() - begun) * len(paths) / len(paths[:LDD]), 1)
    return found


def main() -> None:
    """Measure and print."""
    given = sys.argv[1:] or [
        str(path) for path in Path("/opt/whisperx/current/lib").glob("python*/site-packages")
    ]
    if len(given) != 1 or not Path(given[0]).is_dir():
        sys.exit("usage: python bench/audit.py DIRECTORY, of an environment with WhisperX for instance")
    top, here = given[0], host.here()
    rows = load(str(ROOT / "roles/whisperx_plan/files/catalogue")).rows
    optional = tuple(sorted(rows.ignored | rows.soname_optional))

    def look(deep: bool) -> Any:
        use = Use(optional=optional, interpreter=os.path.realpath(sys.executable), deep=deep)
        return audit(top, here.glibc or None, here.machine, False, "9999", use)

    found = look(True)
    paths = [path for path in objects(top) if open(path, "rb").read(4) == MAGIC]  # noqa: SIM115
    figures: dict[str, Any] = {"objects": found.objects, "files": walk(top)}
    figures |= {"findings": len(found.findings), "notes": len(found.notes)}
    figures["seconds"] = {"gate": best(lambda: look(False)), "deep": best(lambda: look(True))}
    figures["seconds"] |= {"walk": best(lambda: walk(top)), **others(paths)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
