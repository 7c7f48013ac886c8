"""The GPUs: what NVML lists, what the PCI bus shows of any vendor, and a Jetson's built-in one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from ..whisperx_common.gpu_vendors import VENDORS
from ..whisperx_common.tree import Tree
from .model import Gpu, Mig

__all__ = ["NVIDIA", "PciGpu", "parse_information", "parse_pci_ids", "read_gpus", "read_pci"]

if TYPE_CHECKING:
    from .nvml import Answer, Device

_PCI = "/sys/bus/pci/devices"
# The PCI vendor.
NVIDIA = "10de"
# VGA, 3D and other display controllers, and processing accelerators; NVIDIA's GPUs are of the first two.
_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")
_DISPLAY = _CLASSES[:2]
_KNOWN_DRIVERS = ("nvidia", "nouveau", "vfio-pci", "amdgpu", "radeon", "i915", "xe", "habanalabs")
_INFORMATION = re.compile(r"^(Model|GPU UUID):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_PCI_IDS_FILES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")


@dataclass(frozen=True)
class PciGpu:
    """A display or compute function: address "0000:01:00.0", device id 0x2330, bound driver or "", vendor."""

    address: str
    device: int
    driver: str
    vendor: str = NVIDIA


def read_pci(tree: Tree) -> Tuple[PciGpu, ...]:
    """Scan ``/sys/bus/pci/devices/*/{vendor,class,device,driver}``.

    The audio and USB functions of a card are left out, and so are virtual functions (link ``physfn``), which
    belong to guests, and the displays of virtual machines and management controllers, by their vendors. WSL2
    and Jetson have no GPU there.
    """
    found = []
    for address in tree.names(_PCI):
        place = f"{_PCI}/{address}"
        vendor = (tree.text(place + "/vendor", private=True) or "").strip().lower()[2:]
        if vendor not in VENDORS:
            continue
        classes = _DISPLAY if vendor == NVIDIA else _CLASSES
        if not (tree.text(place + "/class", private=True) or "").startswith(classes):
            continue
        if tree.link(place + "/physfn") is not None:
            continue
        text = (tree.text(place + "/device", private=True) or "").strip()
        device = int(text, 16) if re.match(r"^0x[0-9a-fA-F]{4}$", text) else 0
        driver = (tree.link(place + "/driver") or "").rsplit("/", 1)[-1]
        found.append(PciGpu(address, device, driver, vendor))
    return tuple(found)


def parse_information(text: str) -> Dict[str, str]:
    """Return "Model" and "GPU UUID" of ``/proc/driver/nvidia/gpus/<address>/information``.

    Model:           NVIDIA H100 80GB HBM3
    GPU UUID:        GPU-8bf3a2c4-...        (question marks until the GPU was first used)
    """
    return {key: value for key, value in _INFORMATION.findall(text) if "?" not in value}


def parse_pci_ids(data: bytes, device: int, vendor: str = NVIDIA) -> Optional[str]:
    """Return the product name of a vendor's device in a host's ``pci.ids``, None if it is not listed.

    10de  NVIDIA Corporation
    \t2330  GH100 [H100 SXM5 80GB]
    """
    start = data.find(b"\n" + vendor.encode() + b"  ")
    if start < 0:
        return None
    end = re.compile(rb"\n[0-9a-fA-FC]").search(data, start + 1)
    section = data[start : end.start() if end else len(data)]
    match = re.search(rb"\n\t" + b"%04x" % device + rb"  ([^\n]*)", section)
    if not match:
        return None
    name = match.group(1).decode("utf-8", "replace").strip()
    inner = re.search(r"\[([^\]]+)\]", name)
    return inner.group(1) if inner else name or None


def read_gpus(
    tree: Tree, pci: Tuple[PciGpu, ...], answer: Optional[Answer], tegra: bool, sources: Dict[str, str]
) -> Tuple[Gpu, ...]:
    """List the GPUs of this host.

    1. NVML's devices, when the driver answered; then those of the PCI bus that other drivers hold. A GPU that
       is bound to nvidia and not among NVML's is not this system's to use (another container's, or lost).
    2. Without NVML: the PCI functions; capability by device id, name from ``/proc/driver/nvidia/gpus`` or
       pci.ids.
    3. Jetson: the chip in ``/proc/device-tree/compatible``.
    """
    found: List[Gpu] = []
    if answer is not None and not answer.failure:
        sources["gpus"] = "NVML"
        found = [_from_nvml(device) for device in answer.devices if not device.error]
        pci = tuple(gpu for gpu in pci if gpu.driver != "nvidia")
    elif pci:
        sources["gpus"] = f"{_PCI}, capability by device id"
    found += [_from_pci(tree, gpu) for gpu in pci]
    if not found and tegra:
        found = _from_device_tree(tree, sources)
    if not found:
        sources.setdefault("gpus", f"no display device of vendor 10de in {_PCI}")
    return tuple(found)


def _from_nvml(device: Device) -> Gpu:
    """Turn NVML's record into a fact."""
    return Gpu(
        name=device.name,
        compute_capability=device.compute_capability,
        memory_mib=device.memory_mib,
        uuid=device.uuid,
        pci_id=device.pci_id,
        driver="nvidia",
        mig=Mig(*device.mig) if device.mig else None,
        compute_mode=device.compute_mode,
        licensed=device.licensed,
    )


def _from_pci(tree: Tree, gpu: PciGpu) -> Gpu:
    """Describe a GPU that no driver answers for."""
    from .pci_ids import capability_of, chip_of

    if gpu.vendor != NVIDIA:
        return _of_another_vendor(tree, gpu)
    path = f"/proc/driver/nvidia/gpus/{gpu.address}/information"
    information = parse_information(tree.text(path, private=True) or "")
    chip = chip_of(gpu.device)
    name = information.get("Model") or _name_on_host(tree, gpu.device) or chip or f"GPU {gpu.device:04x}"
    return Gpu(
        name=name if name.startswith("NVIDIA") else "NVIDIA " + name,
        compute_capability=capability_of(chip),
        uuid=information.get("GPU UUID"),
        pci_id=f"10de:{gpu.device:04x}",
        driver=gpu.driver if gpu.driver in _KNOWN_DRIVERS else "",
    )


def _of_another_vendor(tree: Tree, gpu: PciGpu) -> Gpu:
    """Describe a GPU that no wheel of the index computes on."""
    vendor, words = VENDORS[gpu.vendor]
    name = _name_on_host(tree, gpu.device, gpu.vendor) or f"GPU {gpu.device:04x}"
    return Gpu(
        name=name if name.startswith(words) else f"{words} {name}",
        pci_id=f"{gpu.vendor}:{gpu.device:04x}",
        driver=gpu.driver if gpu.driver in _KNOWN_DRIVERS else "",
        vendor=vendor,
    )


def _name_on_host(tree: Tree, device: int, vendor: str = NVIDIA) -> Optional[str]:
    """Return the product name from the host's own pci.ids, if it has one."""
    for path in _PCI_IDS_FILES:
        data = tree.head(path, 8 << 20, private=True)
        if data:
            return parse_pci_ids(data, device, vendor)
    return None


def _from_device_tree(tree: Tree, sources: Dict[str, str]) -> List[Gpu]:
    """Find a Jetson's GPU: ``/proc/device-tree/compatible`` is ``nvidia,p3768-...\\0nvidia,tegra234\\0``."""
    from .pci_ids import TEGRA_CAPABILITIES

    compatible = tree.text("/proc/device-tree/compatible", private=True) or ""
    for word in compatible.split("\0"):
        chip = word.rsplit(",", 1)[-1]
        if chip in TEGRA_CAPABILITIES:
            sources["gpus"] = "/proc/device-tree/compatible"
            return [Gpu(f"NVIDIA {chip} (nvgpu)", TEGRA_CAPABILITIES[chip], driver="nvidia")]
    return []
