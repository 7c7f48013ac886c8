"""Podman's store: every user reads the images, root alone writes, an image's files keep their modes."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from module_utils.whisperx_container import store
from module_utils.whisperx_container.engine import Engine
from module_utils.whisperx_container.model import Options
from module_utils.whisperx_problem import Problem


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """A store as podman leaves it: all of it for root alone."""
    top = tmp_path / "store"
    for name in ("overlay/layer/diff/usr", "overlay/l", "overlay-images/id", "overlay-layers"):
        (top / name).mkdir(parents=True)
    for name in (
        "overlay/layer/link",
        "overlay/layer/lower",
        "overlay/layer/other",
        "overlay/layer/diff/usr/secret",
        "overlay/file",
        "overlay-images/images.json",
        "overlay-images/id/manifest",
        "overlay-layers/layers.json",
    ):
        (top / name).write_text("x")
    (top / "overlay/l/SHORT").symlink_to("../layer/diff")
    (top / "overlay-images/away").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").chmod(0o600)
    for directory, names, files in os.walk(top):
        for name in [*names, *files]:
            if not os.path.islink(os.path.join(directory, name)):
                os.chmod(os.path.join(directory, name), 0o700 if name in names else 0o600)
    return Options(store=str(top), storage_driver="overlay")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(
        "podman", "podman", storage_conf=str(tmp_path / "storage.conf"), run_conf=str(tmp_path / "run.conf")
    )


def modes(options: Options) -> dict[str, int]:
    return {
        str(path.relative_to(options.store)): stat.S_IMODE(path.lstat().st_mode)
        for path in sorted(Path(options.store).rglob("*"))
        if not path.is_symlink()
    }


def test_what_users_have_to_read_is_opened_and_nothing_else(
    tmp_path: Path, engine: Engine, options: Options
) -> None:
    assert store.is_closed(engine, options)
    store.make(engine, options)
    assert modes(options) == {
        "overlay": 0o755,
        "overlay/file": 0o600,
        "overlay/l": 0o755,
        "overlay/layer": 0o755,
        "overlay/layer/diff": 0o700,
        "overlay/layer/diff/usr": 0o700,
        "overlay/layer/diff/usr/secret": 0o600,
        "overlay/layer/link": 0o644,
        "overlay/layer/lower": 0o644,
        "overlay/layer/other": 0o600,
        "overlay-images": 0o755,
        "overlay-images/id": 0o755,
        "overlay-images/id/manifest": 0o644,
        "overlay-images/images.json": 0o644,
        "overlay-layers": 0o755,
        "overlay-layers/layers.json": 0o644,
    }
    assert stat.S_IMODE((tmp_path / "outside").stat().st_mode) == 0o600
    assert not store.is_closed(engine, options)


def test_the_two_files_lead_to_the_store_and_are_written_once(
    tmp_path: Path, engine: Engine, options: Options
) -> None:
    store.make(engine, options)
    images, run = Path(engine.storage_conf).read_text(), Path(engine.run_conf).read_text()
    assert f'graphroot = "{options.store}"' in images and "additionalimagestores" not in images
    assert f'graphroot = "{options.store}/containers"' in run
    assert f'additionalimagestores = ["{options.store}"]' in run
    before = [os.stat(path).st_ino for path in (engine.storage_conf, engine.run_conf)]
    store.make(engine, options)
    assert [os.stat(path).st_ino for path in (engine.storage_conf, engine.run_conf)] == before
    Path(engine.run_conf).write_text("other")
    store.make(engine, options)
    assert Path(engine.run_conf).read_text() == run


@pytest.mark.parametrize("name", ["overlay-images/images.json", "overlay-layers/layers.json"])
def test_a_list_that_podman_wrote_anew_closes_the_store(engine: Engine, options: Options, name: str) -> None:
    store.make(engine, options)
    os.chmod(Path(options.store, name), 0o640)
    assert store.is_closed(engine, options)
    os.unlink(Path(options.store, name))
    assert not store.is_closed(engine, options)


def test_without_the_file_for_running_the_store_is_closed(engine: Engine, options: Options) -> None:
    store.make(engine, options)
    os.unlink(engine.run_conf)
    assert store.is_closed(engine, options)
    os.unlink(engine.storage_conf)
    assert not store.is_closed(engine, options)


def test_an_engine_without_such_a_store_has_nothing_to_open(tmp_path: Path, options: Options) -> None:
    docker = Engine("docker", "docker")
    before = modes(options)
    store.make(docker, options)
    assert modes(options) == before and not store.is_closed(docker, options)
    store.make(docker, replace(options, store=str(tmp_path / "none")))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("mounted", ["", "containers/overlay", "overlay"])
def test_what_is_mounted_upon_itself_is_unmounted_before_the_store_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Options, code: int, mounted: str
) -> None:
    """SIMULATED: umount, and what the kernel says of mounts."""
    (tmp_path / "umount").write_text(f'#!/bin/sh\necho "$1" >>"{tmp_path}/said"\necho busy\nexit {code}\n')
    (tmp_path / "umount").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    top = os.path.join(options.store, mounted)
    monkeypatch.setattr(os.path, "ismount", lambda path: bool(mounted) and path == top)
    if mounted and code:
        with pytest.raises(Problem) as raised:
            store.remove(options.store, options)
        assert (raised.value.rule, raised.value.where, raised.value.found) == (
            "container.store-busy",
            top,
            "busy",
        )
        assert Path(options.store, "overlay-images/images.json").exists()
    else:
        store.remove(options.store, options)
        assert not os.path.lexists(options.store)
    assert (tmp_path / "said").exists() is bool(mounted)
    if mounted:
        assert (tmp_path / "said").read_text() == top + "\n"
