"""Measure what a fleet costs in bytes: from outside, and to each host, on a first run and on an upgrade.

    python bench/bytes.py [--hosts 1 8 20] [--mode connection|http] [--older "<4.8.5"]

Real CTranslate2 wheels, served by an index on this machine that counts what it gives out; hosts are
directories of this machine behind a connection that transfers files as to a remote one. One line per number.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "integration")]

from test_wheelhouse_bundle import Site  # noqa: E402
from wheelhouse_lab import CountingIndex, Fleet, serving  # noqa: E402

from module_utils.whisperx_common.lockfile import parse  # noqa: E402


def wheels(base: Path, request: str) -> tuple[str, Path]:
    """Return the lock of a request for this machine, and a directory with its wheels."""
    base.mkdir()
    site = Site(base)
    asked = f'{{"whisperx_plan_packages": {{"ctranslate2": "{request}"}}}}'
    site.play(
        "playbooks/bundle.yml", "-e", f"whisperx_wheelhouse_output={site.out}", "-e", asked, offline=False
    )
    (lock,) = site.out.glob("locks/*.txt")
    return lock.read_text(), site.out / "wheels"


def measure(base: Path, hosts: int, mode: str, texts: list[str], folder: Path) -> str:
    """Install the first lock on all hosts, then the second; return what it cost."""
    payload = {package.sha256: package.size or 0 for text in texts for package in parse(text).packages}
    with serving(CountingIndex(folder)) as index:
        fleet = Fleet(base, hosts, f"{index.url}/simple")
        told, started = "", time.monotonic()
        for text in texts:
            fleet.want(text, "ctranslate2", "ctranslate2", whisperx_wheelhouse_mode=mode)
            told = fleet.play("-v")
        seconds = time.monotonic() - started
    brought = [int(number) for number in re.findall(r"bytes_brought: (\d+)", told)]
    shared, files = sharing(Path(fleet.layout("host00").path("releases")))
    return (
        f"{hosts:3} hosts, {mode}: outside {index.bytes} bytes / unique payload {sum(payload.values())} = "
        f"{index.bytes / sum(payload.values()):.3f}; upgrade brought {max(brought)} bytes to each host, "
        f"{shared} of {files} unchanged files shared; {seconds:.0f} s for both runs"
    )


def sharing(releases: Path) -> tuple[int, int]:
    """Return how many files of unchanged packages are one inode in both releases, and of how many."""
    found: dict[str, set[int]] = {}
    for path in releases.glob("*/lib/python*/site-packages/numpy*/**/*"):
        if path.is_file() and "__pycache__" not in path.parts and path.name not in ("RECORD", "REQUESTED"):
            name = str(path).partition("site-packages")[2]
            found.setdefault(name, set()).add(path.stat().st_ino)
    return sum(len(inodes) == 1 for inodes in found.values()), len(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what a fleet costs in bytes.")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 8, 20])
    parser.add_argument("--mode", choices=["connection", "http"], default="http")
    parser.add_argument("--older", default="<4.8.5")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        old, first = wheels(base / "old", options.older)
        new, second = wheels(base / "new", "")
        folder = base / "wheels"
        folder.mkdir()
        for path in {path.name: path for path in (*first.glob("*/*"), *second.glob("*/*"))}.values():
            (folder / path.name).hardlink_to(path)
        for hosts in options.hosts:
            print(measure(base / f"fleet{hosts}", hosts, options.mode, [old, new], folder), flush=True)


if __name__ == "__main__":
    main()
