#!/usr/bin/env python3
"""Make the collection ``whisperx.fleet`` of this checkout: build/whisperx-fleet-VERSION.tar.gz.

    python tools/collection.py [--output build] [--stage FOLDER]

Prints the archive's path. With ``--stage`` the folder gets the collection's files, and there is no archive.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.galaxy.artifact import build  # noqa: E402
from tools.galaxy.stage import stage  # noqa: E402

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Make what the arguments ask for; return the exit status."""
    parser = argparse.ArgumentParser(description="Make the collection whisperx.fleet of this checkout.")
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="folder of the archive")
    parser.add_argument(
        "--stage", type=Path, help="write the collection's files to this new folder, and no archive"
    )
    options = parser.parse_args(arguments)
    if options.stage:
        stage(ROOT, options.stage)
        print(options.stage)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        stage(ROOT, Path(folder, "collection"))
        try:
            print(build(Path(folder, "collection"), options.output))
        except subprocess.CalledProcessError as error:
            return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
