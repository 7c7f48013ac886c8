"""The processor's instruction sets, and the kernel's release."""

from __future__ import annotations

import re
from typing import Dict, Optional, Tuple

from ..whisperx_common.tree import Tree
from .live import Live
from .model import Cpu, Kernel

__all__ = ["parse_cpuinfo", "read_cpu", "read_kernel"]

_FLAGS = re.compile(r"^(?:flags|Features)[ \t]*:[ \t]*(.*)$", re.MULTILINE)


def parse_cpuinfo(text: str) -> Tuple[str, ...]:
    """Return the flags of the first processor in ``/proc/cpuinfo``, () when it names none.

    x86::        flags           : fpu vme de pse ... avx2
    aarch64::    Features        : fp asimd evtstrm aes
    """
    match = _FLAGS.search(text)
    return tuple(match.group(1).split()) if match else ()


def read_cpu(tree: Tree, sources: Dict[str, str]) -> Cpu:
    """Read ``/proc/cpuinfo``. In a virtual machine it shows what the hypervisor lets through."""
    text = tree.text("/proc/cpuinfo", private=True)
    sources["cpu"] = "/proc/cpuinfo" if text else "no /proc/cpuinfo"
    return Cpu(parse_cpuinfo(text or ""))


def read_kernel(tree: Tree, live: Live, sources: Dict[str, str]) -> Kernel:
    """Find the kernel's release.

    1. ``uname``; 2. ``/proc/sys/kernel/osrelease`` of the tree; 3. the only directory in ``/lib/modules``.
    """
    if live.uname:
        sources["kernel"] = "uname"
        return Kernel(live.uname[0])
    text = tree.text("/proc/sys/kernel/osrelease", private=True)
    if text and text.strip():
        sources["kernel"] = "/proc/sys/kernel/osrelease"
        return Kernel(text.strip())
    installed: Optional[str] = None
    names = tree.names("/lib/modules")
    if len(names) == 1:
        installed = names[0]
    sources["kernel"] = f"/lib/modules ({len(names)} kernels installed)"
    return Kernel(installed)
