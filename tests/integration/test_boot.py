"""A Debian 13 disk with two profiles, baked here without a GPU and booted in QEMU, once fit and once not.

The disk's packages are ctranslate2 alone: a whole WhisperX would take a quarter of an hour to prove on an
emulated processor. Kernel, systemd, unit, choice and proof are the real ones; the GPU is declared, not there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tools" / "lab"
NEEDED = ("qemu-system-x86_64", "mmdebstrap", "mkfs.ext4", "debugfs")

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="takes root to make a root file system"),
    pytest.mark.skipif(not all(shutil.which(name) for name in NEEDED), reason=f"needs {', '.join(NEEDED)}"),
]

GPU = [{"name": "NVIDIA L4", "compute_capability": "8.9", "memory_mib": 23034}]
DRIVER = {"version": "570.124.06", "cuda": "12.8", "state": "running"}


def bake(base: Path, *arguments: str) -> str:
    """Run the playbook on the root below ``base``; return what it said."""
    host = {
        "ansible_connection": "community.general.chroot",
        "ansible_host": str(base / "root"),
        "ansible_python_interpreter": "auto_silent",
        "whisperx_plan_packages": {"ctranslate2": ""},
        "whisperx_plan_lock_dir": str(base / "locks"),
        "whisperx_host_assume": {"cpu": {"flags": ["sse4_1", "avx", "avx2"]}, "gpus": []},
        "whisperx_bake_profiles": {
            "gpu": {"device": "cuda", "facts": {"gpus": GPU, "nvidia_driver": DRIVER}},
            "cpu": {"device": "cpu"},
        },
        "whisperx_bake_disk": str(base / "disk.raw"),
        "whisperx_bake_disk_free": 256,
    }
    (base / "hosts.json").write_text(json.dumps({"all": {"hosts": {"image": host}}}))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "playbooks/bake.yml",
            "-i",
            base / "hosts.json",
            *arguments,
        ],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def boot(disk: Path, *words: str) -> dict[str, str]:
    """Boot the disk until it is off; return what lab-report said on the console, by subject."""
    done = subprocess.run(
        [LAB / "boot", disk, *words], capture_output=True, text=True, errors="replace", check=False
    )
    said = dict(re.findall(r"lab-report (\w+): ([^\r\n]*)", done.stdout))
    assert done.returncode == 0 and "uptime" in said, done.stdout[-4000:] + done.stderr
    return said


def verdict(disk: Path) -> dict[str, Any]:
    """Return the verdict that lies on the disk."""
    command = ["debugfs", "-R", "cat /var/lib/whisperx/verdict.json", str(disk)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    # Not pytest's own directory, which would keep some GB for the next runs to look at.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="whisperx-boot-") as name:
        base = Path(name)
        subprocess.run([LAB / "boot_root", base / "root"], check=True)
        bake(base)
        yield base / "disk.raw"


def test_the_image_chooses_and_proves_where_it_boots_and_says_so_where_it_cannot(disk: Path) -> None:
    said = boot(disk)
    found = verdict(disk)
    assert (said["state"], said["result"]) == ("active", "success")
    assert said["message"].startswith("whisperx: fit: profile cpu works here")
    assert re.match(r"exit 0: \d+\.\d+", said["python"])
    assert (found["verdict"], found["profile"], found["level"]) == ("fit", "cpu", "pipeline")
    assert found["facts"]["kernel"]["release"].endswith("cloud-amd64")
    assert found["misfits"] == {"gpu": ["baked for an NVIDIA GPU, this machine has none"]}

    # The same disk where only a GPU will do.
    said = boot(disk, "whisperx.profile=gpu")
    assert (said["state"], said["result"]) == ("failed", "exit-code")
    sentence = "unfit: profile gpu: baked for an NVIDIA GPU, this machine has none; wanted: "
    assert said["message"].startswith("whisperx: " + sentence)
    assert said["python"].startswith("exit 69: whisperx: " + sentence)
    assert (verdict(disk)["verdict"], verdict(disk)["rule"]) == ("unfit", "firstboot.no-profile")
