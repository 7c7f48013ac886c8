"""What takes too long for every run: a whole WhisperX that boots, a newer glibc that boots, Packer's machine.

Only with WHISPERX_FLEET_BOOT (`make boot-proof`): some GB of downloads, 25 GB of disk, an hour without KVM.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from boot_lab import CPU, DRIVER, GPU, ROOT, BootLab

IN_ROOT = ROOT / "roles" / "whisperx_bake" / "files" / "in_root"

pytestmark = [
    pytest.mark.skipif(
        "WHISPERX_FLEET_BOOT" not in os.environ,
        reason="WHISPERX_FLEET_BOOT is not set: make boot-proof sets it",
    )
]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[BootLab]:
    """A root that boots, with time and memory for torch on an emulated processor."""
    monkeypatch.setenv("LAB_BOOT_SECONDS", "7200")
    monkeypatch.setenv("LAB_BOOT_MEMORY", "6144")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="whisperx-boot-") as name:
        made = BootLab(Path(name))
        made.make_root()
        yield made


def test_a_whole_whisperx_with_two_profiles_is_fit(lab: BootLab) -> None:
    profiles = {
        "gpu": {"device": "cuda", "facts": {"gpus": GPU, "nvidia_driver": DRIVER}},
        "cpu": {"device": "cpu"},
    }
    said = lab.bake(
        whisperx_plan_packages={"whisperx": ""},
        whisperx_bake_profiles=profiles,
        whisperx_bake_disk=str(lab.disk),
    )
    print(said[said.index("Report what was baked") :])
    # What both profiles have alike is there once.
    release = next(lab.root.glob("opt/whisperx/releases/*-cpu-*"))
    assert (release / "lib").is_dir() and any(
        path.stat().st_nlink > 1 for path in release.rglob("libctranslate2*.so*")
    )
    lab.tell_kernel("whisperx.timeout=3600")
    booted = lab.boot()
    found = lab.verdict()
    print(booted["message"], found["seconds"])
    assert (booted["state"], found["verdict"], found["profile"]) == ("active", "fit", "cpu")
    assert found["level"] == "pipeline"


def test_an_image_baked_for_glibc_2_36_is_unfit_where_glibc_2_41_boots(tmp_path: Path) -> None:
    lab = BootLab(tmp_path)
    lab.make_root("bookworm")
    # The last releases that ask for an executable stack; every glibc before 2.41 gives it to them.
    lab.bake(whisperx_plan_packages={"ctranslate2": "==4.4.0"})
    # Somebody upgrades the image, and does not bake it again.
    lab.make_root()
    lab.write_disk()
    said = lab.boot()
    found = lab.verdict()
    assert (said["state"], said["result"]) == ("failed", "exit-code")
    assert said["message"].startswith("whisperx: unfit: profile default was chosen and does not work: ")
    assert "baked for glibc 2.36, the C library here is 2.41" in said["message"]
    assert re.search(r"libctranslate2\S* .*executable stack", said["message"])
    assert said["python"].startswith("exit 69: " + said["message"])
    assert (found["verdict"], found["rule"]) == ("unfit", "firstboot.verify")
    assert found["facts"]["libc"]["version"] == "2.41"


def test_packer_starts_a_machine_bakes_it_and_keeps_its_disk(lab: BootLab) -> None:
    if not all(shutil.which(tool) for tool in ("packer", "qemu-img")):
        pytest.skip("needs packer and qemu-img")
    make_cloud_image(lab)
    variables = {
        "whisperx_host_assume": {"cpu": CPU, "gpus": []},
        "whisperx_plan_packages": {"ctranslate2": ""},
        "whisperx_plan_lock_dir": str(lab.base / "locks"),
        # The machine is an emulated one; the first boot proves the rest.
        "whisperx_bake_verify_level": "import",
        "whisperx_venv_verify_timeout": 3600,
    }
    (lab.base / "variables.json").write_text(json.dumps(variables))
    options = {
        "source_image": str(lab.disk),
        "checksum": "sha256:" + digest(lab.disk),
        "variables": str(lab.base / "variables.json"),
        "output": str(lab.base / "packed"),
        "disk_size": "5G",
        "accelerator": "tcg",
    }
    words = [word for name, value in options.items() for word in ("-var", f"{name}={value}")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = os.environ | {"PATH": path, "CHECKPOINT_DISABLE": "1", "ANSIBLE_NOCOLOR": "1"}
    settings |= {"PACKER_CACHE_DIR": str(lab.base / "packer_cache")}
    done = subprocess.run(
        ["packer", "build", "-color=false", *words, "packer/whisperx.pkr.hcl"],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profile default: ctranslate2-" in done.stdout and "failed=0" in done.stdout
    made = lab.base / "packed" / "whisperx.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "raw", made, lab.disk], check=True)
    lab.tell_kernel("")
    booted = lab.boot()
    assert (booted["state"], lab.verdict()["verdict"]) == ("active", "fit")
    assert booted["message"].startswith("whisperx: fit: profile default works here")


def make_cloud_image(lab: BootLab) -> None:
    """Make of the root what a distribution's cloud image has: sshd, cloud-init, a network by DHCP."""
    for command in (
        ["apt-get", "update", "--quiet=2"],
        [
            "apt-get",
            "install",
            "--quiet=2",
            "--yes",
            "--no-install-recommends",
            "openssh-server",
            "cloud-init",
        ],
        ["systemctl", "enable", "systemd-networkd"],
    ):
        subprocess.run([IN_ROOT, lab.root, *command], check=True)
    (lab.root / "etc" / "resolv.conf").write_text("nameserver 10.0.2.3\n")
    # The machine that bakes asks the index with the builder's certificates, as the other test hosts do.
    if os.environ.get("SSL_CERT_FILE"):
        shutil.copy(os.environ["SSL_CERT_FILE"], lab.root / "etc" / "ssl" / "certs" / "ca-certificates.crt")
    lab.write_disk("lab.build")


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
