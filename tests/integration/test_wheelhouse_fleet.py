"""A site downloads each file once, hosts take only what they lack, and keep sharing what did not change."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from env_lab import make_wheel
from wheelhouse_lab import CountingIndex, Fleet, lock_of, serving

from module_utils.whisperx_common.lockfile import parse
from module_utils.whisperx_lock.sources import make_sources
from module_utils.whisperx_lock.uv import Uv, find_uv
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_wheelhouse import addresses
from module_utils.whisperx_wheelhouse.fetch import Fetcher
from module_utils.whisperx_wheelhouse.fill import fill
from module_utils.whisperx_wheelhouse.house import House
from module_utils.whisperx_wheelhouse.progress import Progress
from module_utils.whisperx_wheelhouse.serve import start


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
        fleet = Fleet(tmp_path / "fleet", 2, f"{index.url}/simple")
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
        assert told.count(f"bytes_brought: {brought}\n") == 2
        for host in fleet.names:
            assert all(len(ids) == 1 for ids in inodes(fleet, host).values()) and inodes(fleet, host)
        assert not list((tmp_path / "fleet").glob("remote_tmp/*"))


def test_hosts_take_from_a_cache_host_that_any_web_server_is(tmp_path: Path, wheels: Path) -> None:
    with serving(CountingIndex(wheels)) as index:
        fleet = Fleet(tmp_path / "fleet", 1, f"{index.url}/simple")
        store = tmp_path / "store"
        store.mkdir()
        handler = functools.partial(SimpleHTTPRequestHandler, directory=str(store))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            fleet.want(
                lock_of(*wheel(wheels, "tiny-1.0")),
                "tiny",
                "tiny",
                whisperx_wheelhouse_mode="http",
                whisperx_wheelhouse_dir=str(store),
                whisperx_wheelhouse_url=f"http://127.0.0.1:{server.server_port}",
            )
            fleet.play()
            server.shutdown()
        fleet.want(
            lock_of(*wheel(wheels, "tiny-2.0")),
            "tiny",
            "tiny",
            whisperx_wheelhouse_mode="http",
            whisperx_wheelhouse_url="http://127.0.0.1:9",
        )
        assert "env.wheelhouse" in fleet.play(fails=True)


def test_a_cache_that_was_removed_is_filled_again(tmp_path: Path, wheels: Path) -> None:
    with serving(CountingIndex(wheels)) as index:
        fleet = Fleet(tmp_path / "fleet", 1, f"{index.url}/simple")
        fleet.want(
            lock_of(*wheel(wheels, "tiny-1.0", "large-1.0")), "tiny", "tiny", whisperx_wheelhouse_mode="http"
        )
        fleet.play()
        cache = Path(fleet.layout("host00").cache)
        shutil.rmtree(cache)
        fleet.want(
            lock_of(*wheel(wheels, "tiny-2.0", "large-1.0")), "tiny", "tiny", whisperx_wheelhouse_mode="http"
        )
        fleet.play()
        # Only what uv unpacked is gone, the marks are still there: that run fails, the next one completes.
        for path in cache.glob("[aw]*-v*"):
            shutil.rmtree(path)
        shutil.rmtree(fleet.layout("host00").path("releases"))
        assert "fetched again by the next run" in fleet.play(fails=True).replace("\n        ", " ")
        fleet.play()


def test_credentials_open_the_index_and_show_nowhere(tmp_path: Path, wheels: Path) -> None:
    secret = "vaulted-s3cret"
    with serving(CountingIndex(wheels, f"me:{secret}", html=True)) as index:
        fleet = Fleet(tmp_path / "fleet", 1, f"{index.url}/simple")
        given = {"whisperx_plan_index_username": "me", "whisperx_plan_index_password": secret}
        text = lock_of(*wheel(wheels, "tiny-1.0"))
        fleet.want(text, "tiny", "tiny", whisperx_wheelhouse_mode="connection", **given)
        told = fleet.play("-vvv", "--diff")
        assert index.transfers("tiny-1.0-py3-none-any.whl") >= 1
        fleet.want(
            text,
            "tiny",
            "tiny",
            whisperx_wheelhouse_dir=str(tmp_path / "new"),
            whisperx_wheelhouse_mode="http",
            **given | {"whisperx_plan_index_password": secret + "!"},
        )
        told += fleet.play("-vvv", fails=True)
        assert "lock.credentials" in told and secret not in told
        kept = [
            path for path in (tmp_path / "fleet").rglob("*") if path.is_file() and path.name != "vars.json"
        ]
        assert [path for path in kept if secret.encode() in path.read_bytes()] == []


def filled(index: CountingIndex, text: str, house: House, progress: Progress | None = None) -> None:
    fill(
        house,
        {"lab": text},
        Uv(find_uv(), make_sources(f"{index.url}/simple")),
        progress or Progress(),
        False,
    )


def test_a_download_goes_on_where_it_was_cut_off(tmp_path: Path, wheels: Path) -> None:
    (path,) = wheel(wheels, "large-1.0")
    text, house, size = lock_of(path, request="large"), House(tmp_path / "house"), path.stat().st_size
    with serving(CountingIndex(wheels)) as index:
        sources = make_sources(f"{index.url}/simple")
        found = addresses.find(parse(text), parse(text).packages, Uv(find_uv(), sources))
        index.bytes, index.cut = 0, size // 3
        progress = Progress(tmp_path / "progress.json")
        with house.held():
            Fetcher(house, sources, progress, pause=0.01).fetch(found)
        assert index.bytes == size and progress.bytes == size and progress.files == 1
        assert house.path(found[0].sha256, path.name).read_bytes() == path.read_bytes()
        ranges = [asked for _path, code, asked in index.asked if code == 206 and asked.endswith("-")]
        assert ranges[-3:] == [f"bytes={size // 3 * number}-" for number in (1, 2, 3)]
        # A run that was killed left a part of other bytes: it is noticed, and the file fetched anew.
        shutil.rmtree(house.root)
        with house.held():
            house.part(found[0].sha256).write_bytes(b"x" * 1000)
            index.cut = 0
            Fetcher(house, sources, Progress(), pause=0.01).fetch(found)
        assert house.has(parse(text).packages[0])


def test_another_file_than_the_locked_one_is_not_kept(tmp_path: Path, wheels: Path) -> None:
    (path,) = wheel(wheels, "tiny-1.0")
    text, house = lock_of(path), House(tmp_path / "house")
    with serving(CountingIndex(wheels)) as index:
        sources = make_sources(f"{index.url}/simple")
        (address,) = addresses.find(parse(text), parse(text).packages, Uv(find_uv(), sources))
        path.write_bytes(b"another")
        with house.held(), pytest.raises(Problem) as caught:
            Fetcher(house, sources, Progress(), pause=0.01).fetch([address])
        assert caught.value.rule == "wheelhouse.wrong-hash"
        with pytest.raises(Problem) as caught:
            filled(index, text, house)
        assert caught.value.rule == "wheelhouse.not-listed"
        with house.held(), pytest.raises(Problem) as caught:
            Fetcher(house, sources, Progress(), pause=0.01).fetch(
                [replace(address, url=f"{index.url}/files/gone")]
            )
        assert (caught.value.rule, "HTTP 404" in caught.value.found) == ("wheelhouse.download", True)
    assert list(house.root.rglob("*.whl")) == []


def test_nothing_lacking_asks_nobody(tmp_path: Path, wheels: Path) -> None:
    text, house = lock_of(*wheel(wheels, "tiny-1.0")), House(tmp_path / "house")
    with serving(CountingIndex(wheels)) as index:
        filled(index, text, house)
        asked = len(index.asked)
        filled(index, text, house)
        assert len(index.asked) == asked


def test_the_server_gives_out_its_list_alone_and_ends_with_the_run(wheels: Path) -> None:
    run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (path,) = wheel(wheels, "tiny-1.0")
    server = start({"a" * 64: path}, "127.0.0.1", 0, run.pid)
    base = server.url("127.0.0.1")
    whole = urllib.request.urlopen(f"{base}/{'a' * 64}/{path.name}").read()
    assert whole == path.read_bytes()
    part = urllib.request.Request(f"{base}/{'a' * 64}/{path.name}", headers={"Range": "bytes=100-"})
    assert urllib.request.urlopen(part).read() == whole[100:]
    root = base.rpartition("/")[0]
    for bad in (
        base,
        f"{base}/",
        f"{root}/",
        f"{base}/{'a' * 64}/../{path.name}",
        f"{root}/{'a' * 64}/{path.name}",
    ):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(bad)
    run.kill()
    run.wait()
    until = time.monotonic() + 10
    with pytest.raises(OSError):
        while time.monotonic() < until:
            urllib.request.urlopen(f"{base}/{'a' * 64}/{path.name}").close()
            time.sleep(0.1)
    os.waitpid(-1, 0)


@pytest.mark.parametrize("mode", ["direct", "http"])
def test_a_terminal_is_told_how_far_a_host_is_and_a_pipe_is_not(
    tmp_path: Path, wheels: Path, mode: str
) -> None:
    with serving(CountingIndex(wheels)) as index:
        fleet = Fleet(tmp_path / "fleet", 1, f"{index.url}/simple")
        fleet.want(lock_of(*wheel(wheels, "tiny-1.0")), "tiny", "tiny", whisperx_wheelhouse_mode=mode)
        assert "to download" not in fleet.play()
        index.slow = {"large": 6, "tiny-2": 14} if mode == "direct" else {}
        fleet.want(
            lock_of(*wheel(wheels, "tiny-2.0", "large-1.0")), "tiny", "tiny", whisperx_wheelhouse_mode=mode
        )
        shown = fleet.play_on_a_terminal()
    if mode == "direct":
        assert re.search(r"host00: 2 packages to download, at most \d+ MB", shown)
        assert re.search(r"host00: (\d+) of \1 MB, 1 of 2 packages", shown)
    else:
        # The controller downloads; the host takes it from there in no time.
        assert "wheelhouse: 2 files to download" in shown
    assert not Path(fleet.layout("host00").path(".progress")).exists()
