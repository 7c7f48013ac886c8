"""A site downloads each file once, hosts take only what they lack, and keep sharing what did not change."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from env_lab import make_wheel
from wheelhouse_lab import CountingIndex, Fleet, lock_of, serving


def noise(size: int) -> str:
    """Return text that no archive makes much smaller."""
    return "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(size // 64))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "tiny", "1.0", {})
    make_wheel(folder, "tiny", "2.0", {})
    make_wheel(folder, "large", "1.0", {"data.txt": noise(4_000_000)})
    return folder


def wheel(folder: Path, *names: str) -> list[Path]:
    return [folder / f"{name}-py3-none-any.whl" for name in names]


def inodes(fleet: Fleet, host: str) -> dict[str, set[int]]:
    """Return the inodes of each package's files in each release."""
    found: dict[str, set[int]] = {}
    for path in Path(fleet.layout(host).path("releases")).glob("*/lib/*/site-packages/large/*.*"):
        found.setdefault(path.name, set()).add(path.stat().st_ino)
    return found


@pytest.mark.parametrize("mode", ["connection", "http"])
def test_each_file_comes_once_for_all_hosts(tmp_path: Path, wheels: Path, mode: str) -> None:
    with serving(CountingIndex(wheels)) as index:
        fleet = Fleet(tmp_path / "fleet", 3, f"{index.url}/simple")
        old, new = wheel(wheels, "tiny-1.0", "large-1.0"), wheel(wheels, "tiny-2.0", "large-1.0")
        fleet.want(lock_of(*old), "tiny", "tiny", whisperx_wheelhouse_mode=mode)
        fleet.play()
        payload = sum(path.stat().st_size for path in old)
        # uv reads the metadata of what it is asked for; beside that, every byte came once.
        assert payload <= index.bytes < 1.005 * payload
        assert not list(Path(fleet.layout("host00").path("files")).glob("*/*.whl"))
        before = index.bytes
        assert "changed=0" in fleet.play() and index.bytes == before
        fleet.want(lock_of(*new), "tiny", "tiny", whisperx_wheelhouse_mode=mode)
        told = fleet.play("-v")
        assert index.bytes - before < 0.02 * payload
        brought = new[0].stat().st_size
        assert told.count(f"bytes_brought: {brought}\n") == 3
        for host in fleet.names:
            assert all(len(ids) == 1 for ids in inodes(fleet, host).values()) and inodes(fleet, host)
        assert not list((tmp_path / "fleet").glob("remote_tmp/*"))
