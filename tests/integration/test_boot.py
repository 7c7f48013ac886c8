"""Debian 13 disks, baked here without a GPU and booted in QEMU from their own boot loader, fit and unfit.

The disks' packages are ctranslate2 alone: a whole WhisperX takes long to prove on an emulated processor
(`make boot-proof`). Firmware, loader, kernel, systemd, unit, choice and proof are the real ones; the GPU is
declared, not there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boot_lab import DRIVER, GPU, ROOT, WORDS, BootLab
from other_builder import OtherBuilder

from tests.attack.strength import FULL

NEEDED = ("qemu-system-x86_64", "mmdebstrap", "mkfs.ext4", "debugfs", "mcopy", "grub-mkimage")
# An emulated processor computes for minutes, and the owner's word for the first boot spares it that.
LEVEL = "pipeline" if FULL else "import"
UEFI = Path("/usr/share/ovmf/OVMF.fd")
READ_FACTS = """
import json
from ansible.module_utils.distro import LinuxDistribution
from module_utils.whisperx_host.probe import probe
print(json.dumps(probe("/", 20.0, {}, LinuxDistribution)))
"""

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="takes root to make a root file system"),
    pytest.mark.skipif(not all(shutil.which(name) for name in NEEDED), reason=f"needs {', '.join(NEEDED)}"),
]


@pytest.fixture
def base() -> Iterator[Path]:
    # Not pytest's own directory, which would keep some GB for the next runs to look at.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="whisperx-boot-") as name:
        yield Path(name)


def traces(root: Path) -> list[str]:
    """Return what a bake could leave on the builder: mounts, loop devices, processes in the root or of it."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]
    loops = [str(path) for path in Path("/sys/block").glob("loop*/loop/backing_file") if of(path, root)]
    processes = [path.name for path in Path("/proc").glob("[0-9]*") if works_on(path, root)]
    return mounts + loops + processes


def of(backing: Path, root: Path) -> bool:
    """Whether a loop device, which may be gone by now, is one of ours: others on this machine have theirs."""
    try:
        return str(root.parent) in backing.read_text()
    except OSError:
        return False


def works_on(process: Path, root: Path) -> bool:
    """Whether a process has the root as its own, or is Ansible's, which names the inventory beside it."""
    try:
        return (process / "root").readlink() == root or str(root.parent) in (process / "cmdline").read_text()
    except OSError:
        return False


def kill_while_it_builds(lab: BootLab, **variables: object) -> None:
    """Start baking, and kill Ansible outright when the first release is being built."""
    child = lab.start(**variables)
    deadline = time.monotonic() + 120
    while not list(lab.root.glob("opt/whisperx/releases/*/bin")) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert child.poll() is None and traces(lab.root)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    while traces(lab.root) and time.monotonic() < deadline:
        time.sleep(0.1)


def plans_do_not_depend_on_the_builder(lab: BootLab, image: dict[str, Any]) -> None:
    """See what would be baked here, and on a machine with another kernel and processor and a GPU."""
    folder = lab.base / "builder"
    folder.mkdir()
    builder = OtherBuilder(folder)
    builder.make()
    facts = subprocess.run(
        builder.command(sys.executable, "-c", READ_FACTS),
        env=os.environ | builder.environment,
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    assert b"NVIDIA H100" in facts and b"another_builder" in facts and b'"2.6.' in facts
    for name, other in (("here", None), ("there", builder)):
        lab.bake("--check", builder=other, whisperx_plan_output=str(lab.base / name), **image)
    plan = (lab.base / "here").read_text()
    assert json.loads(plan)["hosts"]["cpu"]["verdict"] == "plan"
    assert (lab.base / "there").read_text() == plan
    assert not (lab.root / "opt" / "whisperx").exists()


def test_an_image_chooses_and_proves_where_it_boots_and_says_so_where_it_cannot(base: Path) -> None:
    lab = BootLab(base)
    lab.make_root()
    image = {
        "whisperx_bake_profiles": {
            "gpu": {"device": "cuda", "facts": {"gpus": GPU, "nvidia_driver": DRIVER}},
            "cpu": {"device": "cpu"},
        },
        "whisperx_bake_disk": str(lab.disk),
        "whisperx_bake_disk_words": f"{WORDS} whisperx.level={LEVEL}",
        # Containers enforce no limits, this kernel does.
        "whisperx_services": {
            "greedy": {"command": ["python", "-c", "b'x' * (256 << 20)"], "memory": "64M", "gpu": False}
        },
    }
    before = traces(lab.root)
    plans_do_not_depend_on_the_builder(lab, image)

    # Of two profiles' packages, before any is built.
    wrong = {"wyoming": {"command": "wyoming-faster-whisper"}}
    told = lab.bake(code=2, **image | {"whisperx_services": wrong})
    assert "rule: service.unknown-command" in told and "no command 'wyoming-faster-whisper'" in told
    assert not (lab.root / "opt" / "whisperx").exists()

    # Killed, then ended by what must not be in an image: nothing is left, and the next run completes it.
    kill_while_it_builds(lab, **image)
    assert traces(lab.root) == before
    (lab.root / "root" / ".netrc").write_text("machine index.example login me password secret\n")
    assert "rule: bake.unclean" in lab.bake(code=2, **image)
    assert traces(lab.root) == before and not list(base.glob("disk.raw*"))
    (lab.root / "root" / ".netrc").unlink()
    lab.bake(**image)
    assert not (lab.root / "root" / ".ansible").exists()
    written = lab.disk.stat()
    assert "changed=0" in lab.bake(**image) and lab.disk.stat() == written
    assert traces(lab.root) == before and not list(base.glob("*.part"))

    # Fit, started by UEFI.
    said = lab.boot("-bios", str(UEFI))
    found = lab.verdict()
    assert (said["state"], said["result"]) == ("active", "success")
    assert said["message"].startswith("whisperx: fit: profile cpu works here")
    assert said["journal"] == said["message"] + "|"
    assert said["message"] in said["console"].split("lab-report")[0]
    assert re.match(r"exit 0: \d+\.\d+", said["python"])
    assert said["memory"].split() == [str(64 << 20), "oom-kill"]
    assert (found["verdict"], found["profile"], found["level"]) == ("fit", "cpu", LEVEL)
    assert found["facts"]["kernel"]["release"].endswith("cloud-amd64")
    assert found["misfits"] == {"gpu": ["baked for an NVIDIA GPU, this machine has none"]}

    # The same disk in an older machine with a BIOS: it is proved anew, and what worked is taken away.
    said = lab.boot("-cpu", "qemu64")
    assert (said["state"], said["result"]) == ("failed", "exit-code")
    sentence = "unfit: profile cpu was chosen and does not work: "
    sentence += "baked for a processor with sse4_1, avx, avx2, which this one does not have; "
    assert said["message"].startswith("whisperx: " + sentence) and "SIGILL" in said["message"]
    assert said["python"].startswith("exit 69: " + said["message"])
    assert "avx" not in lab.verdict()["facts"]["cpu"]["flags"]
    assert (lab.verdict()["verdict"], lab.verdict()["rule"]) == ("unfit", "firstboot.verify")

    # Where only a GPU will do. A boot takes a minute of a processor, so this one is for `make attack`.
    if not FULL:
        return
    lab.tell_kernel("whisperx.profile=gpu")
    said = lab.boot()
    assert (said["state"], said["result"]) == ("failed", "exit-code")
    sentence = "unfit: profile gpu: baked for an NVIDIA GPU, this machine has none; wanted: "
    assert said["message"].startswith("whisperx: " + sentence)
    assert said["python"].startswith("exit 69: whisperx: " + sentence)
    assert (lab.verdict()["verdict"], lab.verdict()["rule"]) == ("unfit", "firstboot.no-profile")
