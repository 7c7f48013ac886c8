"""Roots that are baked here and booted in QEMU, and what is read of them afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from other_builder import OtherBuilder

from module_utils.whisperx_bake.disk import Disk, check, parts, write

__all__ = ["CPU", "DRIVER", "GPU", "LAB", "ROOT", "WORDS", "BootLab"]

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tools" / "lab"

CPU = {"flags": ["sse4_1", "avx", "avx2"]}
GPU = [{"name": "NVIDIA L4", "compute_capability": "8.9", "memory_mib": 23034}]
DRIVER = {"version": "570.124.06", "cuda": "12.8", "state": "running"}
_MIB = 1024 * 1024
# What is done against Spectre and Meltdown protects nobody in this machine.
WORDS = "console=ttyS0 quiet mitigations=off"


@dataclass(frozen=True)
class BootLab:
    """One root below ``base``, its locks and its disk."""

    base: Path

    @property
    def root(self) -> Path:
        """The root that is baked."""
        return self.base / "root"

    @property
    def disk(self) -> Path:
        """The disk that is booted."""
        return self.base / "disk.raw"

    def make_root(self, *suite: str) -> None:
        """Make the root, bare and of another suite when one is named, or upgrade the one that is there."""
        subprocess.run([LAB / "boot_root", self.root, *suite], check=True)

    def command(self, **variables: Any) -> list[str]:
        """Return the command that bakes the root, with further variables of the host."""
        host = {
            "ansible_connection": "community.general.chroot",
            "ansible_host": str(self.root),
            "ansible_python_interpreter": "auto_silent",
            "whisperx_plan_packages": {"ctranslate2": ""},
            "whisperx_plan_lock_dir": str(self.base / "locks"),
            "whisperx_host_assume": {"cpu": CPU, "gpus": []},
            "whisperx_bake_disk_free": 256,
            "whisperx_bake_disk_words": WORDS,
        }
        inventory = self.base / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"image": host | variables}}}))
        playbook = Path(sys.executable).parent / "ansible-playbook"
        return [str(playbook), "playbooks/bake.yml", "-i", str(inventory)]

    def start(
        self, *arguments: str, builder: OtherBuilder | None = None, **variables: Any
    ) -> subprocess.Popen[str]:
        """Start baking, here or on what looks like another machine."""
        command = [*self.command(**variables), *arguments]
        settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.Popen(
            builder.command(*command) if builder else command,
            cwd=ROOT,
            env=os.environ | settings | (builder.environment if builder else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def bake(self, *arguments: str, code: int = 0, **variables: Any) -> str:
        """Bake; return what was said."""
        child = self.start(*arguments, **variables)
        said, _ = child.communicate()
        assert child.returncode == code, said
        return said

    def write_disk(self, words: str = "") -> None:
        """Write the root as it is, without baking it again; ``words`` go to the kernel."""
        used = int(
            subprocess.run(["du", "-s", "-B1", self.root], capture_output=True, check=True).stdout.split()[0]
        )
        disk = Disk(str(self.disk), str(self.root), "x86_64", used, 256, f"{WORDS} {words}")
        write(disk, check(disk))

    def boot(self, *options: str) -> dict[str, str]:
        """Boot the disk until it is off; return what lab-report said on the console, by subject."""
        done = subprocess.run(
            [LAB / "boot", self.disk, *options], capture_output=True, text=True, errors="replace", check=False
        )
        said = dict(re.findall(r"lab-report (\w+): ([^\r\n]*)", done.stdout))
        assert done.returncode == 0 and "uptime" in said, done.stdout[-4000:] + done.stderr
        return said | {"console": done.stdout}

    def verdict(self) -> dict[str, Any]:
        """Return the verdict that lies on the disk."""
        command = [
            "debugfs",
            "-R",
            "cat /var/lib/whisperx/verdict.json",
            f"{self.disk}?offset={self._root_offset}",
        ]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    def tell_kernel(self, words: str) -> None:
        """Put words on the kernel's command line, as an owner does: in the file on the ESP."""
        config, esp = self.base / "grub.cfg", f"{self.disk}@@{_MIB}"
        subprocess.run(["mcopy", "-o", "-i", esp, "::/grub/grub.cfg", config], check=True)
        config.write_text(re.sub(r"(root=UUID=\S+ rw).*", rf"\1 {WORDS} {words}", config.read_text()))
        subprocess.run(["mcopy", "-o", "-i", esp, config, "::/grub/grub.cfg"], check=True)

    @property
    def _root_offset(self) -> int:
        return next(part.offset for part in parts(0, 0) if part.name == "root")
