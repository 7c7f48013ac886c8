"""A download ends: at the locked size, at its time, at the server's end, at the disk's; and says at which."""

from __future__ import annotations

import errno
import functools
import hashlib
import http.client
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from odd_server import MANNERS, odd_server

from module_utils.whisperx_common import site_store
from module_utils.whisperx_common.download import Limits, TooLong, TooSlow, Unwritable, download
from module_utils.whisperx_common.lockfile import LockedPackage
from module_utils.whisperx_common.progress import Progress as HostProgress
from module_utils.whisperx_env import fetch as on_host
from module_utils.whisperx_lock.sources import Sources
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.model import Layout
from module_utils.whisperx_wheelhouse.addresses import Address
from module_utils.whisperx_wheelhouse.fetch import Fetcher
from module_utils.whisperx_wheelhouse.house import House
from module_utils.whisperx_wheelhouse.progress import Progress

DATA = bytes(range(256)) * 400  # some blocks of a connection
SHORT = Limits(stall=0.3, least=0.6, rate=1e9, largest=1 << 20)
BROKEN = (OSError, http.client.HTTPException)
# What each manner of a server ends in.
ENDS: dict[str, type[BaseException] | tuple[type[BaseException], ...] | None] = {
    "whole": None,
    "other": None,  # the caller compares the digest
    "endless": TooLong,
    "endless_chunks": TooLong,
    "more": TooLong,
    "less": BROKEN,
    "closes": BROKEN,
    "silent": BROKEN,
    "stalls": BROKEN,
    "trickles": TooSlow,
    "trickles_head": TooSlow,
    "redirects_elsewhere": BROKEN,
    "redirects_in_circles": BROKEN,
    "partial_from_elsewhere": None,
    "no_http": BROKEN,
}
# These serve another file; of the others nothing can be had.
WRONG = {"other", "endless", "endless_chunks", "more", "partial_from_elsewhere"}


def ignore(_size: int) -> None:
    pass


def get(url: str, path: Path, size: int | None, limits: Limits = SHORT) -> int:
    return download(urllib.request.Request(url), str(path), size, ignore, proxies={}, limits=limits)


def test_every_manner_has_its_end() -> None:
    assert set(ENDS) == set(MANNERS)


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size not known"])
@pytest.mark.parametrize("manner", MANNERS)
def test_it_ends_in_time_and_takes_no_more_room_than_the_file(
    tmp_path: Path, manner: str, known: bool
) -> None:
    path, began = tmp_path / "part", time.monotonic()
    end = ENDS[manner]
    if not known and manner == "more":
        end = None
    with odd_server(manner, DATA) as url:
        if end is None:
            get(f"{url}/file", path, len(DATA) if known else None)
        else:
            with pytest.raises(end):
                get(f"{url}/file", path, len(DATA) if known else None)
    assert time.monotonic() - began < 5
    written = path.stat().st_size if path.exists() else 0
    assert written <= (len(DATA) if known else SHORT.largest)
    if manner == "whole":
        assert path.read_bytes() == DATA


def test_a_full_disk_is_none_of_the_server_s_faults(tmp_path: Path) -> None:
    with odd_server("whole", DATA) as url, pytest.raises(Unwritable) as caught:
        get(f"{url}/file", Path("/dev/full"), len(DATA))
    assert caught.value.cause.errno == errno.ENOSPC
    with odd_server("whole", DATA) as url, pytest.raises(Unwritable):
        get(f"{url}/file", tmp_path / "nowhere" / "part", len(DATA))


def test_a_closed_port_is_no_full_disk(tmp_path: Path) -> None:
    with odd_server("whole", DATA) as url:
        pass
    with pytest.raises(OSError) as caught:
        get(f"{url}/file", tmp_path / "part", len(DATA))
    assert not isinstance(caught.value, Unwritable)


@pytest.mark.parametrize("manner", MANNERS)
def test_the_store_says_which(tmp_path: Path, manner: str) -> None:
    house = House(tmp_path)
    digest = hashlib.sha256(DATA).hexdigest()
    with odd_server(manner, DATA) as url, house.held():
        fetcher = Fetcher(house, Sources(), Progress(), pause=0, limits=SHORT)
        address = Address(digest, "a.whl", f"{url}/file", len(DATA))
        if manner == "whole":
            fetcher.fetch([address])
            assert house.path(digest, "a.whl").read_bytes() == DATA
            return
        with pytest.raises(Problem) as caught:
            fetcher.fetch([address])
    rule = "wheelhouse.wrong-hash" if manner in WRONG else "wheelhouse.download"
    assert caught.value.rule == rule
    assert not house.path(digest, "a.whl").exists()


@pytest.mark.parametrize("manner", MANNERS)
def test_a_host_says_which(tmp_path: Path, manner: str) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    package = LockedPackage("a", "1", digest, "a.whl", len(DATA), "index")
    layout = Layout(str(tmp_path), "", "")
    with odd_server(manner, DATA) as url:
        if manner == "whole":
            assert on_host.fetch(layout, [package], url, HostProgress(), SHORT) == len(DATA)
            return
        with pytest.raises(Problem) as caught:
            on_host.fetch(layout, [package], url, HostProgress(), SHORT)
    rule = "env.transfer" if manner in WRONG else "env.wheelhouse"
    assert caught.value.rule == rule
    assert not (tmp_path / "files" / digest / "a.whl").exists()


def onto_a_full_disk(
    real: Callable[..., int], request: urllib.request.Request, path: str, *rest: Any, **named: Any
) -> int:
    """Download to a device that has no room."""
    return real(request, "/dev/full", *rest, **named)


def test_a_full_disk_is_named_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever digest it is, the part is a device that has no room; a host takes no link for its part."""
    digest = hashlib.sha256(DATA).hexdigest()
    house = House(tmp_path / "house")
    package = LockedPackage("a", "1", digest, "a.whl", len(DATA), "index")
    layout = Layout(str(tmp_path / "root"), "", "")
    (tmp_path / "root").mkdir()
    with odd_server("whole", DATA) as url, house.held():
        house.part(digest).symlink_to("/dev/full")
        with pytest.raises(Problem) as caught:
            Fetcher(house, Sources(), Progress(), pause=0).fetch([Address(digest, "a.whl", url, len(DATA))])
        assert caught.value.rule == "wheelhouse.disk-space"
        fetched = functools.partial(onto_a_full_disk, download)
        monkeypatch.setattr(site_store, "download", fetched)
        with pytest.raises(Problem) as caught:
            on_host.fetch(layout, [package], url, HostProgress(), SHORT)
        assert caught.value.rule == "env.disk-space"
