"""The store and the bundle, on directories alone; what a host still has to get."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common.lockfile import Lock, LockedPackage, render
from module_utils.whisperx_env import shelf
from module_utils.whisperx_env.model import Carried, Options, want
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.model import Layout
from module_utils.whisperx_wheelhouse import bundle, listing
from module_utils.whisperx_wheelhouse.house import House, indexed
from module_utils.whisperx_wheelhouse.progress import Progress
from module_utils.whisperx_wheelhouse.serve import address_towards

PLAN = {"request": {"tiny": ""}, "python": "3.11", "device": "cpu"}


def put(house: House, name: str, origin: str = "index") -> LockedPackage:
    """Put a wheel into a store, and return it as it stands in a lock."""
    file = f"{name}-1.0-py3-none-any.whl"
    scratch = house.root / "scratch.whl"
    house.root.mkdir(exist_ok=True)
    with zipfile.ZipFile(scratch, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\nLicense: MIT\n")
    digest = hashlib.sha256(scratch.read_bytes()).hexdigest()
    target = house.path(digest, file)
    target.parent.mkdir(exist_ok=True)
    scratch.rename(target)
    return LockedPackage(name, "1.0", digest, file, target.stat().st_size, origin)


def text(*packages: LockedPackage) -> str:
    header = {"whisperx-fleet-lock": "1", "class": "lab", "request": '{"tiny":""}', "platform": "linux"}
    return render(Lock(header | {"python": "3.11", "device": "cpu", "uv": "0"}, packages))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


def locks(tmp_path: Path, *packages: LockedPackage, **more: Any) -> dict[str, Any]:
    uv = tmp_path / "uv"
    uv.write_bytes(b"uv")
    lock = {"text": text(*packages), "digest": "d", "files": []} | more
    return {"lab": lock | {"uv": {"path": str(uv), "sha256": hashlib.sha256(b"uv").hexdigest()}}}


class TestHouse:
    def test_half_a_file_is_lacking(self, house: House) -> None:
        tiny = put(house, "tiny")
        packages = indexed({"lab": text(tiny, put(house, "made", "built"))})
        assert set(packages) == {tiny.sha256} and house.lacking(packages) == {}
        house.path(tiny.sha256, tiny.file).write_bytes(b"half")
        assert set(house.lacking(packages)) == {tiny.sha256}

    def test_room_is_asked_for(self, house: House) -> None:
        with pytest.raises(Problem) as caught:
            house.check_room(1 << 60)
        assert caught.value.rule == "wheelhouse.disk-space"

    def test_a_place_that_is_none_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(Problem) as caught, House(tmp_path / "file").held():
            pass
        assert caught.value.rule == "wheelhouse.directory"


class TestBundle:
    def test_made_twice_it_is_the_same(self, tmp_path: Path, house: House) -> None:
        made = locks(tmp_path, put(house, "tiny"), put(house, "other"))
        first = bundle.make(tmp_path / "out", made, house, tmp_path / "none")
        sums = (tmp_path / "out" / listing.SUMS).read_bytes()
        again = bundle.make(tmp_path / "out", made, house, tmp_path / "none")
        assert (first.changed, again.changed, first.files) == (True, False, 6)
        assert (tmp_path / "out" / listing.SUMS).read_bytes() == sums
        assert os.access(next((tmp_path / "out").glob("uv/*/uv")), os.X_OK)
        (part, *_) = json.loads((tmp_path / "out" / "sbom" / "lab.cdx.json").read_text())["components"]
        assert part["name"] == "other" and "MIT" in json.dumps(part["licenses"])

    @pytest.mark.parametrize("refuse", [False, True])
    def test_wheels_are_linked_on_one_file_system_and_copied_else(
        self, tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch, refuse: bool
    ) -> None:
        def other(*names: object) -> None:
            raise OSError(errno.EXDEV, "another file system")

        if refuse:
            monkeypatch.setattr(os, "link", other)
        package = put(house, "one")
        source = house.path(package.sha256, package.file)
        source.chmod(0o644)
        bundle.make(tmp_path / "bundle", locks(tmp_path, package), house, tmp_path / "none")
        wheel = tmp_path / "bundle/wheels" / package.sha256 / package.file
        assert wheel.samefile(source) is not refuse
        assert wheel.read_bytes() == source.read_bytes() and wheel.stat().st_mode & 0o777 == 0o644

    def test_a_file_of_another_mode_is_copied_and_a_changed_one_refused(
        self, tmp_path: Path, house: House
    ) -> None:
        private = put(house, "private")
        house.path(private.sha256, private.file).chmod(0o600)
        bundle.make(tmp_path / "bundle", locks(tmp_path, private), house, tmp_path / "none")
        wheel = tmp_path / "bundle/wheels" / private.sha256 / private.file
        assert not wheel.samefile(house.path(private.sha256, private.file))
        wanted = locks(tmp_path, private)
        (tmp_path / "uv").write_bytes(b"changed since")
        (tmp_path / "uv").chmod(0o755)
        with pytest.raises(Problem) as raised:
            bundle.make(tmp_path / "other", wanted, house, tmp_path / "none")
        assert raised.value.rule == "wheelhouse.wrong-hash" and (tmp_path / "uv").exists()

    def test_what_is_no_longer_locked_goes(self, tmp_path: Path, house: House) -> None:
        tiny, other = put(house, "tiny"), put(house, "other")
        bundle.make(tmp_path / "out", locks(tmp_path, tiny, other), house, tmp_path / "none")
        assert bundle.make(tmp_path / "out", locks(tmp_path, tiny), house, tmp_path / "none").changed
        assert [path.name for path in (tmp_path / "out").glob("wheels/*/*")] == [tiny.file]
        listing.check(tmp_path / "out")

    def test_wheels_that_no_index_has_are_in_it(self, tmp_path: Path, house: House) -> None:
        mine = put(House(tmp_path / "elsewhere"), "mine", "built")
        path = str(tmp_path / "elsewhere" / mine.sha256 / mine.file)
        files = [{"file": mine.file, "sha256": mine.sha256, "path": path}]
        made = locks(tmp_path, put(house, "tiny"), mine, files=files)
        bundle.make(tmp_path / "out", made, house, tmp_path / "none")
        assert (tmp_path / "out" / "wheels" / mine.sha256 / mine.file).is_file()

    def test_what_was_measured_in_the_sites_wheels_is_beside_the_catalogue(
        self, tmp_path: Path, house: House
    ) -> None:
        """Of those in the locks, without what is true of this controller alone."""
        mine = put(House(tmp_path / "elsewhere"), "mine", "site")
        path = str(tmp_path / "elsewhere" / mine.sha256 / mine.file)
        files = [{"file": mine.file, "sha256": mine.sha256, "path": path}]
        rows = [
            {
                "sha256": digest,
                "file": mine.file,
                "abi": {"sass": ["8.7"]},
                "path": path,
                "hosts": ["h"],
                "why": [],
            }
            for digest in (mine.sha256, "0" * 64)
        ]
        made = locks(tmp_path, mine, files=files)
        for _ in range(2):
            bundle.make(tmp_path / "out", made, house, tmp_path / "none", rows)
        kept = json.loads((tmp_path / "out" / bundle.MEASURED).read_text())
        assert kept == [{"sha256": mine.sha256, "file": mine.file, "abi": {"sass": ["8.7"]}}]
        listing.check(tmp_path / "out")
        bundle.make(tmp_path / "out", made, house, tmp_path / "none")
        assert not (tmp_path / "out" / bundle.MEASURED).exists()

    def test_another_directory_is_left_alone(self, tmp_path: Path, house: House) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("")
        with pytest.raises(Problem) as caught:
            bundle.make(tmp_path / "out", locks(tmp_path, put(house, "tiny")), house, tmp_path / "none")
        assert caught.value.rule == "bundle.foreign-directory"

    @pytest.mark.parametrize("line", ["../x", "/etc/passwd", "short"])
    def test_names_stay_inside(self, tmp_path: Path, line: str) -> None:
        digest = "0" * (63 if line == "short" else 64)
        (tmp_path / listing.SUMS).write_text(f"{digest}  {line}\n")
        with pytest.raises(Problem) as caught:
            listing.check(tmp_path)
        assert caught.value.rule == "bundle.damaged"

    def test_a_directory_that_is_no_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(Problem) as caught:
            listing.check(tmp_path)
        assert caught.value.rule == "bundle.none"


class TestShelf:
    def test_a_host_gets_what_it_lacks_and_nothing_else(self, tmp_path: Path, house: House) -> None:
        tiny, large, made = put(house, "tiny"), put(house, "large"), put(house, "made", "built")
        wanted = want(PLAN, text(tiny, large, made))
        offered = Options(carried=tuple(Carried(one.sha256, one.file, "") for one in (tiny, large, made)))
        assert shelf.to_bring(wanted, Options(), (), ()) == [made]
        assert shelf.to_bring(wanted, offered, (), ()) == [large, made, tiny]
        assert shelf.to_bring(wanted, offered, {tiny.sha256}, {large.sha256, made.sha256}) == [made]
        assert shelf.to_bring(wanted, Options(wheelhouse="http://cache"), (), ()) == [large, made, tiny]
        some = Options(carried=offered.carried[:1])
        assert not shelf.from_wheelhouse(wanted, some) and shelf.to_bring(wanted, some, (), ()) == [made]

    def test_marks_go_with_the_cache_and_with_the_package(self, tmp_path: Path, house: House) -> None:
        layout = Layout(str(tmp_path / "root"), "", "")
        tiny, large = put(house, "tiny"), put(house, "large")
        wanted = want(PLAN, text(tiny, large))
        os.makedirs(layout.root)
        address = shelf.write_index(layout, wanted)
        assert address == f"file://{layout.root}/index"
        assert f"#sha256={tiny.sha256}" in Path(layout.root, "index", "tiny", "index.html").read_text()
        shelf.put_away(layout, wanted)
        assert shelf.unpacked(layout) == {tiny.sha256, large.sha256}
        shelf.forget(layout, ["tiny"])
        assert shelf.unpacked(layout) == {large.sha256}
        shelf.forget_all(layout)
        assert shelf.unpacked(layout) == set()

    def test_the_key_of_a_run_is_not_in_what_is_shown(self) -> None:
        assert "key" not in repr(Options(wheelhouse="http://10.0.0.1:8000/key"))


def test_the_way_to_a_host_begins_at_an_address() -> None:
    assert address_towards("127.0.0.1") == "127.0.0.1"
    assert address_towards("no-such-host.invalid") == "127.0.0.1"


def test_size_and_count_of_a_download_are_told_then_how_far_it_is(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.json")
    progress.begin(2, 43_000_000)
    progress.add(40_000_000)
    progress.done()
    assert json.loads((tmp_path / "progress.json").read_text()) == {
        "first": "wheelhouse: 2 files to download, 43 MB",
        "line": "wheelhouse: 40 of 43 MB, 1 of 2 files",
    }
