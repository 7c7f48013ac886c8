"""Building small systems on disk, for the real probe to read: files, links, ELF headers, a loader cache.

What is not built does not exist. All files are real ones; a device node is a plain file, as the probe asks
only for its presence.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.distro import LinuxDistribution

from module_utils.whisperx_common.tree import Tree
from module_utils.whisperx_host.live import Live
from module_utils.whisperx_host.model import Host
from module_utils.whisperx_host.nvml import Answer, Device
from module_utils.whisperx_host.probe import gather

__all__ = ["HostTree", "cache_bytes", "debian", "elf_bytes", "plant", "replayed"]

LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}
_ELF_MACHINES = {"x86_64": 0x3E, "aarch64": 0xB7}
_CACHE_FLAGS = {"x86_64": 0x0303, "aarch64": 0x0A03, "i686": 0x0003}


def elf_bytes(machine: str, loader: str | None, strings: Sequence[bytes] = ()) -> bytes:
    """Return a 64-bit ELF file that is a header, perhaps a PT_INTERP, and NUL-separated strings."""
    text = (loader or "").encode() + b"\0"
    start = 64 + 56
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    numbers = (3, _ELF_MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    header = ident + struct.pack("<HHIQQQIHHHHHH", *numbers)
    kind = 3 if loader else 1
    segment = struct.pack("<IIQQQQQQ", kind, 4, start, 0, 0, len(text), len(text), 1)
    return header + segment + text + b"\0".join([b"", *strings, b""])


def cache_bytes(entries: Sequence[tuple[str, str]], machine: str = "x86_64", old: bool = False) -> bytes:
    """Return an ld.so.cache of (soname, path) entries, behind an empty old table if ``old``."""
    table, strings = b"", b""
    first = 48 + 24 * len(entries)
    for soname, path in entries:
        key = first + len(strings)
        strings += soname.encode() + b"\0"
        value = first + len(strings)
        strings += path.encode() + b"\0"
        table += struct.pack("=iIIIQ", _CACHE_FLAGS[machine], key, value, 0, 0)
    head = struct.pack("=20sII20x", b"glibc-ld.so.cache1.1", len(entries), len(strings))
    front = b"ld.so-1.7.0\0" + struct.pack("=I", 1) + bytes(12) + bytes(4) if old else b""
    return front + head + table + strings


class HostTree:
    """A system below ``root``; every method returns the tree, so that calls can be chained."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def _at(self, path: str) -> Path:
        where = self.root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        return where

    def file(self, path: str, content: str | bytes = "", mode: int = 0o644) -> HostTree:
        where = self._at(path)
        where.write_bytes(content.encode() if isinstance(content, str) else content)
        where.chmod(mode)
        return self

    def link(self, path: str, target: str) -> HostTree:
        self._at(path).symlink_to(target)
        return self

    def elf(
        self, path: str, strings: Sequence[bytes] = (), machine: str = "x86_64", loader: str | None = ""
    ) -> HostTree:
        loader = LOADERS[machine] if loader == "" else loader
        return self.file(path, elf_bytes(machine, loader, strings), 0o755)

    def python(self, path: str, version: str, machine: str = "x86_64", loader: str | None = "") -> HostTree:
        return self.elf(path, [version.encode()], machine, loader)

    def gpu(self, address: str, device: str, driver: str = "", function_class: str = "0x030200") -> HostTree:
        place = f"/sys/bus/pci/devices/{address}"
        self.file(f"{place}/vendor", "0x10de\n").file(f"{place}/device", f"0x{device}\n")
        self.file(f"{place}/class", f"{function_class}\n")
        return self.link(f"{place}/driver", f"../../../../bus/pci/drivers/{driver}") if driver else self

    def driver(self, module: str, libraries: str | None = None, nodes: int = 1, where: str = "") -> HostTree:
        """Add a loaded module, the user-space libraries (of its version unless told) and device nodes."""
        self.file("/sys/module/nvidia/version", module + "\n")
        flavour = f"NVIDIA UNIX Open Kernel Module for x86_64  {module}  Release Build"
        self.file("/proc/driver/nvidia/version", f"NVRM version: {flavour}\nGCC version: 12\n")
        if nodes:
            self.file("/dev/nvidiactl")
        for number in range(nodes):
            self.file(f"/dev/nvidia{number}")
        return self.libraries(libraries or module, where)

    def libraries(self, version: str, where: str = "") -> HostTree:
        where = where or "/usr/lib/x86_64-linux-gnu"
        for name in ("libcuda.so", "libnvidia-ml.so"):
            self.elf(f"{where}/{name}.{version}", loader=None)
            self.link(f"{where}/{name}.1", f"{name}.{version}")
        return self

    def probe(self, live: Live | None = None) -> Host:
        """Run the real probe on this tree."""
        return gather(Tree(str(self.root)), live or Live(), LinuxDistribution)


def debian(root: Path, version: str = "13", glibc: str = "2.41", python: str = "3.13.5") -> HostTree:
    """Build a merged-/usr Debian with one Python, without GPU, container engine and FFmpeg."""
    host = HostTree(root)
    names = {"11": "bullseye", "12": "bookworm", "13": "trixie", "": "forky"}
    number = f'VERSION_ID="{version}"\n' if version else ""
    release = f'NAME="Debian GNU/Linux"\n{number}VERSION_CODENAME={names[version]}\nID=debian\n'
    host.file("/usr/lib/os-release", release).link("/etc/os-release", "../usr/lib/os-release")
    for name in ("bin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        host.link(f"/{name}", f"usr/{name}")
    banner = f"GNU C Library (Debian GLIBC {glibc}-12) stable release version {glibc}.\n".encode()
    host.elf("/usr/lib/x86_64-linux-gnu/libc.so.6", [banner])
    host.elf("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", loader=None)
    host.link("/usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    series = python.rsplit(".", 1)[0]
    host.python(f"/usr/bin/python{series}", python).link("/usr/bin/python3", f"python{series}")
    host.file(
        "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse4_1 avx avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    )
    return host.file("/proc/sys/kernel/osrelease", "6.12.48+deb13-amd64\n")


def plant(entries: dict[str, dict[str, str]], root: Path) -> HostTree:
    """Put the entries of a captured fixture into the empty directory ``root``."""
    host = HostTree(root)
    modes = {}
    for path, entry in entries.items():
        where = root / path.lstrip("/")
        if "link" in entry:
            host.link(path, entry["link"])
        elif "dir" in entry:
            where.mkdir(parents=True, exist_ok=True)
            modes[where] = int(entry["dir"], 8)
        else:
            packed = entry.get("zlib")
            content = zlib.decompress(base64.b64decode(packed)) if packed else entry.get("text", "").encode()
            host.file(path, content)
            modes[where] = int(entry["mode"], 8)
    for where, mode in sorted(modes.items(), reverse=True):
        where.chmod(mode)
    return host


def replayed(live: dict[str, Any]) -> Live:
    """Return the answers of a running machine as a captured fixture has them."""
    if not live["runs"]:
        return Live()
    answer = dict(live["nvml"] or {})
    if answer:
        answer["devices"] = tuple(
            Device(**{**device, "mig": tuple(device["mig"]) if device["mig"] else None})
            for device in answer["devices"]
        )
    return Live(
        confstr=live["confstr"],
        uname=(live["uname"][0], live["uname"][1]),
        running=(live["running"][0], live["running"][1]),
        nvml=lambda libraries: Answer(**answer),
        run=lambda command: live["commands"].get(" ".join(command)),
        home=live["home"],
    )
