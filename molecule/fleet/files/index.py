"""Serve the wheels below DIRECTORY to who knows the password, and count the bytes.

python index.py DIRECTORY PASSWORD-FILE

DIRECTORY/wheels are served; DIRECTORY/url gets the address, DIRECTORY/bytes how many bytes of wheels were
given out. Ends when DIRECTORY is gone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "integration")]

from wheelhouse_lab import CountingIndex, serving  # noqa: E402

directory, password = Path(sys.argv[1]), Path(sys.argv[2]).read_text().strip()
with serving(CountingIndex(directory / "wheels", f"fleet:{password}")) as index:
    (directory / "url").write_text(f"{index.url}/simple")
    while directory.exists():
        (directory / "bytes").write_text(str(index.bytes))
        time.sleep(0.2)
