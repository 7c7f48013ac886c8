"""Locks with wheels that the user built: kept by digest, given up when the wheel is, never swapped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common.lockfile import Lock, LockedPackage, parse, render
from module_utils.whisperx_lock.files import Store
from module_utils.whisperx_lock.fit import best_fit, misfits
from module_utils.whisperx_lock.pylock import Wheel
from module_utils.whisperx_lock.resolve import check_family
from module_utils.whisperx_lock.uv import Uv
from module_utils.whisperx_lock.wheels import Wheels
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_sbom.cyclonedx import document
from tests.unit.whisperx_lock.test_lock import PLAN, VERSIONS, lock
from tests.unit.whisperx_measure.site_wheels import build, library

NUMBER = "4.8.5+cu126.sm87"
FILE = f"ctranslate2-{NUMBER}-cp310-cp310-linux_aarch64.whl"


def package(path: Path, origin: str = "site") -> LockedPackage:
    data = path.read_bytes()
    return LockedPackage(
        "ctranslate2", NUMBER, hashlib.sha256(data).hexdigest(), path.name, len(data), origin
    )


def locked(*packages: LockedPackage) -> Lock:
    base = lock({name: text for name, text in VERSIONS.items() if name != "ctranslate2"})
    return parse(render(Lock(base.header, (*base.packages, *packages))))


def plan(path: Path, **more: Any) -> dict[str, Any]:
    data = path.read_bytes()
    row = {
        "package": "ctranslate2",
        "version": NUMBER,
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    pins = {**PLAN["pins"], "ctranslate2": NUMBER}
    return {**PLAN, "pins": pins, "wheels": [row], "constraints": {"ctranslate2": f"=={NUMBER}"}, **more}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / FILE
    path.write_bytes(b"built")
    return path


def wheels(tmp_path: Path, *given: Path) -> Wheels:
    site = {hashlib.sha256(path.read_bytes()).hexdigest(): str(path) for path in given}
    return Wheels(Uv(Path("/nonexistent")), Store(tmp_path / "cache"), None, site)


def test_a_lock_with_it_fits_and_names_its_file(tmp_path: Path, wheel: Path) -> None:
    mine = locked(package(wheel))
    assert misfits(mine, plan(wheel)) == ()
    (file,) = wheels(tmp_path, wheel).files(mine, plan(wheel))
    assert (file.file, file.path) == (FILE, str(wheel))


def test_the_indexs_wheel_gives_way_where_both_run(wheel: Path) -> None:
    index = lock(VERSIONS)
    wanted = plan(wheel, constraints={"ctranslate2": ">=4.6,<=4.8.5"})
    assert misfits(index, wanted) == (f"ctranslate2 4.8.5 gives way to {NUMBER} of whisperx_plan_wheels",)
    assert best_fit({"index": index, "mine": locked(package(wheel))}, wanted) == "mine"


def test_a_wheel_that_is_given_no_more_is_given_up(wheel: Path) -> None:
    found = misfits(locked(package(wheel)), PLAN | {"constraints": {"ctranslate2": "<=4.8.5"}})
    assert found == (f"ctranslate2 {NUMBER} is a wheel that whisperx_plan_wheels does not have for the host",)


def test_other_contents_under_the_name_are_refused(tmp_path: Path, wheel: Path) -> None:
    mine = locked(package(wheel))
    wheel.write_bytes(b"built again")
    assert misfits(mine, plan(wheel)) == ()
    with pytest.raises(Problem) as caught:
        wheels(tmp_path, wheel).files(mine, plan(wheel))
    assert (caught.value.rule, caught.value.where) == ("lock.local-file", "whisperx_plan_wheels")
    assert hashlib.sha256(b"built again").hexdigest() in caught.value.found
    assert hashlib.sha256(b"built").hexdigest() in caught.value.wanted


def test_a_swap_after_it_was_measured_is_refused(tmp_path: Path, wheel: Path) -> None:
    mine, shop, wanted = locked(package(wheel)), wheels(tmp_path, wheel), plan(wheel)
    wheel.write_bytes(b"other")
    with pytest.raises(Problem) as caught:
        shop.files(mine, wanted)
    assert caught.value.rule == "lock.local-file"


def test_the_resolver_sees_each_alone(tmp_path: Path, wheel: Path) -> None:
    (tmp_path / "torch-1.0-py3-none-any.whl").touch()
    shop = wheels(tmp_path, wheel)
    (link,) = shop.own(plan(wheel))
    assert os.listdir(link.parent) == [FILE] and link.resolve() == wheel
    moved = tmp_path / "moved" / FILE
    moved.parent.mkdir()
    os.replace(wheel, moved)
    assert wheels(tmp_path, moved).own(plan(moved))[0].resolve() == moved
    assert wheels(tmp_path).own(plan(moved)) == ()
    # By PEP 440 a pin of 4.8.5 would admit it, and the resolver would take it.
    assert wheels(tmp_path, moved).own(plan(moved, pins=PLAN["pins"])) == ()
    relaxed = {name: text for name, text in PLAN["pins"].items() if name != "ctranslate2"}
    assert len(wheels(tmp_path, moved).own(plan(moved, pins=relaxed))) == 1


def test_what_the_resolver_took_is_locked_as_the_sites(tmp_path: Path, wheel: Path) -> None:
    row = plan(wheel)["wheels"][0]
    chosen = Wheel("ctranslate2", NUMBER, FILE, wheel.as_uri(), row["sha256"], None)
    assert wheels(tmp_path, wheel).locked(chosen, {}, plan(wheel)).origin == "site"
    assert wheels(tmp_path, wheel).locked(chosen, {}, plan(wheel, wheels=[])).origin == "local"


def test_one_with_an_executable_stack_is_repaired_again_from_the_users_wheel(tmp_path: Path) -> None:
    """Also where the cache is gone: its origin has the digest of the wheel that was given."""
    path = build(tmp_path / "given", members={"ctranslate2/_ext.so": library(stack=7)})
    row = {"package": "ctranslate2", "version": NUMBER, "clear": "execstack"}
    wanted = plan(path, repairs=[row])
    shop = wheels(tmp_path, path)
    digest = wanted["wheels"][0]["sha256"]
    chosen = Wheel("ctranslate2", NUMBER, path.name, path.as_uri(), digest, None)
    entry = shop.locked(chosen, {}, wanted)
    assert (entry.version, entry.origin) == (f"{NUMBER}.execstack0", f"repaired:{digest}")
    mine = locked(entry)
    assert misfits(mine, wanted) == ()
    shutil.rmtree(tmp_path / "cache")
    (file,) = wheels(tmp_path, path).files(mine, wanted)
    assert file.sha256 == entry.sha256


def test_a_build_of_the_users_is_no_mixed_family() -> None:
    versions = {"torch": "2.8.0", "torchaudio": "2.8.0+site1"}
    base = {"machine": "x86_64", "default_torch_build": "cu128"}
    with pytest.raises(Problem) as caught:
        check_family(versions, base)
    assert caught.value.rule == "lock.torch-mixed"
    check_family(versions, base | {"wheels": [{"package": "torchaudio", "version": "2.8.0+site1"}]})


def test_a_bundle_has_it_by_its_digest(tmp_path: Path, wheel: Path) -> None:
    mine = locked(package(wheel))
    house = tmp_path / "house" / package(wheel).sha256
    house.mkdir(parents=True)
    (house / FILE).write_bytes(b"built")
    shop = Wheels(Uv(Path("/nonexistent")), Store(tmp_path / "cache"), tmp_path / "house")
    assert shop.files(mine, plan(wheel))[0].path == str(house / FILE)


def test_the_sbom_says_where_it_was_built(wheel: Path) -> None:
    mine = locked(package(wheel))
    components = document("r", mine, render(mine), {})["components"]
    (one,) = (row for row in components if row["name"] == "ctranslate2")
    assert one["pedigree"] == {"notes": f"built elsewhere, digest sha256:{package(wheel).sha256}"}
    assert one["purl"] == "pkg:pypi/ctranslate2@4.8.5%2Bcu126.sm87"
    assert [row["name"] for row in components if "pedigree" in row] == ["ctranslate2"]
    assert json.dumps(components)
