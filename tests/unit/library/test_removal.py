"""state=absent of either module, called alone: what is there afterwards is what was there before."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from module_utils.whisperx_common.files import read_json, write_json
from module_utils.whisperx_firstboot import records, sources
from module_utils.whisperx_guard import install as guard
from module_utils.whisperx_guard.model import Config
from tests.unit.whisperx_release.release_hosts import HOSTS, Host

MODULES = {"venv": "whisperx_env", "container": "whisperx_container"}
# Directories that every host has.
USUAL = (
    "etc/apt/apt.conf.d",
    "etc/profile.d",
    "etc/systemd/system/multi-user.target.wants",
    "usr/lib",
    "usr/local/lib",
    "var/lib",
)


@pytest.fixture(params=sorted(HOSTS))
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with nothing on it; what other verbs put below / lies below ``machine``."""
    host = HOSTS[request.param](tmp_path)
    host.now()
    for name in USUAL:
        (tmp_path / "machine" / name).mkdir(parents=True)
    removal = importlib.import_module("ansible.module_utils.whisperx_removal.besides")
    machine = str(tmp_path / "machine")
    monkeypatch.setattr(removal, "remove", partial(removal.remove, base=machine))
    if request.param == "container":
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return host


def remove(host: Host, **options: Any) -> dict[str, Any]:
    """Run the module and return its JSON."""
    places = {"root": host.layout.root, "bin_dir": host.layout.bin_dir, "facts_dir": host.layout.facts_dir}
    engine = {"engine": "docker"} if host.runtime == "container" else {}
    printed = io.StringIO()
    with (
        patch_module_args({"state": "absent", **places, **engine, **options}),
        contextlib.redirect_stdout(printed),
        pytest.raises(SystemExit),
    ):
        importlib.import_module(f"ansible.modules.{MODULES[host.runtime]}").main()
    result: dict[str, Any] = json.loads(printed.getvalue())
    return result


def files(host: Host) -> list[str]:
    return sorted(str(path) for path in host.base.rglob("*"))


def guarded(host: Host, *roots: str) -> None:
    """Put the guard on the host."""
    places = guard.Places(base=str(host.base / "machine"))
    guard.install(places, Config("block", roots or (host.layout.root,), (), {}), [], False)


def baked(host: Host, root: str = "") -> None:
    """Put the first-boot service on the host."""
    layout = host.layout
    image = records.Image(root or layout.root, "import", (), layout.facts_dir, layout.bin_dir)
    sources.install(image, "/usr/bin/python3", importlib, records.Places(str(host.base / "machine")), False)


@pytest.mark.parametrize("further", [(), (guarded,), (baked,), (guarded, baked)])
def test_nothing_is_left(host: Host, further: Any) -> None:
    before = files(host)
    for version in ("1.0", "2.0"):
        host.present(version)
    for put in further:
        put(host)
    foreseen = remove(host, _ansible_check_mode=True)
    result = remove(host)
    assert result["changed"] and not result.get("failed"), result
    assert files(host) == before
    assert result["actions"] == foreseen["actions"] and result["left"] == foreseen["left"]
    assert ("Removed the guard" in result["actions"]) == (guarded in further)
    assert bool([line for line in result["actions"] if "first-boot" in line]) == (baked in further)
    if host.runtime == "container":
        host.images()  # type: ignore[attr-defined]  # the role took them, docker's are not the module's
    again = remove(host)
    assert (again["changed"], again["actions"], again["left"]) == (False, [], [])


def test_what_other_verbs_left_goes_although_the_root_is_gone(host: Host) -> None:
    before = files(host)
    host.present("1.0")
    guarded(host)
    host.absent()
    assert remove(host)["actions"][-1] == "Removed the guard" and files(host) == before


def test_what_serves_another_root_stays(host: Host, tmp_path: Path) -> None:
    other = HOSTS["venv"](tmp_path / "other")
    other.present("1.0")
    host.present("1.0")
    guarded(host, host.layout.root, other.layout.root)
    baked(host, other.layout.root)
    actions = remove(host)["actions"]
    assert f"Took {host.layout.root} from the guard" in actions
    assert not [line for line in actions if "first-boot" in line]
    config = read_json(guard.Places(base=str(tmp_path / "machine")).config)
    assert config is not None and config["roots"] == [other.layout.root]


def test_what_stays_is_named(host: Host, tmp_path: Path) -> None:
    host.present("1.0")
    record = Path(host.layout.current, "release.json")
    write_json(str(record), dict(read_json(str(record)) or {}, system_packages=["ffmpeg"]))
    (tmp_path / "downloads").mkdir()
    shared = {"cache": str(tmp_path / "downloads")} if host.runtime == "venv" else {}
    result = remove(host, **shared)
    wanted = ["left the distribution's packages ffmpeg, which other programs may use by now"]
    if host.runtime == "venv":
        wanted += [f"left the downloads in {tmp_path}/downloads, which other environments may use"]
        assert (tmp_path / "downloads").is_dir()
    else:
        wanted += ["left docker, which other programs may use by now"]
        assert "localhost/whisperx-fleet:tiny-1.0" in result["surplus"], "the role removes them"
    assert result["left"] == wanted
    assert result["summary"][-len(wanted) :] == wanted


def test_images_that_a_venvs_removal_cannot_take_are_named(tmp_path: Path, monkeypatch: Any) -> None:
    """Both runtimes share a root."""
    images = HOSTS["container"](tmp_path)
    images.present("1.0")
    removal = importlib.import_module("ansible.module_utils.whisperx_removal.besides")
    monkeypatch.setattr(removal, "remove", partial(removal.remove, base=str(tmp_path / "machine")))
    host = HOSTS["venv"](tmp_path)
    result = remove(host)
    assert not os.path.lexists(host.layout.root)
    assert result["left"] == [
        "left docker, which other programs may use by now",
        "left the images localhost/whisperx-fleet:tiny-1.0 in the store of their engine: remove them with it",
    ]
