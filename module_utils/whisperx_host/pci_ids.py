"""Which chip an NVIDIA PCI device id belongs to, and the compute capability of each chip.

For GPUs that no driver answers for (no driver yet, nouveau, vfio-pci). Rows, no code: NVIDIA gives out device
ids in blocks by chip, so a row is a block from the first to the last id seen. An id outside of every row has
no chip, a chip without a row in ``CAPABILITIES`` no capability: unknown, not guessed.

Sources: chips by device id from the PCI ID Project's list of 2026-08-22, vendor 10de, display controllers,
Fermi and newer; capabilities from NVIDIA's "CUDA GPUs" and "Legacy CUDA GPUs" tables and the CUDA C++
Programming Guide's list of compute capabilities. Confidence: documented; GB110, GB112 (10.3), GB20B (12.1)
and GB10B (11.0) hypothesis.
"""

from __future__ import annotations

from typing import Dict, Optional, Tuple

__all__ = ["CAPABILITIES", "CHIPS", "TEGRA_CAPABILITIES", "capability_of", "chip_of"]

# (first device id, last device id, chip)
CHIPS: Tuple[Tuple[int, int, str], ...] = (
    (0x06C0, 0x06DF, "GF100"),
    (0x0DC0, 0x0DDA, "GF106"),
    (0x0DE0, 0x0DFC, "GF108"),
    (0x0E22, 0x0E3B, "GF104"),
    (0x0F00, 0x0F06, "GF108"),
    (0x0FC0, 0x0FFF, "GK107"),
    (0x1001, 0x102A, "GK110"),
    (0x102D, 0x102D, "GK210"),
    (0x102E, 0x103F, "GK110"),
    (0x1040, 0x107D, "GF119"),
    (0x1080, 0x1096, "GF110"),
    (0x109A, 0x109B, "GF100"),
    (0x1140, 0x1140, "GF117"),
    (0x1180, 0x11BF, "GK104"),
    (0x11C0, 0x11FF, "GK106"),
    (0x1200, 0x1213, "GF114"),
    (0x1241, 0x1251, "GF116"),
    (0x1280, 0x12BA, "GK208"),
    (0x130B, 0x130B, "GK110"),
    (0x1340, 0x137D, "GM108"),
    (0x1380, 0x139D, "GM107"),
    (0x13AD, 0x13AE, "GM204"),
    (0x13B0, 0x13BD, "GM107"),
    (0x13BE, 0x13FB, "GM204"),
    (0x1401, 0x1436, "GM206"),
    (0x15C2, 0x15FF, "GP100"),
    (0x1613, 0x1676, "GM204"),
    (0x1725, 0x172F, "GP100"),
    (0x174D, 0x174E, "GM108"),
    (0x1789, 0x179C, "GM107"),
    (0x17C2, 0x17FD, "GM200"),
    (0x1B00, 0x1B78, "GP102"),
    (0x1B80, 0x1BE1, "GP104"),
    (0x1C00, 0x1C70, "GP106"),
    (0x1C81, 0x1CFB, "GP107"),
    (0x1D01, 0x1D56, "GP108"),
    (0x1D81, 0x1DF6, "GV100"),
    (0x1E02, 0x1E78, "TU102"),
    (0x1E81, 0x1EF5, "TU104"),
    (0x1F02, 0x1F76, "TU106"),
    (0x1F81, 0x1FF9, "TU117"),
    (0x2080, 0x20FF, "GA100"),
    (0x2182, 0x21D1, "TU116"),
    (0x2200, 0x223F, "GA102"),
    (0x22D1, 0x22D1, "GB20B"),
    (0x2302, 0x23F0, "GH100"),
    (0x2414, 0x2460, "GA103"),
    (0x2480, 0x24FA, "GA104"),
    (0x2501, 0x2571, "GA106"),
    (0x2582, 0x25FB, "GA107"),
    (0x2681, 0x26F5, "AD102"),
    (0x2702, 0x2770, "AD103"),
    (0x2782, 0x27FB, "AD104"),
    (0x2803, 0x2878, "AD106"),
    (0x2882, 0x28F8, "AD107"),
    (0x2900, 0x297E, "GB100"),
    (0x2980, 0x29F1, "GB102"),
    (0x2B00, 0x2B00, "GB10B"),
    (0x2B85, 0x2BBC, "GB202"),
    (0x2C02, 0x2C79, "GB203"),
    (0x2D04, 0x2D79, "GB206"),
    (0x2D83, 0x2DF9, "GB207"),
    (0x2E03, 0x2E2A, "GB20B"),
    (0x2F04, 0x2F58, "GB205"),
    (0x3000, 0x3040, "GR100"),
    (0x30C0, 0x30C0, "GR102"),
    (0x3180, 0x31FE, "GB110"),
    (0x3200, 0x323E, "GB112"),
    (0x3340, 0x3340, "GB120"),
)

# chip -> compute capability
CAPABILITIES: Dict[str, str] = {
    "GF100": "2.0",
    "GF106": "2.1",
    "GF108": "2.1",
    "GF104": "2.1",
    "GK107": "3.0",
    "GK110": "3.5",
    "GK210": "3.7",
    "GF119": "2.1",
    "GF110": "2.0",
    "GF117": "2.1",
    "GK104": "3.0",
    "GK106": "3.0",
    "GF114": "2.1",
    "GF116": "2.1",
    "GK208": "3.5",
    "GM108": "5.0",
    "GM107": "5.0",
    "GM204": "5.2",
    "GM206": "5.2",
    "GP100": "6.0",
    "GM200": "5.2",
    "GP102": "6.1",
    "GP104": "6.1",
    "GP106": "6.1",
    "GP107": "6.1",
    "GP108": "6.1",
    "GV100": "7.0",
    "TU102": "7.5",
    "TU104": "7.5",
    "TU106": "7.5",
    "TU117": "7.5",
    "GA100": "8.0",
    "TU116": "7.5",
    "GA102": "8.6",
    "GB20B": "12.1",
    "GH100": "9.0",
    "GA103": "8.6",
    "GA104": "8.6",
    "GA106": "8.6",
    "GA107": "8.6",
    "AD102": "8.9",
    "AD103": "8.9",
    "AD104": "8.9",
    "AD106": "8.9",
    "AD107": "8.9",
    "GB100": "10.0",
    "GB102": "10.0",
    "GB10B": "11.0",
    "GB202": "12.0",
    "GB203": "12.0",
    "GB206": "12.0",
    "GB207": "12.0",
    "GB205": "12.0",
    "GB110": "10.3",
    "GB112": "10.3",
}

# Jetson chips, by the last word of the device tree's "compatible" (source: NVIDIA's Jetson pages)
TEGRA_CAPABILITIES: Dict[str, str] = {
    "tegra210": "5.3",
    "tegra186": "6.2",
    "tegra194": "7.2",
    "tegra234": "8.7",
    "tegra264": "11.0",
}


def chip_of(device: int) -> Optional[str]:
    """Return the chip of a PCI device id, 0x2330 -> "GH100"; None for an id in no row."""
    for first, last, chip in CHIPS:
        if first <= device <= last:
            return chip
    return None


def capability_of(chip: Optional[str]) -> Optional[str]:
    """Return the compute capability of a chip, "GH100" -> "9.0"; None for None and for unknown chips."""
    return CAPABILITIES.get(chip or "")
