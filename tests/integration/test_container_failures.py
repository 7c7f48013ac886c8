"""What keeps a container from running, made for real on this machine, and named by the real doctor.

SIMULATED: the GPU. Its driver is a file, its device node is /dev/null under another name; the CDI
specifications are real files, and podman itself resolves them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_doctor.consult import Where, consult
from module_utils.whisperx_doctor.records import Asked
from tests.integration.container_lab import IMAGE, ROOT, Native, made_image

FOREIGN = "localhost/whisperx-fleet:foreign-test"
KNOWLEDGE = ROOT / "roles/whisperx_doctor/files/knowledge.json"
DRIVER = "570.124.06"
# As nvidia-ctk cdi generate writes it.
SPECIFICATION = """cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: {name}
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: {node}
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{driver}
    hostPath: {library}
    options: [ro, nosuid, nodev, bind]
"""


@pytest.fixture(scope="module")
def image() -> Iterator[None]:
    yield from made_image()


class Release(Native):
    """A release in a container as it lies on a host, and the doctor who looks at it."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.root = base / "root"
        release = self.root / "releases/r1-podman"
        (release / "launch").mkdir(parents=True)
        (self.root / "current").symlink_to("releases/r1-podman")
        (self.root / ".whisperx-fleet").write_text("{}", encoding="ascii")
        record = {
            "schema": 1,
            "runtime": "container",
            "engine": "podman",
            "versions": {"ctranslate2": "4.5.0"},
            "plan": {"device": "cpu", "imports": [{"package": "json", "module": "json"}]},
            "base": {"name": "bookworm.tar", "facts": {"libc": {"family": "glibc", "version": "2.36"}}},
        }
        (release / "release.json").write_text(json.dumps(record), encoding="utf-8")
        self.script = release / "launch/python"
        self.write(self.command)

    def gpu(self, name: str = "all", node: str = "/dev/null", library: str = "", driver: str = "") -> None:
        """Give the host a specification; ``driver`` is the loaded one, "" where nobody asks for it."""
        real = self.host / f"libcuda.so.{DRIVER}"
        for path in ("etc/cdi", "sys/module/nvidia", "dev"):
            (self.host / path).mkdir(parents=True)
        real.touch()
        (self.host / "dev/nvidiactl").touch()
        (self.host / "sys/module/nvidia/version").write_text(driver + "\n", encoding="ascii")
        text = SPECIFICATION.format(name=name, node=node, library=library or real, driver=DRIVER)
        (self.host / "etc/cdi/nvidia.yaml").write_text(text, encoding="ascii")
        floor = "570.26" if driver else ""
        self.write(replace(self.command, gpu="cdi", driver=floor, host_root=str(self.host)))

    def examined(self, *words: str) -> dict[str, Any]:
        """Return the doctor's diagnosis."""
        command = [sys.executable, "-m", "module_utils.whisperx_doctor", str(self.root), "--json"]
        done = subprocess.run(
            [*command, "--level", "import", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        (told,) = json.loads(done.stdout)["environments"]
        return dict(told)

    def named(self, *words: str) -> list[str]:
        """Return the failures that the doctor names; nothing may be left unexplained."""
        told = self.examined(*words)
        assert (told["verdict"], told["unexplained"]) == ("unfit", []), told
        return [failure["id"] for failure in told["failures"]]


@pytest.fixture
def release(image: None, tmp_path: Path) -> Release:
    return Release(tmp_path)


@pytest.fixture
def foreign(image: None, tmp_path: Path) -> Iterator[str]:
    """An image of another machine: so it is labelled, and so says the header of its only program."""
    machine = 62 if os.uname().machine != "x86_64" else 183
    header = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 4096)
    (tmp_path / "sh").write_bytes(header)
    (tmp_path / "sh").chmod(0o755)
    (tmp_path / "Containerfile").write_text(
        "FROM scratch\nCOPY sh /bin/sh\nWORKDIR /work\n", encoding="ascii"
    )
    settings = os.environ | {"CONTAINERS_CONF": str(ROOT / "tools/lab/containers.conf")}
    architecture = "arm64" if machine == 183 else "amd64"
    build = ["podman", "build", "--quiet", "--arch", architecture, "--tag", FOREIGN, str(tmp_path)]
    subprocess.run(build, check=True, env=settings, capture_output=True)
    yield FOREIGN
    subprocess.run(["podman", "rmi", "--force", FOREIGN], check=True, env=settings, capture_output=True)


def test_a_release_in_a_container_is_fit(release: Release) -> None:
    """Its versions are those of its record, and its C library is the base's: 4.5.0 runs under glibc 2.36."""
    told = release.examined()
    assert (told["verdict"], told["engine"], told["failures"]) == ("fit", "podman", [])
    assert (told["packages"], told["facts"]["libc"]) == ({"ctranslate2": "4.5.0"}, "glibc 2.36")


def test_the_engine_resolves_the_gpu(release: Release) -> None:
    release.gpu(driver=DRIVER)
    library = f"/usr/lib/x86_64-linux-gnu/libcuda.so.{DRIVER}"
    program = (
        "import os; node = os.stat('/dev/nvidia0').st_rdev; print(os.major(node), os.minor(node), "
        f"os.path.exists('{library}'), os.environ['NVIDIA_VISIBLE_DEVICES'])"
    )
    code, out, err = release.run("-c", program)
    assert (code, out) == (0, "1 3 True void"), err
    words = release.record.read_text(encoding="utf-8").splitlines()
    assert "--device=nvidia.com/gpu=all" in words[: words.index(IMAGE)]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"node": "/dev/nvidia-none"}, "failure.container-device-nodes"),
        ({"library": "/usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01"}, "failure.container-stale-cdi"),
        ({"driver": "575.57.08"}, "failure.container-stale-cdi"),
        ({"name": "mig1"}, "failure.container-toolkit"),
        ({"driver": "535.183.01"}, "failure.container-driver"),
    ],
)
def test_what_is_wrong_with_a_gpu_is_named(release: Release, given: dict[str, str], name: str) -> None:
    release.gpu(**given)
    assert release.named() == [name]


def test_an_image_that_was_pruned(release: Release) -> None:
    release.write(replace(release.command, image="localhost/whisperx-fleet:pruned"))
    assert release.named() == ["failure.container-image"]


def test_an_image_for_another_machine(release: Release, foreign: str) -> None:
    release.write(replace(release.command, image=foreign))
    assert release.named() == ["failure.container-machine"]


def test_limits_that_may_not_be_raised(release: Release) -> None:
    """More open files than the kernel allows anyone."""
    most = int(Path("/proc/sys/fs/nr_open").read_text()) + 1
    options = f"WHISPERX_CONTAINER_OPTIONS=--ulimit=nofile={most}:{most}"
    assert release.named("--set", options) == ["failure.container-limits"]


def test_an_engine_that_is_gone(release: Release) -> None:
    if os.path.exists("/var/run/docker.sock"):
        pytest.skip("docker runs here")
    release.write(replace(release.command, engine="docker"))
    assert release.named() == ["failure.container-engine"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--recursive", str(place)], check=True)


def test_a_storage_that_is_full(release: Release, small: Path, tmp_path: Path) -> None:
    """Podman's own, with the images of this machine beneath it, as a release for all users has it."""
    told = subprocess.run(
        ["podman", "info", "--format", "{{.Store.GraphRoot}}"], check=True, capture_output=True, text=True
    )
    beneath = told.stdout.strip()
    text = f'[storage]\ndriver = "overlay"\ngraphroot = "{small}/own"\nrunroot = "{small}/run"\n'
    conf = tmp_path / "run.conf"
    conf.write_text(f'{text}[storage.options]\nadditionalimagestores = ["{beneath}"]\n', encoding="utf-8")
    release.write(replace(release.command, store=beneath, run_conf=str(conf)))
    assert release.examined()["verdict"] == "fit"
    with contextlib.suppress(OSError), open(small / "rest", "wb", buffering=0) as rest:
        while True:
            rest.write(b"\0" * 4096)
    assert release.named() == ["failure.container-storage"]


def test_a_user_without_a_range_of_ids(release: Release, tmp_path: Path) -> None:
    """As nobody, for real; the doctor reads what was said."""
    place = Path(tempfile.mkdtemp(prefix="whisperx-nobody-"))
    try:
        place.chmod(0o755)
        release.script = place / "python"
        release.write(replace(release.command, store="/srv/images"))
        done = subprocess.run(
            ["runuser", "-u", "nobody", "--", str(release.script), "-c", "pass"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(place)
    assert done.returncode == 125 and "no range in /etc/subuid" in done.stderr
    log = tmp_path / "log"
    log.write_text(done.stderr, encoding="utf-8")
    told = consult(Where(logs=[str(log)]), Asked(), json.loads(KNOWLEDGE.read_text(encoding="utf-8")))
    (found,) = told["environments"]
    assert [note["id"] for note in found["notes"]] == ["failure.container-subids"]
