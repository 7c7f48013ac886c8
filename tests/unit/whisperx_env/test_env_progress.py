"""What a terminal is told of a build, as a file beside it says."""

from __future__ import annotations

import json
from pathlib import Path

from module_utils.whisperx_common.lockfile import LockedPackage
from module_utils.whisperx_common.progress import Progress

PACKAGES = [
    LockedPackage(name, "1.0", "0" * 64, f"{name}-1.0-py3-none-any.whl", size, "index")
    for name, size in (("torch", 500_000_000), ("numpy", 20_000_000))
]


def line(path: Path) -> str:
    return str(json.loads(path.read_text())["line"])


def test_size_and_count_come_first_then_what_is_there_then_the_step(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path), "image whisperx-3.8.6")
    progress.step("build")
    progress.begin(PACKAGES)
    assert line(path) == "image whisperx-3.8.6: 2 packages to download, at most 520 MB"
    progress.hear(" Downloaded torch")
    assert line(path) == "image whisperx-3.8.6: 500 of 520 MB, 1 of 2 packages"
    progress.hear("Prepared 2 packages in 3.1s")
    assert line(path) == "image whisperx-3.8.6: unpacking"
    progress.step("layers")
    assert line(path) == "image whisperx-3.8.6: writing its layers"
    # What uv has in its cache it does not announce.
    progress.begin(PACKAGES)
    progress.step("verify")
    assert line(path) == "image whisperx-3.8.6: verifying it"
    # Nobody waits for a switch.
    progress.step("switch")
    assert line(path) == ""
    progress.end()
    assert not list(tmp_path.iterdir())


def test_it_never_stops_a_build(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path / "gone" / "progress"))
    progress.begin(PACKAGES)
    progress.end()
    Progress().step("verify")
