"""Who made a GPU, by its PCI vendor id or by its name."""

from __future__ import annotations

from typing import Dict, Tuple

__all__ = ["NVIDIA", "VENDORS", "vendor_of", "vendor_words"]

NVIDIA = "nvidia"
# Vendors of GPUs and accelerators, not those of displays of virtual machines and management controllers.
# Source: the PCI ID Project's list. Confidence: documented.
VENDORS: Dict[str, Tuple[str, str]] = {
    "10de": (NVIDIA, "NVIDIA"),
    "1002": ("amd", "AMD"),
    "8086": ("intel", "Intel"),
    "1d94": ("hygon", "Hygon"),
    "1da3": ("habana", "Habana Labs"),
    "1ed5": ("moore-threads", "Moore Threads"),
    "19e5": ("huawei", "Huawei"),
}
# The words by which a GPU that is described without its PCI id can be told.
_NAMES: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("amd", ("amd", "radeon", "instinct", "firepro")),
    ("intel", ("intel", "arc", "uhd", "iris")),
)


def vendor_of(pci_id: str, name: str = "") -> str:
    """Return "nvidia", "amd", ... for a PCI id such as "10de:2330" and a name; "" if neither says."""
    vendor = pci_id.strip().lower().replace("0x", "").partition(":")[0]
    if vendor:
        return VENDORS.get(vendor, ("pci-" + vendor, ""))[0]
    words = set(name.lower().replace("(", " ").split())
    return next((vendor for vendor, known in _NAMES if words.intersection(known)), "")


def vendor_words(vendor: str) -> str:
    """Return a vendor's name for sentences: "AMD" of "amd"."""
    return next((words for key, words in VENDORS.values() if key == vendor), vendor)
