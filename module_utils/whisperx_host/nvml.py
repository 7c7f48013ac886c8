"""NVIDIA's management library, asked by a child that can be killed.

A GPU that hangs blocks whoever calls the driver, so the call runs in a process of its own. The child's source
is passed on its command line: it works alike from a checkout and from the zip file that Ansible ships.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple

__all__ = ["Answer", "Device", "code_sentence", "parse", "query"]

MISMATCH = 18
# nvmlReturn_t of nvml.h -> what it means for the user.
_CODES: Dict[int, str] = {
    3: "this GPU or driver does not support the call (NVML 3)",
    4: "the user may not use the driver (NVML 4); run the probe as root or correct the mode of /dev/nvidia*",
    9: "the NVIDIA kernel module is not loaded (NVML 9); load it or reinstall the driver",
    12: "libnvidia-ml.so.1 cannot be loaded (NVML 12); install the driver's user-space libraries",
    13: "libnvidia-ml.so.1 does not have the call (NVML 13); reinstall the driver's user-space libraries",
    15: "the GPU has fallen off the bus (NVML 15); look for Xid messages in dmesg and power-cycle the host",
    16: "the GPU has to be reset (NVML 16); run nvidia-smi --gpu-reset or reboot the host",
    17: "a control group or the operating system blocks the device (NVML 17); pass it into the container",
    18: "kernel module and user-space libraries are of different versions (NVML 18); reboot the host",
    999: "an unknown error inside the driver (NVML 999); look for NVRM and Xid messages in dmesg",
}


# nvmlComputeMode_t, without the default
_COMPUTE_MODES: Dict[Any, str] = {1: "exclusive-thread", 2: "prohibited", 3: "exclusive-process"}


@dataclass(frozen=True)
class Device:
    """One device; ``error`` is the NVML code when it gave no handle. bus_id is like "00000000:01:00.0"."""

    index: int
    name: str = ""
    uuid: Optional[str] = None
    compute_capability: Optional[str] = None
    memory_mib: Optional[int] = None
    bus_id: Optional[str] = None
    pci_id: Optional[str] = None
    mig: Optional[Tuple[bool, int]] = None
    compute_mode: Optional[str] = None
    licensed: Optional[bool] = None
    error: Optional[int] = None


@dataclass(frozen=True)
class Answer:
    """What NVML said. ``failure`` is a sentence when it gave no devices; ``code`` its number, if any."""

    driver: Optional[str] = None
    cuda: Optional[str] = None
    devices: Tuple[Device, ...] = ()
    code: Optional[int] = None
    failure: str = ""


def code_sentence(code: int) -> str:
    """Return what an NVML return code means and what to do."""
    return _CODES.get(code, f"NVML error {code}; look for NVRM and Xid messages in dmesg")


def parse(text: str) -> Answer:
    """Read the child's JSON object; other text is a failure of the child, not an exception."""
    try:
        record = json.loads(text)
        if not isinstance(record, dict):
            raise ValueError("not an object")
        error = record.get("error")
        if error:
            code = int(error["code"])
            return Answer(record.get("driver"), code=code, failure=code_sentence(code))
        devices = tuple(_device(item) for item in record["devices"])
        driver = record.get("driver")
        return Answer(str(driver) if driver else None, _cuda(record.get("cuda")), devices)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return Answer(failure=f"NVML's result cannot be read: {text[:200]!r}")


def _cuda(number: Any) -> Optional[str]:
    """Return "12.8" of 12080; None outside 1000..99990, where it is no CUDA version."""
    if not isinstance(number, int) or not 1000 <= number <= 99990:
        return None
    return f"{number // 1000}.{number % 1000 // 10}"


def _device(item: Dict[str, Any]) -> Device:
    """Read one device of the child's list."""
    if item.get("error"):
        return Device(int(item["index"]), error=int(item["error"]))
    capability, memory, mig = item.get("compute_capability"), item.get("memory"), item.get("mig")
    identity = item.get("pci_device")
    return Device(
        index=int(item["index"]),
        name=str(item.get("name") or "NVIDIA GPU"),
        uuid=item.get("uuid"),
        compute_capability=f"{int(capability[0])}.{int(capability[1])}" if capability else None,
        memory_mib=int(memory) // (1 << 20) if memory is not None else None,
        bus_id=str(item["bus_id"]).lower() if item.get("bus_id") else None,
        pci_id=f"{identity & 0xFFFF:04x}:{identity >> 16:04x}" if identity else None,
        mig=(bool(mig["enabled"]), int(mig["instances"])) if mig else None,
        compute_mode=_COMPUTE_MODES.get(item.get("compute_mode")),
        licensed=bool(item["licensed"]) if item.get("licensed") is not None else None,
    )


def query(libraries: Sequence[str], timeout: float) -> Answer:
    """Ask the first of ``libraries`` that loads, in a child that has ``timeout`` seconds; never raises."""
    import signal
    import subprocess
    import sys

    command = [sys.executable or "python3", "-I", "-c", _source(), *list(libraries)]
    try:
        child = subprocess.Popen(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return Answer(failure=f"the child that asks NVML cannot be started: {error}")
    try:
        output, _errors = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _kill(child)
        return Answer(
            failure=f"the NVIDIA driver did not respond within {timeout:g} s; "
            "look for Xid messages in dmesg and reboot the host"
        )
    if child.returncode != 0:
        signals = {number.value: number.name for number in signal.Signals}
        how = signals.get(-child.returncode, f"exit status {child.returncode}")
        return Answer(failure=f"the NVIDIA driver's library crashed ({how}); reinstall the driver")
    return parse(output.decode("utf-8", "replace"))


def _kill(child: Any) -> None:
    """Kill the child's process group; a child that the kernel holds is left behind after two seconds."""
    import os
    import signal
    import subprocess

    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        child.kill()
    child.stdout.close()
    try:
        child.wait(timeout=2)
    except subprocess.TimeoutExpired:
        pass


def _source() -> str:
    """Return the text of ``nvml_child.py``, from the file or from the zip that Ansible ships."""
    from . import nvml_child

    loader: Any = nvml_child.__spec__.loader if nvml_child.__spec__ else None
    return str(loader.get_source(nvml_child.__name__))
