"""Makes this machine look like another one, to one command: kernel, processor, NVIDIA GPU with its driver."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OtherBuilder"]

ROOT = Path(__file__).resolve().parents[2]
_CPUINFO = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu sse sse2 another_builder\n"
_SCRIPT = """
mount --bind "$0/cpuinfo" /proc/cpuinfo
mkdir -p "$0/dev"
mount -t tmpfs -o mode=755 none "$0/dev"
cd /dev
cp -a null zero full random urandom tty fd stdin stdout stderr "$0/dev"
mknod "$0/dev/nvidiactl" c 195 255
mknod "$0/dev/nvidia0" c 195 0
mknod "$0/dev/nvidia-uvm" c 511 0
mkdir -m 1777 "$0/dev/shm"
cd "$OLDPWD"
mount --rbind "$0/dev" /dev
mount -t tmpfs none /sys/module
mkdir /sys/module/nvidia
echo 535.183.01 >/sys/module/nvidia/version
ldconfig -C "$0/cache" "$0"
mount --bind "$0/cache" /etc/ld.so.cache
exec setarch --uname-2.6 "$@"
"""


@dataclass(frozen=True)
class OtherBuilder:
    """A disguise whose files lie in ``folder``; takes root and a C compiler."""

    folder: Path

    def make(self) -> None:
        """Compile the stand-in for NVIDIA's library and write the rest."""
        library = self.folder / "libnvidia-ml.so.1"
        source = ROOT / "tests" / "stand_ins" / "nvml.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        (self.folder / "cpuinfo").write_text(_CPUINFO)

    def command(self, *command: str) -> list[str]:
        """Return what runs ``command`` in the disguise."""
        return [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            _SCRIPT,
            str(self.folder),
            *command,
        ]

    @property
    def environment(self) -> dict[str, str]:
        """What the stand-in answers."""
        return {
            "STAND_IN_DRIVER": "535.183.01",
            "STAND_IN_CUDA": "12020",
            "STAND_IN_DEVICES": "NVIDIA H100|GPU-0a0b|9.0|81559|0000:01:00.0|233010de|-1|0|0",
        }
