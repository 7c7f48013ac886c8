"""What the driver itself says of the card: nvidia-smi, NVML and libcuda, not asked by the probe."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Seen", "accepted_ptx", "nvml", "parse_query", "smi"]

QUERY = ("name", "uuid", "compute_cap", "memory.total", "driver_version", "pci.device_id")
# Older drivers print "CUDA Version", those of branch 615 and newer "CUDA UMD Version".
_CUDA = re.compile(r"CUDA (?:UMD )?Version:\s*(\d+\.\d+)")
_KERNEL = ".version {isa}\n.target sm_{arch}\n.address_size 64\n.visible .entry kernel()\n{{\n\tret;\n}}\n"
# A target that every PTX version since 7.0 has; a newer card compiles it for itself.
_ARCH = 75
_MAJOR, _MINOR = 75, 76
_TIMEOUT = 60


@dataclass(frozen=True)
class Seen:
    """What one source says; "" and () for what it does not tell. ``gpus``: name, uuid, capability, MiB."""

    driver: str = ""
    cuda: str = ""
    gpus: tuple[Mapping[str, str], ...] = ()


def smi(command: str = "nvidia-smi") -> Seen | None:
    """Ask nvidia-smi; None where there is none, or it fails."""
    try:
        query = [command, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
        rows = subprocess.run(query, check=True, capture_output=True, text=True, timeout=_TIMEOUT).stdout
        head = subprocess.run([command], check=True, capture_output=True, text=True, timeout=_TIMEOUT).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_query(rows, head)


def parse_query(rows: str, head: str) -> Seen:
    """Read what nvidia-smi printed: one line for each GPU, and the page with the CUDA version."""
    found = []
    driver = ""
    for line in rows.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) != len(QUERY):
            continue
        name, uuid, capability, memory, driver, pci = values
        found.append({"name": name, "uuid": uuid, "compute_capability": capability, "memory_mib": memory})
        device, vendor = pci.removeprefix("0x")[:4].lower(), pci.removeprefix("0x")[4:].lower()
        found[-1]["pci_id"] = f"{vendor}:{device}" if vendor else ""
    match = _CUDA.search(head)
    return Seen(driver, match.group(1) if match else "", tuple(found))


def nvml(library: str = "libnvidia-ml.so.1") -> Seen | None:
    """Ask NVML by its plain calls; None where it cannot be loaded or does not start."""
    try:
        lib = ctypes.CDLL(library)
    except OSError:
        return None
    if lib.nvmlInit_v2():
        return None
    count, number = ctypes.c_uint(), ctypes.c_int()
    lib.nvmlDeviceGetCount_v2(ctypes.byref(count))
    lib.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(number))
    driver = _text(lambda buffer: lib.nvmlSystemGetDriverVersion(buffer, ctypes.c_uint(96)))
    cuda = f"{number.value // 1000}.{number.value % 1000 // 10}" if number.value else ""
    gpus = tuple(_device(lib, index) for index in range(count.value))
    lib.nvmlShutdown()
    return Seen(driver, cuda, gpus)


def _device(lib: ctypes.CDLL, index: int) -> Mapping[str, str]:
    handle, major, minor = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
    if lib.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)):
        return {}
    lib.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor))
    memory = (ctypes.c_ulonglong * 3)()
    lib.nvmlDeviceGetMemoryInfo(handle, memory)
    return {
        "name": _text(lambda buffer: lib.nvmlDeviceGetName(handle, buffer, ctypes.c_uint(96))),
        "uuid": _text(lambda buffer: lib.nvmlDeviceGetUUID(handle, buffer, ctypes.c_uint(96))),
        "compute_capability": f"{major.value}.{minor.value}",
        "memory_mib": str(memory[0] >> 20),
    }


def _text(call: object) -> str:
    buffer = ctypes.create_string_buffer(96)
    return buffer.value.decode("utf-8", "replace") if not call(buffer) else ""  # type: ignore[operator]


def accepted_ptx(versions: Sequence[str], library: str = "libcuda.so.1") -> dict[str, int] | None:
    """Let the driver compile a kernel in each PTX version: version -> CUresult, 0 where it took it.

    222 is CUDA_ERROR_UNSUPPORTED_PTX_VERSION. None where libcuda gives no context.
    """
    try:
        lib = ctypes.CDLL(library)
    except OSError:
        return None
    device, context = ctypes.c_int(), ctypes.c_void_p()
    if lib.cuInit(ctypes.c_uint(0)) or lib.cuDeviceGet(ctypes.byref(device), 0):
        return None
    if lib.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) or lib.cuCtxSetCurrent(context):
        return None
    major, minor = ctypes.c_int(), ctypes.c_int()
    lib.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    lib.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    arch = min(_ARCH, 10 * major.value + minor.value)
    found = {}
    for isa in versions:
        module = ctypes.c_void_p()
        text = ctypes.create_string_buffer(_KERNEL.format(isa=isa, arch=arch).encode())
        found[isa] = int(lib.cuModuleLoadData(ctypes.byref(module), text))
    lib.cuDevicePrimaryCtxRelease_v2(device)
    return found
