"""Wait until a release is being built, and let something happen to this host.

python3 accident.py off|fill ROOT

off: the machine goes off, as by a cut of its power. fill: something else takes what the file system had left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

kind, root = sys.argv[1], Path(sys.argv[2])
# By its time, not by its name: what an earlier accident left of a release has the name of the next try.
started = time.time()
until = time.monotonic() + 120
while time.monotonic() < until:
    with contextlib.suppress(FileNotFoundError):
        if any(path.stat().st_ctime > started for path in root.glob("releases/*/lib/*/site-packages")):
            break
    time.sleep(0.005)
if kind == "off":
    # The first process of the container: with it, all others are gone at once.
    os.kill(1, signal.SIGTERM)
else:
    room = os.statvfs(root)
    with open(root / "filler", "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, room.f_bavail * room.f_frsize - (4 << 20))
