"""The archive of a managed Python in a lock: which fits, and where the controller has it from."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from module_utils.whisperx_common.lockfile import Lock, LockedPackage, parse, render
from module_utils.whisperx_common.standalone import Archive, of
from module_utils.whisperx_lock.fit import archive_of, fitted, misfits
from module_utils.whisperx_lock.lock import make
from module_utils.whisperx_lock.sources import Index, Sources, make_sources
from module_utils.whisperx_lock.workshop import Workshop, open_workshop
from module_utils.whisperx_problem import Problem

DATA = b"an archive"
SHA = hashlib.sha256(DATA).hexdigest()
FILE = "cpython-3.13.9+20261110-x86_64-unknown-linux-gnu-install_only.tar.gz"
ROW: dict[str, Any] = {"version": "3.13.9", "build": "20261110", "machine": "x86_64", "libc": "glibc 2.17"}
ROW |= {"file": FILE, "sha256": SHA, "size": len(DATA), "base": "http://127.0.0.1:9/nowhere"}
PLAN: dict[str, Any] = {
    "request": {"tiny": ""},
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.43"},
    "platform": "x86_64-manylinux_2_40",
    "python": "3.13",
    "device": "cpu",
    "python_source": "managed",
    "python_archive": ROW,
}
NEWER = of({**ROW, "version": "3.13.11", "sha256": "f" * 64})


def lock(archive: Archive | None = None, name: str = "c") -> str:
    header = {"whisperx-fleet-lock": "1", "class": name, "request": '{"tiny":""}', "uv": "0.13.9"}
    header |= {"platform": "x86_64-manylinux_2_40", "python": "3.13", "device": "cpu"}
    header["python-archive"] = archive.line() if archive else ""
    package = LockedPackage("tiny", "1.0", "0" * 64, "tiny-1.0-py3-none-any.whl", 10, "index")
    return render(Lock(header, (package,)))


@pytest.mark.parametrize(
    ("archive", "plan", "said"),
    [
        (of(ROW), {}, ""),
        (NEWER, {}, ""),
        (of({**ROW, "version": "3.13.2"}), {}, ""),
        (None, {}, "it has no managed Python"),
        (of(ROW), {"python_archive": None}, "it has a managed Python, the host has its own"),
        (None, {"python_archive": None}, ""),
        (
            of({**ROW, "version": "3.12.9"}),
            {},
            "its Python is cpython-3.12.9-linux-x86_64-gnu, the host needs",
        ),
        (of({**ROW, "machine": "aarch64"}), {}, "its Python is cpython-3.13.9-linux-aarch64-gnu"),
        (of({**ROW, "libc": "glibc 2.50"}), {}, "its Python needs glibc 2.50, the host has glibc 2.43"),
        (of({**ROW, "libc": "musl 1.2"}), {}, "its Python needs musl 1.2, the host has glibc 2.43"),
    ],
)
def test_a_lock_fits_by_its_python(archive: Archive | None, plan: dict[str, Any], said: str) -> None:
    found = misfits(parse(lock(archive)), {**PLAN, **plan})
    assert [entry.startswith(said) for entry in found] == ([True] if said else [])


def test_a_plan_whose_archive_has_no_digest_is_refused() -> None:
    with pytest.raises(Problem, match="sha256") as raised:
        archive_of({**PLAN, "python_archive": {**ROW, "sha256": None}})
    assert raised.value.rule == "lock.plan"


def test_a_lock_of_another_class_takes_the_python_of_this_one() -> None:
    # The distribution's Python went away: the packages stay, and the managed one comes to them.
    moved = fitted(parse(lock()), PLAN)
    assert moved.archive == of(ROW) and moved.packages == parse(lock()).packages
    back = fitted(moved, {**PLAN, "python_archive": None})
    assert render(back) == lock()
    assert fitted(parse(lock(NEWER)), PLAN).archive == NEWER  # one that fits is kept


def shop(tmp_path: Path, sources: Sources, bundle: Path | None = None) -> Workshop:
    return open_workshop(sources, tmp_path / "locks", "", str(tmp_path / "cache"), bundle)


def archive_at(result: Any) -> Path:
    (entry,) = [entry for entry in result if entry.file == FILE]
    assert entry.sha256 == SHA and Path(entry.path).read_bytes() == DATA
    return Path(entry.path)


@pytest.mark.parametrize("below", ["20261110", "."])
def test_a_directory_has_it_as_a_mirror_or_as_downloaded(tmp_path: Path, below: str) -> None:
    place = tmp_path / "mirror" / below
    place.mkdir(parents=True)
    (place / FILE).write_bytes(DATA)
    for given in (str(tmp_path / "mirror"), f"file://{tmp_path}/mirror"):
        found = shop(tmp_path, make_sources(python_mirror=given)).pythons
        archive_at(found.files(parse(lock(of(ROW))), PLAN))
    (place / FILE).unlink()  # it is in the cache now: fetched once for the site
    archive_at(found.files(parse(lock(of(ROW))), PLAN))
    assert found.files(parse(lock()), {**PLAN, "python_archive": None}) == ()


def test_a_directory_that_lacks_it_or_has_another_is_said(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    pythons = shop(tmp_path, make_sources(python_mirror=str(mirror))).pythons
    with pytest.raises(Problem, match="not there") as raised:
        pythons.files(parse(lock(of(ROW))), PLAN)
    assert raised.value.rule == "lock.python" and SHA in raised.value.wanted
    assert raised.value.where == str(mirror / "20261110" / FILE)
    (mirror / FILE).write_bytes(b"another")
    with pytest.raises(Problem) as raised:
        pythons.files(parse(lock(of(ROW))), PLAN)
    assert raised.value.rule == "lock.wrong-hash" and SHA in raised.value.wanted
    assert hashlib.sha256(b"another").hexdigest() in raised.value.found
    assert not list((tmp_path / "cache").rglob(FILE))
    with pytest.raises(Problem, match="no such directory"):
        make_sources(python_mirror=str(tmp_path / "nowhere"))


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """An address, what it serves by path, and the authorizations that came."""
    files: dict[str, bytes] = {}
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization") or "")
            data = files.get(unquote(self.path))
            self.send_response(404 if data is None else 200)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{http.server_port}/pythons", files, seen
        http.shutdown()


def test_an_address_has_it_below_its_build_and_is_asked_once(
    tmp_path: Path, server: tuple[str, dict[str, bytes], list[str]]
) -> None:
    address, files, seen = server
    files[f"/pythons/20261110/{FILE}"] = DATA
    sources = make_sources(python_mirror=f"http://reader:s3cret-word@{address}/")
    pythons = shop(tmp_path, sources).pythons
    first = archive_at(pythons.files(parse(lock(of(ROW))), PLAN))
    assert archive_at(pythons.files(parse(lock(of(ROW))), PLAN)) == first and len(seen) == 1
    assert seen[0].startswith("Basic ")
    assert isinstance(sources.python, Index) and "s3cret" not in sources.python.url


def test_without_a_mirror_it_comes_from_where_the_catalogue_says(
    tmp_path: Path, server: tuple[str, dict[str, bytes], list[str]]
) -> None:
    address, files, seen = server
    files[f"/pythons/20261110/{FILE}"] = DATA
    plan = {**PLAN, "python_archive": {**ROW, "base": f"http://{address}"}}
    archive_at(shop(tmp_path, Sources()).pythons.files(parse(lock(of(ROW))), plan))
    assert seen == [""]


def test_an_address_that_lacks_it_has_another_or_is_not_there(
    tmp_path: Path, server: tuple[str, dict[str, bytes], list[str]]
) -> None:
    address, files, _ = server
    pythons = shop(tmp_path, make_sources(python_mirror=f"http://u:s3cret-word@{address}")).pythons
    with pytest.raises(Problem, match="HTTP 404") as raised:
        pythons.files(parse(lock(of(ROW))), PLAN)
    assert raised.value.rule == "lock.download" and "whisperx_plan_python_mirror" in raised.value.remedy
    assert "s3cret" not in raised.value.sentence()
    files[f"/pythons/20261110/{FILE}"] = b"another"
    with pytest.raises(Problem) as raised:
        pythons.files(parse(lock(of(ROW))), PLAN)
    assert raised.value.rule == "lock.wrong-hash" and SHA in raised.value.wanted
    with pytest.raises(Problem) as raised:
        shop(tmp_path, Sources()).pythons.files(parse(lock(of(ROW))), PLAN)
    assert raised.value.rule == "lock.download" and "whisperx_plan_python_mirror" in raised.value.remedy


def test_a_bundle_has_it_or_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "bundle" / "pythons" / SHA
    place.mkdir(parents=True)
    pythons = shop(tmp_path, Sources(), tmp_path / "bundle").pythons
    with pytest.raises(Problem) as raised:
        pythons.files(parse(lock(of(ROW))), PLAN)
    assert raised.value.rule == "bundle.no-python"
    (place / FILE).write_bytes(DATA)
    archive_at(pythons.files(parse(lock(of(ROW))), PLAN))


def test_a_kept_lock_keeps_its_patch_and_a_moved_class_its_packages(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / FILE).write_bytes(DATA)
    place = shop(tmp_path, make_sources(python_mirror=str(mirror)))
    place.resolver.__dict__["resolve"] = None  # nothing is resolved here
    newer = {**PLAN, "python_archive": {**ROW, **NEWER.record()}}
    kept = make("c", newer, {"c": lock(of(ROW))}, "locked", place)
    assert not kept.changed and kept.lock.archive == of(ROW)
    moved = make("c", PLAN, {"old": lock(name="old")}, "locked", place)
    assert moved.lock.archive == of(ROW) and moved.lock.versions == {"tiny": "1.0"}
    assert moved.diff("c.txt")["after"] == "managed Python 3.13.9 (20261110)\ntiny 1.0\n"
    archive_at(moved.files)
