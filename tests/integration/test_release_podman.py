"""The engine of releases over real podman: tiny images in a store for all users, killed, raced, rolled back.

The test plays the role: it loads, names and removes images with podman where a run leaves that to it. The
images are labels on nothing, so the proof is a function; the real one is that of molecule/container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_container import apply
from module_utils.whisperx_container.engine import Engine
from module_utils.whisperx_container.model import CURRENT, REPOSITORY, Options, Result, want
from module_utils.whisperx_container.store import run_conf, storage_conf
from module_utils.whisperx_env.model import Options as VenvOptions
from module_utils.whisperx_env.venv import Venv
from module_utils.whisperx_release.model import Outcome
from tests.unit.whisperx_release.release_hosts import BUSY, PLAN, ContainerHost, waited

ROOT = Path(__file__).resolve().parents[2]


class PodmanHost(ContainerHost):
    """A host whose images lie in a store of podman's."""

    def __init__(self, base: Path, archives: Path) -> None:
        super().__init__(base)
        self.archives = archives
        conf, run = storage_conf(self.layout), run_conf(self.layout)
        self.engine = Engine("podman", shutil.which("podman") or "", conf, run)
        store = self.layout.path("images")
        self.options = Options(verify_level="import", store=store, storage_driver="vfs", copied=False)

    def wanted(self, version: str) -> Any:
        plan = PLAN | {"runtime": "container", "container": {"engine": "podman"}}
        labels = {"whisperx-fleet.versions": f'{{"tiny": "{version}"}}', "whisperx-fleet.lock": "l"}
        return want(plan, {"release": f"tiny-{version}", "labels": labels, "bytes": 1000}, "")

    def podman(self, *words: str) -> str:
        """Run podman on the store."""
        environment = os.environ | {"CONTAINERS_STORAGE_CONF": self.engine.storage_conf}
        done = subprocess.run(["podman", *words], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    def present(self, version: str, check: bool = False) -> Outcome:
        """Do what the role does: run, load what is asked for, run again, name and remove images."""
        result = super().present(version, check)
        assert isinstance(result, Result)
        if check:
            return result
        actions = result.actions
        if result.load:
            self.podman("load", "--quiet", "--input", str(self.archives / f"{version}.tar"))
            result = super().present(version)
            assert isinstance(result, Result) and not result.load
        self.finish(result)
        result.actions = actions
        return result

    def finish(self, result: Outcome) -> None:
        """Name and remove images as a result says, then open the lists as the role does."""
        assert isinstance(result, Result)
        if result.tag:
            self.podman("tag", result.image, CURRENT)
        for name in result.surplus:
            self.podman("rmi", name)
        for name in ("images", "layers") if result.tag or result.surplus else ():
            top = Path(self.options.store) / f"vfs-{name}"
            for path in [top, *top.rglob("*")]:
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))

    def rolled_back(self, release: str = "", check: bool = False) -> Outcome:
        result = super().rolled_back(release, check)
        if not check:
            self.finish(result)
        return result

    def absent(self, check: bool = False) -> Outcome:
        other = Venv(self.layout, VenvOptions(), self.hooks)
        find = lambda name: self.engine  # noqa: E731
        return apply.absent(self.layout, self.options, find, "podman", self.hooks, check, other)

    def settled(self, version: str) -> None:
        """Assert that the host is as after an undisturbed run, the engine's images too."""
        assert (self.current(), self.says()) == (version, version)
        images = {image.release: image for image in self.engine.images()}
        assert CURRENT in images[f"tiny-{version}"].tags
        assert len(images) == len(self.releases()) <= 2
        assert self.present(version).actions == []


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if os.getuid() != 0 or shutil.which("podman") is None:
        pytest.skip("takes root and podman")
    os.environ.setdefault("CONTAINERS_CONF", str(ROOT / "tools/lab/containers.conf"))
    top = tmp_path_factory.mktemp("archives")
    conf = top / "storage.conf"
    text = f'[storage]\ndriver = "vfs"\ngraphroot = "{top}/store"\nrunroot = "{top}/run"\n'
    conf.write_text(text, encoding="utf-8")
    environment = os.environ | {"CONTAINERS_STORAGE_CONF": str(conf)}
    for version in ("1.0", "2.0", "3.0"):
        name = f"{REPOSITORY}:tiny-{version}"
        recipe = f"FROM scratch\nLABEL whisperx-fleet.schema=1 whisperx-fleet.release=tiny-{version}\n"
        build = ["podman", "build", "--quiet", "--network", "none", "--tag", name, "-"]
        subprocess.run(build, input=recipe, text=True, check=True, env=environment, capture_output=True)
        save = ["podman", "save", "--quiet", "--output", str(top / f"{version}.tar"), name]
        subprocess.run(save, check=True, env=environment, capture_output=True)
    yield top
    subprocess.run(["podman", "rmi", "--all", "--force"], check=True, env=environment, capture_output=True)


@pytest.fixture
def host(tmp_path: Path, archives: Path) -> PodmanHost:
    return PodmanHost(tmp_path / "host", archives)


def test_a_life_from_nothing_to_nothing(host: PodmanHost) -> None:
    for version in ("1.0", "2.0", "3.0"):
        predicted = host.present(version, check=True).actions
        assert host.present(version).actions == predicted != []
        host.settled(version)
    predicted = host.rolled_back(check=True).actions
    assert host.rolled_back().actions == predicted != []
    host.settled("2.0")
    assert host.rolled_back().actions == []
    predicted = host.absent(check=True).actions
    assert host.absent().actions == predicted != []
    host.gone()


def test_killed_at_its_steps(host: PodmanHost) -> None:
    """Every other event of two upgrades and a rollback; the instants between podman's own steps as well."""
    for version in ("1.0", "2.0"):
        host.present(version)
    for deed, before, after in (("3.0", "2.0", "3.0"), ("rolled_back", "3.0", "2.0"), ("1.0", "2.0", "1.0")):
        event, killed = 1, True
        while killed:
            killed = host.killed_at(deed, event)
            assert host.says() == host.current() in (before, after)
            event += 2
        host.do(deed)
        host.settled(after)
        assert event > 6


def test_two_runs_at_once(host: PodmanHost) -> None:
    for version in ("1.0", "2.0"):
        host.present(version)
    gun = host.base / "gun"
    pids = [host.start(deed, wait=str(gun)) for deed in ("rolled_back", "2.0", "rolled_back")]
    gun.touch()
    assert set(waited(pids)) <= {0, BUSY}
    assert host.says() == host.current() in ("1.0", "2.0")
    host.present("1.0")
    host.settled("1.0")
    host.absent()
    host.gone()
