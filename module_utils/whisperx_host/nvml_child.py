"""The program of the child process that talks to NVML; ``nvml.py`` hands its source to ``python -I -c``.

Prints one JSON object: {"driver": "570.124.06", "cuda": 12080, "devices": [...]} and, when a call failed,
"error": {"call": "nvmlInit_v2", "code": 18}. Complete in itself: it imports nothing of the package. The calls
are those of NVIDIA's nvml.h; a symbol that an older library lacks leaves its field out.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any, Dict, List, Optional

__all__ = ["main"]

_LIBRARY_NOT_FOUND = 12
_FUNCTION_NOT_FOUND = 13
_TEXT = 96
# nvmlGpuVirtualizationMode_t: a vGPU in a guest
_VGPU = 2


class _PciInfo(ctypes.Structure):
    """nvmlPciInfo_t: pciDeviceId has the device in its upper, the vendor in its lower 16 bits."""

    _fields_ = [  # noqa: RUF012
        ("busIdLegacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("pciDeviceId", ctypes.c_uint),
        ("pciSubSystemId", ctypes.c_uint),
        ("busId", ctypes.c_char * 32),
    ]


class _Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = [  # noqa: RUF012
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    ]


class _Expiry(ctypes.Structure):
    """nvmlGridLicenseExpiry_t."""

    _fields_ = [  # noqa: RUF012
        ("year", ctypes.c_uint),
        ("parts", ctypes.c_ushort * 5),
        ("status", ctypes.c_ubyte),
    ]


class _Feature(ctypes.Structure):
    """nvmlGridLicensableFeature_t: ``state`` is not 0 where the feature is licensed."""

    _fields_ = [  # noqa: RUF012
        ("code", ctypes.c_int),
        ("state", ctypes.c_uint),
        ("information", ctypes.c_char * 128),
        ("product", ctypes.c_char * 128),
        ("enabled", ctypes.c_uint),
        ("expiry", _Expiry),
    ]


class _Features(ctypes.Structure):
    """nvmlGridLicensableFeatures_t, with room behind it for what a newer library may write."""

    _fields_ = [  # noqa: RUF012
        ("supported", ctypes.c_int),
        ("count", ctypes.c_uint),
        ("features", _Feature * 3),
        ("room", ctypes.c_char * 1024),
    ]


class _Nvml:
    """The library, with its calls by name."""

    def __init__(self, library: Any) -> None:
        self.library = library

    def call(self, name: str, *arguments: Any) -> int:
        """Return the nvmlReturn_t of a call; 13 (function not found) where the library has no such symbol."""
        try:
            function = getattr(self.library, name)
        except AttributeError:
            return _FUNCTION_NOT_FOUND
        function.restype = ctypes.c_int
        return int(function(*arguments))

    def text(self, name: str, *arguments: Any) -> Optional[str]:
        """Return the string that a call fills in, or None."""
        buffer = ctypes.create_string_buffer(_TEXT)
        if self.call(name, *arguments, buffer, ctypes.c_uint(_TEXT)) != 0:
            return None
        return buffer.value.decode("utf-8", "replace")


def _device(nvml: _Nvml, index: int) -> Dict[str, Any]:
    """Return what NVML says of one device; {"index", "error"} for a device that is lost."""
    handle = ctypes.c_void_p()
    code = nvml.call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
    if code != 0:
        return {"index": index, "error": code}
    device: Dict[str, Any] = {
        "index": index,
        "name": nvml.text("nvmlDeviceGetName", handle),
        "uuid": nvml.text("nvmlDeviceGetUUID", handle),
    }
    major, minor = ctypes.c_int(), ctypes.c_int()
    call = "nvmlDeviceGetCudaComputeCapability"
    if nvml.call(call, handle, ctypes.byref(major), ctypes.byref(minor)) == 0:
        device["compute_capability"] = [major.value, minor.value]
    memory = _Memory()
    if nvml.call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory)) == 0:
        device["memory"] = memory.total
    pci = _PciInfo()
    if nvml.call("nvmlDeviceGetPciInfo_v3", handle, ctypes.byref(pci)) == 0:
        device["bus_id"] = pci.busId.decode("ascii", "replace")
        device["pci_device"] = pci.pciDeviceId
    mig = _mig(nvml, handle)
    if mig is not None:
        device["mig"] = mig
    mode = ctypes.c_int()
    if nvml.call("nvmlDeviceGetComputeMode", handle, ctypes.byref(mode)) == 0:
        device["compute_mode"] = mode.value
    licensed = _licensed(nvml, handle)
    if licensed is not None:
        device["licensed"] = licensed
    return device


def _licensed(nvml: _Nvml, handle: Any) -> Optional[bool]:
    """Return whether a vGPU has its licence; None for what is no vGPU, or where NVML does not say."""
    mode = ctypes.c_int()
    if nvml.call("nvmlDeviceGetVirtualizationMode", handle, ctypes.byref(mode)) != 0 or mode.value != _VGPU:
        return None
    features = _Features()
    call = "nvmlDeviceGetGridLicensableFeatures_v4"
    if nvml.call(call, handle, ctypes.byref(features)) != 0 or not features.supported:
        return None
    return any(feature.state for feature in features.features[: min(features.count, 3)])


def _mig(nvml: _Nvml, handle: Any) -> Optional[Dict[str, Any]]:
    """Return the MIG mode and the number of instances, None where the device knows no MIG."""
    current, pending, most = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint()
    if nvml.call("nvmlDeviceGetMigMode", handle, ctypes.byref(current), ctypes.byref(pending)) != 0:
        return None
    instances = 0
    if current.value and nvml.call("nvmlDeviceGetMaxMigDeviceCount", handle, ctypes.byref(most)) == 0:
        for index in range(most.value):
            part = ctypes.c_void_p()
            call = "nvmlDeviceGetMigDeviceHandleByIndex"
            if nvml.call(call, handle, ctypes.c_uint(index), ctypes.byref(part)) == 0:
                instances += 1
    return {"enabled": bool(current.value), "instances": instances}


def _load(paths: List[str]) -> Any:
    """Return the first library of ``paths`` that loads, or None."""
    for path in paths:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def main(paths: List[str]) -> Dict[str, Any]:
    """Ask the first NVML library of ``paths`` that can be loaded."""
    library = _load(paths)
    if library is None:
        return {"error": {"call": "dlopen", "code": _LIBRARY_NOT_FOUND}}
    nvml = _Nvml(library)
    answer: Dict[str, Any] = {}
    code = nvml.call("nvmlInit_v2")
    if code != 0:
        answer["error"] = {"call": "nvmlInit_v2", "code": code}
        return answer
    answer["driver"] = nvml.text("nvmlSystemGetDriverVersion")
    cuda = ctypes.c_int()
    if nvml.call("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(cuda)) == 0:
        answer["cuda"] = cuda.value
    count = ctypes.c_uint()
    code = nvml.call("nvmlDeviceGetCount_v2", ctypes.byref(count))
    if code != 0:
        answer["error"] = {"call": "nvmlDeviceGetCount_v2", "code": code}
        return answer
    answer["devices"] = [_device(nvml, index) for index in range(count.value)]
    nvml.call("nvmlShutdown")
    return answer


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:])) + "\n")
