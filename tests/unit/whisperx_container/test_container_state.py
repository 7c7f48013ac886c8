"""Which image is in use: decided, proved, switched, gone back from, removed; on real directories.

SIMULATED: the engine is a script that answers questions about images from a file; the proof is a function.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_container import apply, engine, surroundings
from module_utils.whisperx_container.model import CURRENT, REPOSITORY, Options, Result, Wanted, want
from module_utils.whisperx_env.model import Options as VenvOptions
from module_utils.whisperx_env.venv import Venv
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Layout

ENGINE = """#!/bin/sh
case "$1 $2" in
    "images --quiet") sed -n 's/.*"Id": "\\([^"]*\\)".*/\\1/p' '{answers}' ;;
    "image inspect") cat '{answers}' ;;
    "--version ") echo "Docker version 20.10.24" ;;
esac
"""
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
PLAN = {
    "verdict": "plan",
    "runtime": "container",
    "class": "container-cpu",
    "device": "cpu",
    "python": "3.12",
    "request": {"whisperx": ""},
    "scripts": ["whisperx"],
    "container": {"engine": "docker"},
}


def plan(release: str, **changes: Any) -> Wanted:
    versions = json.dumps({"whisperx": release})
    labels = {"whisperx-fleet.versions": versions, "whisperx-fleet.lock": "l"}
    return want(PLAN | changes, {"release": release, "labels": labels, "bytes": 1000}, "")


class Host:
    """A root, and an engine whose images the test sets."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.layout = Layout(str(base / "root"), str(base / "bin"), str(base / "facts"))
        self.answers = base / "images.json"
        program = base / "docker"
        program.write_text(ENGINE.format(answers=self.answers), encoding="utf-8")
        program.chmod(0o755)
        self.engine = engine.Engine("docker", str(program))
        self.clock = 0
        self.fails = False
        self.images()

    def images(self, *releases: str, current: str = "", architecture: str = MACHINE, ids: str = "id") -> None:
        """Set which images the engine has."""
        records = [
            {
                "Id": f"{ids}-{release}",
                "RepoTags": [f"{REPOSITORY}:{release}"] + ([CURRENT] if release == current else []),
                "Architecture": architecture,
                "Config": {"Labels": {"whisperx-fleet.release": release, "whisperx-fleet.schema": "1"}},
            }
            for release in releases
        ]
        self.answers.write_text(json.dumps(records, indent=1), encoding="utf-8")

    def now(self) -> str:
        self.clock += 1
        return f"2026-11-23T00:00:{self.clock:02d}Z"

    def prove(self, path: str, wanted: Wanted, options: Options) -> dict[str, Any]:
        assert os.access(os.path.join(path, "launch", "python"), os.X_OK)
        if self.fails:
            raise Problem("container.verify", "found", path, "wanted", "remedy")
        return {"level": options.verify_level, "device": wanted.device, "seconds": 1.0, "warnings": []}

    @property
    def hooks(self) -> Hooks:
        return Hooks(self.prove, now=self.now)

    def present(self, release: str, check: bool = False, **options: Any) -> Result:
        wanted = plan(release)
        return apply.present(self.layout, self.engine, Options(**options), wanted, self.hooks, check)

    def rolled_back(self, check: bool = False) -> Result:
        find, other = (lambda name: self.engine), Venv(self.layout, VenvOptions(), Hooks())
        return apply.rolled_back(self.layout, "", Options(), find, self.hooks, check, other)

    def absent(self, check: bool = False) -> Result:
        find, other = (lambda name: self.engine), Venv(self.layout, VenvOptions(), Hooks())
        return apply.absent(self.layout, Options(), find, "", self.hooks, check, other)

    @property
    def current(self) -> str:
        link = Path(self.layout.current)
        return link.readlink().name if link.is_symlink() else ""

    def fact(self) -> dict[str, Any]:
        return json.loads(Path(self.layout.fact).read_text(encoding="utf-8"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def upgraded(host: Host) -> Host:
    """A host that went from release 1 to release 2."""
    host.images("1", current="1")
    host.present("1")
    host.images("1", "2", current="1")
    host.present("2")
    host.images("1", "2", current="2")
    return host


class TestPresent:
    def test_asks_for_the_image_and_switches_nothing(self, host: Host) -> None:
        result = host.present("1")
        assert result.load and result.tag and host.current == ""

    def test_proves_then_switches(self, host: Host) -> None:
        host.images("1")
        result = host.present("1")
        assert (result.load, result.tag, host.current) == (False, True, "1-docker")
        assert os.path.realpath(host.base / "bin/whisperx") == os.path.realpath(
            host.base / "root/releases/1-docker/launch/whisperx"
        )
        assert host.fact()["runtime"] == "container" and host.fact()["image"] == f"{REPOSITORY}:1"

    def test_a_second_run_finds_nothing_to_do(self, upgraded: Host) -> None:
        result = upgraded.present("2")
        assert (result.actions, result.load, result.tag, result.surplus) == ([], False, False, [])

    def test_check_mode_predicts_what_both_runs_do(self, host: Host) -> None:
        predicted = host.present("1", check=True).actions
        assert not os.path.exists(host.layout.root)
        asked = host.present("1")
        host.images("1")
        assert predicted == asked.actions
        assert [told for told in predicted if not told.startswith("Loaded")] == host.present("1").actions

    def test_shows_versions_before_and_after(self, upgraded: Host) -> None:
        result = upgraded.present("1", check=True)
        assert (result.before, result.after) == ({"whisperx": "2"}, {"whisperx": "1"})

    def test_a_failing_proof_leaves_what_was(self, upgraded: Host) -> None:
        upgraded.images("1", "2", "3", current="2")
        upgraded.fails = True
        with pytest.raises(Problem):
            upgraded.present("3")
        assert upgraded.current == "2-docker" and upgraded.fact()["release"] == "2-docker"
        assert not (upgraded.base / "root/releases/3-docker").exists()

    def test_an_image_that_was_exchanged_is_proved_again(self, upgraded: Host) -> None:
        upgraded.images("1", "2", current="2", ids="other")
        assert any(told.startswith("Verified") for told in upgraded.present("2").actions)
        assert upgraded.present("2").actions == []

    def test_a_deeper_proof_is_made_up_for(self, host: Host) -> None:
        host.images("1", current="1")
        host.present("1", verify_level="import")
        assert host.present("1", verify_level="import").actions == []
        assert [told for told in host.present("1").actions if "pipeline" in told]

    def test_models_that_are_other_ones_are_proved_once(self, upgraded: Host, tmp_path: Path) -> None:
        store = tmp_path / "models"
        (store / "sets/other").mkdir(parents=True)
        (store / "sets/other/manifest.json").write_text("{}")
        (store / "current").symlink_to("sets/other")
        given = {"models_dir": str(store), "verify_level": "pipeline"}
        assert upgraded.present("2", **given).actions[0].startswith("Verified 2")
        assert upgraded.present("2", **given).actions == []

    def test_old_releases_and_their_images_go(self, upgraded: Host) -> None:
        upgraded.images("1", "2", "3", current="2")
        result = upgraded.present("3")
        assert result.surplus == [f"{REPOSITORY}:1"]
        assert sorted(os.listdir(upgraded.layout.path("releases"))) == ["2-docker", "3-docker"]

    def test_leftovers_of_a_killed_run_go(self, upgraded: Host) -> None:
        half = upgraded.base / "root/releases/9-docker/launch"
        half.mkdir(parents=True)
        (upgraded.base / "root/incoming").mkdir()
        upgraded.present("2")
        assert not half.parent.exists() and not (upgraded.base / "root/incoming").exists()

    def test_an_image_for_another_machine_is_refused(self, host: Host) -> None:
        host.images("1", architecture="riscv64")
        with pytest.raises(Problem) as caught:
            host.present("1")
        assert caught.value.rule == "container.other-machine" and host.current == ""

    def test_a_stale_script_is_written_anew(self, upgraded: Host) -> None:
        path = upgraded.base / "root/releases/2-docker/launch/whisperx"
        path.write_text("#!/bin/sh\n", encoding="utf-8")
        assert upgraded.present("2").actions == ["Wrote the commands of 2-docker"]
        assert "docker" in path.read_text(encoding="utf-8")

    def test_somebody_elses_command_is_not_replaced(self, host: Host) -> None:
        (host.base / "bin").mkdir()
        (host.base / "bin/whisperx").touch()
        host.images("1")
        with pytest.raises(Problem) as caught:
            host.present("1")
        assert caught.value.rule == "env.foreign-command"


class TestStore:
    """SIMULATED: an engine that knows images, and would fail if it were told of a file that is not there."""

    def test_before_there_is_one_it_has_no_images_and_nobody_is_asked_for_them(self, host: Host) -> None:
        host.images("1")
        conf = host.base / "storage.conf"
        found = engine.Engine("podman", host.engine.path, str(conf), str(host.base / "run.conf"))
        assert (found.images(), found.environment(), found.version()) == ([], {}, (20, 10, 24))
        conf.touch()
        assert [image.release for image in found.images()] == ["1"]
        assert found.environment() == {"CONTAINERS_STORAGE_CONF": str(conf)}


class TestRollback:
    def test_goes_back_once(self, upgraded: Host) -> None:
        predicted = upgraded.rolled_back(check=True).actions
        result = upgraded.rolled_back()
        assert (upgraded.current, result.tag, result.image) == ("1-docker", True, f"{REPOSITORY}:1")
        assert predicted == result.actions and upgraded.fact()["release"] == "1-docker"
        upgraded.images("1", "2", current="1")
        assert upgraded.rolled_back().actions == [] and upgraded.current == "1-docker"

    def test_a_tag_that_was_left_behind_is_moved(self, upgraded: Host) -> None:
        upgraded.rolled_back()
        assert upgraded.rolled_back().actions == [f"Named {REPOSITORY}:1 {CURRENT}"]

    def test_an_image_that_is_gone_is_not_gone_back_to(self, upgraded: Host) -> None:
        upgraded.images("2", current="2")
        with pytest.raises(Problem) as caught:
            upgraded.rolled_back()
        assert caught.value.rule == "container.previous-gone" and upgraded.current == "2-docker"

    def test_the_same_plan_goes_forward_with_a_proof_for_it_may_be_damaged_by_now(
        self, upgraded: Host
    ) -> None:
        upgraded.rolled_back()
        upgraded.images("1", "2", current="1")
        assert [told for told in upgraded.present("2").actions if told.startswith("Verified")]
        assert upgraded.current == "2-docker"


class TestAbsent:
    def test_takes_everything(self, upgraded: Host) -> None:
        predicted = upgraded.absent(check=True)
        result = upgraded.absent()
        assert result.surplus == sorted([CURRENT, f"{REPOSITORY}:1", f"{REPOSITORY}:2"])
        assert predicted.actions == result.actions and not os.path.exists(upgraded.layout.root)
        assert not os.path.lexists(upgraded.base / "bin") and not os.path.lexists(upgraded.base / "facts")
        assert upgraded.absent().actions == []


class TestSurroundings:
    """SIMULATED: GPUs are trees of files."""

    def gpu(self, base: Path, driver: str = "570.124.06", library: bool = True) -> str:
        for path in ("sys/module/nvidia", "dev", "etc/cdi", "usr/lib"):
            (base / path).mkdir(parents=True)
        (base / "sys/module/nvidia/version").write_text(driver + "\n", encoding="utf-8")
        (base / "dev/nvidiactl").touch()
        if library:
            (base / "usr/lib/libcuda.so.570.124.06").touch()
        text = "kind: nvidia.com/gpu\n  - hostPath: /usr/lib/libcuda.so.570.124.06\n"
        (base / "etc/cdi/nvidia.yaml").write_text(text, encoding="utf-8")
        return str(base)

    def wanted(self, gpu: str = "cdi") -> Wanted:
        return plan(
            "1", device="cuda", container={"engine": "podman", "gpu": gpu, "driver_minimum": "570.26"}
        )

    def rule(self, root: str, wanted: Wanted, runtimes: str = "", version: tuple[int, ...] = (4, 3)) -> str:
        with pytest.raises(Problem) as caught:
            surroundings.check_gpu(wanted, lambda: version, lambda: runtimes, root)
        return caught.value.rule

    def test_a_host_that_can(self, tmp_path: Path) -> None:
        root = self.gpu(tmp_path)
        surroundings.check_gpu(self.wanted(), lambda: (4, 3, 1), lambda: "", root)
        surroundings.check_gpu(self.wanted("device_request"), lambda: (), lambda: '{"nvidia": {}}', root)

    def test_a_podman_that_does_not_know_cdi(self, tmp_path: Path) -> None:
        assert self.rule(self.gpu(tmp_path), self.wanted(), version=(3, 0, 1)) == "container.old-engine"

    def test_an_old_driver(self, tmp_path: Path) -> None:
        assert self.rule(self.gpu(tmp_path, "535.183.01"), self.wanted()) == "container.driver"

    def test_missing_device_nodes(self, tmp_path: Path) -> None:
        root = self.gpu(tmp_path)
        (tmp_path / "dev/nvidiactl").unlink()
        assert self.rule(root, self.wanted()) == "container.device-nodes"

    def test_a_stale_specification(self, tmp_path: Path) -> None:
        assert self.rule(self.gpu(tmp_path, library=False), self.wanted()) == "container.cdi"

    def test_no_toolkit(self, tmp_path: Path) -> None:
        root = self.gpu(tmp_path)
        (tmp_path / "etc/cdi/nvidia.yaml").unlink()
        assert self.rule(root, self.wanted()) == "container.no-toolkit"
        assert self.rule(root, self.wanted("device_request"), "{}") == "container.no-toolkit"

    def test_too_small_a_disk(self, tmp_path: Path) -> None:
        def statvfs(path: str) -> os.statvfs_result:
            return os.statvfs_result((4096, 4096, 10, 10, 10, 10, 10, 10, 0, 255))

        place = str(tmp_path)
        with pytest.raises(Problem) as caught:
            surroundings.check_room(plan("1"), [], place, place, True, statvfs)
        assert caught.value.rule == "container.disk-space"

    @pytest.mark.parametrize(
        ("engine", "layers", "copied", "mib"),
        [
            # The image, what is unpacked, the archive, and what is spare.
            ("podman", [], True, 3 * 1000 + 128),
            ("docker", [], False, 2 * 1000 + 128),
            ("podman", ["a", "b", "c"], True, 3 * 10 + 128),
            ("podman", ["b"], True, 3 * 1000 + 128),
            ("docker", ["a", "b", "c"], False, 2 * 1000 + 128),
            ("docker", ["chain of a and b"], False, 2 * 10 + 128),
        ],
    )
    def test_the_room_is_that_of_what_comes(
        self, tmp_path: Path, engine: str, layers: list[str], copied: bool, mib: int
    ) -> None:
        small = {"bytes": 10 << 20, "without": ["a", "b"], "chain": "chain of a and b"}
        other = {"bytes": 5 << 20, "without": ["a", "d"], "chain": ""}
        built = {"release": "1", "bytes": 1000 << 20, "upgrades": [other, small]}
        wanted = want(PLAN | {"container": {"engine": engine}}, built, "")

        def statvfs(path: str) -> os.statvfs_result:
            return os.statvfs_result((1 << 20, 1 << 20, mib, mib, mib - short, 10, 10, 10, 0, 255))

        place = str(tmp_path)
        short = 0
        surroundings.check_room(wanted, layers, place, place + "/incoming", copied, statvfs)
        short = 1
        with pytest.raises(Problem) as caught:
            surroundings.check_room(wanted, layers, place, place + "/incoming", copied, statvfs)
        assert f"{mib} MiB" in caught.value.wanted


class TestComplaints:
    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "container.engine-down"),
            ("Error: writing blob: no space left on device", "container.disk-space"),
            ("exec /bin/sh: exec format error", "container.other-machine"),
            ("Error: unresolvable CDI devices nvidia.com/gpu=all", "container.cdi"),
            ('could not select device driver "" with capabilities: [[gpu]]', "container.no-toolkit"),
            ("ERRO[0000] cannot find UID/GID for user x: no subuid ranges found", "container.rootless"),
            ("'overlay' is not supported over overlayfs", "container.storage-driver"),
            ("something else", "container.engine"),
            ("", "container.engine"),
        ],
    )
    def test_has_the_id_of_its_cause(self, text: str, rule: str) -> None:
        assert engine.complaint("podman", ("run",), text).rule == rule

    def test_an_engine_that_is_missing_is_named_with_its_package(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine.shutil, "which", lambda name, path="": None)
        with pytest.raises(Problem) as caught:
            engine.find("podman")
        assert caught.value.rule == "container.engine-missing" and "package podman" in caught.value.remedy

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"verdict": "refused"}, "container.plan-refused"),
            ({"runtime": "venv"}, "container.plan-refused"),
            ({"container": {"engine": None}}, "container.no-engine"),
        ],
    )
    def test_a_plan_that_is_none(self, changes: dict[str, Any], rule: str) -> None:
        with pytest.raises(Problem) as caught:
            plan("1", **changes)
        assert caught.value.rule == rule

    def test_an_image_that_was_not_built(self) -> None:
        with pytest.raises(Problem) as caught:
            want(PLAN, None, "")
        assert caught.value.rule == "container.no-build"
