"""The archive of a managed Python: pinned by its digest, or it is none."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.whisperx_common import lockfile
from module_utils.whisperx_common.standalone import Archive, of, read
from module_utils.whisperx_problem import Problem

ARCHIVE = Archive(
    "3.13.9",
    "20261110",
    "x86_64",
    "glibc 2.17",
    "cpython-3.13.9+20261110-x86_64-unknown-linux-gnu-install_only.tar.gz",
    "0123456789abcdef" * 4,
    30_000_000,
)
HEADER = {"whisperx-fleet-lock": "1", "class": "c", "request": '{"tiny":""}', "platform": "x", "uv": "0"}


def test_it_is_written_as_it_is_read() -> None:
    assert of(ARCHIVE.record()) == read(ARCHIVE.line()) == ARCHIVE
    assert read("") is None
    assert (ARCHIVE.minor, ARCHIVE.key) == ("3.13", "cpython-3.13.9-linux-x86_64-gnu")
    musl = of({**ARCHIVE.record(), "libc": "musl 1.2", "size": None})
    assert musl.key == "cpython-3.13.9-linux-x86_64-musl"


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": None},
        {"sha256": ""},
        {"sha256": "0123456789ABCDEF" * 4},
        {"sha256": "0" * 63},
        {"version": "3.13"},
        {"version": "3.13.9/.."},
        {"build": "yesterday"},
        {"machine": "../x86_64"},
        {"libc": "2.17"},
        {"file": "../../cpython-3.13.9.tar.gz"},
        {"file": "python.tar.gz"},
        {"size": -1},
        {"size": True},
        {"size": "30"},
    ],
)
def test_what_pins_nothing_or_leads_elsewhere_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        of({**ARCHIVE.record(), **change})


def test_uv_always_gets_a_digest() -> None:
    (entry,) = ARCHIVE.download("file:///srv/a%2Bb.tar.gz").values()
    assert entry["sha256"] == ARCHIVE.sha256 and entry["url"] == "file:///srv/a%2Bb.tar.gz"
    assert (entry["major"], entry["minor"], entry["patch"], entry["libc"]) == (3, 13, 9, "gnu")


def lock(archive: str = "") -> str:
    package = lockfile.LockedPackage("tiny", "1.0", "0" * 64, "tiny-1.0-py3-none-any.whl", 10, "index")
    header = {**HEADER, "python": "3.13", "python-archive": archive, "device": "cpu"}
    return lockfile.render(lockfile.Lock(header, (package,)))


def test_a_lock_has_it_or_is_the_one_of_before_there_were_any() -> None:
    assert "python-archive" not in lock() and lockfile.parse(lock()).archive is None
    found = lockfile.parse(lock(ARCHIVE.line()))
    assert found.archive == ARCHIVE
    assert found.header["content"] != lockfile.parse(lock()).header["content"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (ARCHIVE.sha256, "f" * 64, "does not agree with the package lines"),
        ('"version":"3.13.9"', '"version":"3.13.8"', "does not agree"),
        (f'"sha256":"{ARCHIVE.sha256}",', "", "sha256 is None"),
        (ARCHIVE.line(), "[]", "no description"),
        (ARCHIVE.line(), "{" * 100, "python-archive"),
        (ARCHIVE.line(), ARCHIVE.line().replace(",", ", "), "not as it was written"),
    ],
)
def test_an_edited_lock_is_refused(old: str, new: str, said: str) -> None:
    text = lock(ARCHIVE.line())
    assert old in text
    with pytest.raises(Problem, match=said) as raised:
        lockfile.parse(text.replace(old, new))
    assert raised.value.rule == "lock.malformed"
