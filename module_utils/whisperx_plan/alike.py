"""Hosts alike at a glance: equal in every raw fact that decides, so that they need not be read again.

Of 10,000 hosts most are like one before. Telling that from their raw facts takes a third of reading them.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from typing import Any

__all__ = ["DECIDING", "GPU_FACTS", "key_of"]

# The facts that Host.from_facts reads whole; a test holds that there are no others.
DECIDING = (
    "os",
    "libc",
    "machine",
    "pythons",
    "nvidia_driver",
    "ffmpeg",
    "container_engines",
    "cdi_problems",
    "container",
    "wsl",
    "tegra",
    "secure_boot",
    "selinux",
    "malformed",
)
# And those of a GPU: without its serial number, memory and place.
GPU_FACTS = ("name", "compute_capability", "pci_id", "driver", "mig", "vendor", "compute_mode", "licensed")
# The first format has no references, so that equal values have equal bytes.
_FORMAT = 1
_PLAIN: tuple[set[type], ...] = ({str}, set())


def key_of(facts: Mapping[str, Any], flags: frozenset[str]) -> bytes | None:
    """Return a key that hosts share only if reading them gives equal hosts; None where that is not sure.

    ``flags``: the CPU flags that matter.
    """
    try:
        cpu = facts.get("cpu")
        found = None if cpu is None else cpu.get("flags")
        if found is not None and set(map(type, found)) not in _PLAIN:
            return None
        gpus = facts.get("gpus")
        parts = [
            [facts.get(name) for name in DECIDING],
            None if gpus is None else [[gpu.get(name) for name in GPU_FACTS] for gpu in gpus],
            None if not found else sorted(flags.intersection(found)),
            # An odd kind of list is left to whoever reads it.
            type(gpus).__name__,
            type(found).__name__,
        ]
        return marshal.dumps(parts, _FORMAT)
    except (AttributeError, TypeError, ValueError):
        return None
