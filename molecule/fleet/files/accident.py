"""Wait until a release is being built, and let something happen to this host.

python3 accident.py off|fill ROOT

off: the machine goes off, as by a cut of its power. fill: something else takes what the file system had left.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

kind, root = sys.argv[1], Path(sys.argv[2])
releases = root / "releases"
known = set(releases.iterdir())
until = time.monotonic() + 120
while time.monotonic() < until:
    if [path for path in set(releases.iterdir()) - known if list(path.glob("lib/*/site-packages"))]:
        break
    time.sleep(0.005)
if kind == "off":
    # The first process of the container: with it, all others are gone at once.
    os.kill(1, signal.SIGTERM)
else:
    room = os.statvfs(root)
    with open(root / "filler", "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, room.f_bavail * room.f_frsize - (4 << 20))
