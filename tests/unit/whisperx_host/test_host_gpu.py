"""Real probes of systems with NVIDIA GPUs: drivers that work, differ, hang or are missing.

No GPU took part: sysfs trees are built, the library behind ctypes is compiled from tests/stand_ins/nvml.c.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_host import nvml as nvml_module
from module_utils.whisperx_host.live import Live
from module_utils.whisperx_host.model import Driver, Gpu, Mig
from module_utils.whisperx_host.nvml import Answer, query
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_host.host_trees import HostTree, cache_bytes

H100 = "NVIDIA H100 80GB HBM3|GPU-8bf3a2c4|9.0|81559|00000000:19:00.0|2330|-1|0|0"
L4 = "NVIDIA L4|GPU-51|8.9|23034|00000000:20:00.0|27b8|-1|0|0"
Ask = Callable[..., Answer]


def asking(ask: Ask, **told: object) -> Live:
    """Return a running machine whose NVML is the stand-in, told so."""
    return Live(uname=("6.12", "x86_64"), nvml=lambda libraries: ask(**told))


def never(libraries: Sequence[str]) -> Answer:
    raise AssertionError("NVML was asked")


class TestRunning:
    def test_two_gpus(self, host: HostTree, nvml: Ask) -> None:
        host.driver("570.124.06", nodes=2).gpu("0000:19:00.0", "2330", "nvidia").gpu(
            "0000:20:00.0", "27b8", "nvidia"
        )
        facts = host.probe(asking(nvml, DRIVER="570.124.06", CUDA=12080, DEVICES=f"{H100};{L4}"))
        assert facts.nvidia_driver == Driver("570.124.06", "12.8", "running", open=True)
        assert facts.gpus == (
            Gpu("NVIDIA H100 80GB HBM3", "9.0", 81559, "GPU-8bf3a2c4", "10de:2330", "nvidia"),
            Gpu("NVIDIA L4", "8.9", 23034, "GPU-51", "10de:27b8", "nvidia"),
        )
        assert facts.sources["gpus"] == "NVML"

    def test_facts_have_the_contracts_shape(self, host: HostTree, nvml: Ask) -> None:
        facts = host.driver("570.124.06").probe(asking(nvml, DEVICES=H100)).to_dict()
        assert list(facts)[:3] == ["schema", "os", "libc"]
        assert facts["gpus"] == [
            {
                "name": "NVIDIA H100 80GB HBM3",
                "compute_capability": "9.0",
                "memory_mib": 81559,
                "uuid": "GPU-8bf3a2c4",
                "pci_id": "10de:2330",
                "driver": "nvidia",
                "vendor": "nvidia",
            }
        ]

    @pytest.mark.parametrize("instances", [0, 3])
    def test_mig(self, host: HostTree, nvml: Ask, instances: int) -> None:
        device = H100.replace("|-1|0|0", f"|1|{instances}|0")
        facts = host.driver("570.124.06").probe(asking(nvml, DEVICES=device))
        assert facts.gpus[0].mig == Mig(True, instances)
        assert facts.to_dict()["gpus"][0]["mig"] == {"enabled": True, "instances": instances}
        assert facts.nvidia_driver.state == "running"

    def test_a_card_for_guests_stays_in_the_list(self, host: HostTree, nvml: Ask) -> None:
        host.driver("570.124.06").gpu("0000:19:00.0", "2330", "nvidia").gpu(
            "0000:20:00.0", "27b8", "vfio-pci"
        )
        facts = host.probe(asking(nvml, DEVICES=H100))
        assert [(gpu.pci_id, gpu.driver) for gpu in facts.gpus] == [
            ("10de:2330", "nvidia"),
            ("10de:27b8", "vfio-pci"),
        ]

    def test_a_container_sees_what_it_was_given(self, host: HostTree, nvml: Ask) -> None:
        host.file("/run/.containerenv").driver("570.124.06").gpu("0000:19:00.0", "2330", "nvidia")
        host.file("/dev/nvidia-uvm")
        host.gpu("0000:20:00.0", "27b8", "nvidia")
        facts = host.probe(asking(nvml, DEVICES=L4))
        assert facts.nvidia_driver.state == "running"
        assert [gpu.pci_id for gpu in facts.gpus] == ["10de:27b8"]

    def test_a_container_without_the_device_of_cuda(self, host: HostTree, nvml: Ask) -> None:
        host.file("/run/systemd/container", "lxc\n").driver("580.95.05")
        facts = host.gpu("0000:01:00.0", "2204", "nvidia").probe(asking(nvml, DEVICES=L4))
        assert facts.nvidia_driver.state == "unusable"
        assert "/dev/nvidia-uvm is not passed into this container" in facts.nvidia_driver.detail

    @pytest.mark.parametrize(("mode", "told"), [(0, None), (2, "prohibited"), (3, "exclusive-process")])
    def test_compute_mode(self, host: HostTree, nvml: Ask, mode: int, told: Any) -> None:
        facts = host.driver("570.124.06").probe(asking(nvml, DEVICES=L4, COMPUTE_MODE=mode))
        assert facts.gpus[0].compute_mode == told
        assert facts.to_dict()["gpus"][0].get("compute_mode") == told

    @pytest.mark.parametrize(
        ("mode", "state", "licensed"), [(0, 0, None), (1, 0, None), (2, 0, False), (2, 1, True)]
    )
    def test_the_licence_of_a_vgpu(
        self, host: HostTree, nvml: Ask, mode: int, state: int, licensed: Any
    ) -> None:
        facts = host.driver("570.124.06").probe(
            asking(nvml, DEVICES=L4, VIRTUALIZATION=mode, LICENSE_STATE=state)
        )
        assert facts.gpus[0].licensed is licensed

    def test_a_lost_card_is_left_out_and_told(self, host: HostTree, nvml: Ask) -> None:
        facts = host.driver("570.124.06", nodes=2).probe(asking(nvml, DEVICES=f"{H100[:-1]}15;{L4}"))
        assert [gpu.name for gpu in facts.gpus] == ["NVIDIA L4"]
        assert facts.nvidia_driver.state == "running"
        assert "GPU 0: the GPU has fallen off the bus" in facts.nvidia_driver.detail

    def test_all_cards_lost(self, host: HostTree, nvml: Ask) -> None:
        facts = host.driver("570.124.06").probe(asking(nvml, DEVICES=f"{H100[:-1]}15"))
        assert (facts.nvidia_driver.state, facts.gpus) == ("unusable", ())

    def test_wsl(self, host: HostTree, nvml: Ask) -> None:
        host.file("/proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n").file("/dev/dxg")
        for name in ("libcuda.so.1.1", "libnvidia-ml.so.1"):
            host.elf(f"/usr/lib/wsl/lib/{name}", loader=None)
        host.link("/usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1.1")
        facts = host.probe(asking(nvml, DRIVER="566.36", CUDA=12070, DEVICES=L4))
        assert facts.wsl
        assert facts.nvidia_driver == Driver("566.36", "12.7", "running")
        assert facts.gpus[0].compute_capability == "8.9"

    def test_wsl_without_gpu(self, host: HostTree) -> None:
        host.file("/proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n").file("/dev/dxg")
        facts = host.probe(Live(nvml=never))
        assert (facts.wsl, facts.nvidia_driver, facts.gpus) == (True, Driver(), ())

    def test_jetson_without_nvml(self, host: HostTree) -> None:
        host.file("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1\n")
        host.file("/proc/device-tree/compatible", b"nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0")
        host.elf("/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1", loader=None)
        facts = host.probe()
        assert facts.nvidia_driver == Driver(state="running")
        assert facts.gpus == (Gpu("NVIDIA tegra234 (nvgpu)", "8.7", driver="nvidia"),)

    def test_a_tree_that_does_not_run_is_believed(self, host: HostTree) -> None:
        host.driver("535.183.01").gpu("0000:19:00.0", "1eb8", "nvidia")
        text = "Model: \t\t Tesla T4\nIRQ:   \t\t 11\nGPU UUID: \t GPU-77\nVideo BIOS: \t 90\n"
        host.file("/proc/driver/nvidia/gpus/0000:19:00.0/information", text)
        facts = host.probe()
        assert (facts.nvidia_driver.version, facts.nvidia_driver.state) == ("535.183.01", "running")
        assert facts.gpus == (Gpu("NVIDIA Tesla T4", "7.5", None, "GPU-77", "10de:1eb8", "nvidia"),)

    def test_procfs_alone(self, host: HostTree) -> None:
        line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n"
        host.libraries("470.256.02").file("/proc/driver/nvidia/version", line)
        driver = host.probe().nvidia_driver
        assert (driver.version, driver.open, driver.state) == ("470.256.02", False, "running")

    def test_forward_compatibility_is_no_mismatch(self, host: HostTree) -> None:
        host.driver("535.183.01").elf("/usr/local/cuda-12.8/compat/libcuda.so.570.124.06", loader=None)
        host.link("/usr/local/cuda-12.8/compat/libcuda.so.1", "libcuda.so.570.124.06")
        host.file(
            "/etc/ld.so.cache", cache_bytes([("libcuda.so.1", "/usr/local/cuda-12.8/compat/libcuda.so.1")])
        )
        assert host.probe().nvidia_driver.state == "running"

    @pytest.mark.parametrize("where", ["/run/opengl-driver/lib", "/usr/local/nvidia/lib64", "/opt/odd"])
    def test_libraries_in_odd_places(self, host: HostTree, nvml: Ask, where: str) -> None:
        host.driver("570.124.06", where=where)
        host.file("/etc/ld.so.cache", cache_bytes([("libnvidia-ml.so.1", f"{where}/libnvidia-ml.so.1")]))
        asked: list[str] = []
        live = Live(nvml=lambda libraries: asked.extend(libraries) or nvml(DEVICES=L4))  # type: ignore[func-returns-value]
        assert host.probe(live).nvidia_driver.state == "running"
        assert asked == [f"{where}/libnvidia-ml.so.1"]


class TestNotRunning:
    def test_mismatch_asks_nobody(self, host: HostTree) -> None:
        host.driver("535.183.01", "570.124.06").gpu("0000:19:00.0", "2330", "nvidia")
        facts = host.probe(Live(nvml=never))
        assert facts.nvidia_driver.state == "mismatch"
        assert facts.nvidia_driver.detail == (
            "kernel module 535.183.01, user-space libraries 570.124.06; reboot the host or reload the module"
        )
        assert facts.gpus[0].compute_capability == "9.0"

    @pytest.mark.parametrize(
        ("code", "state", "words"),
        [
            (4, "unusable", "may not use the driver"),
            (9, "unusable", "not loaded"),
            (15, "unusable", "fallen off the bus"),
            (17, "unusable", "control group"),
            (18, "mismatch", "different versions"),
            (999, "unusable", "dmesg"),
            (77, "unusable", "NVML error 77"),
        ],
    )
    def test_codes_of_nvml(self, host: HostTree, nvml: Ask, code: int, state: str, words: str) -> None:
        host.driver("570.124.06").gpu("0000:19:00.0", "2330", "nvidia")
        facts = host.probe(asking(nvml, INIT=code))
        assert facts.nvidia_driver.state == state
        assert words in facts.nvidia_driver.detail
        assert facts.gpus[0].pci_id == "10de:2330"

    def test_a_count_that_fails(self, host: HostTree, nvml: Ask) -> None:
        driver = host.driver("570.124.06").probe(asking(nvml, COUNT=999)).nvidia_driver
        assert (driver.version, driver.state) == ("570.124.06", "unusable")

    def test_no_gpu_at_all(self, host: HostTree, nvml: Ask) -> None:
        driver = host.driver("570.124.06").probe(asking(nvml)).nvidia_driver
        assert (driver.state, driver.detail) == ("unusable", "NVML sees no GPU")

    @pytest.mark.parametrize("where", ["init", "name"])
    def test_a_hanging_driver_is_given_up_and_its_child_killed(
        self, host: HostTree, nvml: Ask, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        children: list[int] = []
        kill = nvml_module._kill
        monkeypatch.setattr(nvml_module, "_kill", lambda child: (children.append(child.pid), kill(child)))
        start = time.monotonic()
        driver = (
            host.driver("570.124.06").probe(asking(nvml, timeout=1.0, HANG=where, DEVICES=L4)).nvidia_driver
        )
        assert time.monotonic() - start < 5
        assert driver.state == "unusable"
        assert "did not respond within 1 s" in driver.detail
        with pytest.raises(ProcessLookupError):
            os.kill(children[0], 0)

    @pytest.mark.parametrize("where", ["init", "name"])
    def test_a_crashing_library(self, host: HostTree, nvml: Ask, where: str) -> None:
        driver = host.driver("570.124.06").probe(asking(nvml, CRASH=where, DEVICES=L4)).nvidia_driver
        assert driver.state == "unusable"
        assert "crashed (SIGSEGV)" in driver.detail

    def test_a_library_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "libnvidia-ml.so.1").write_text("nothing")
        answer = query([str(tmp_path / "libnvidia-ml.so.1")], 20)
        assert (answer.code, answer.devices) == (12, ())

    def test_the_hosts_module_in_a_container(self, host: HostTree) -> None:
        host.file("/.dockerenv").driver("570.124.06", nodes=0).gpu("0000:19:00.0", "2330", "nvidia")
        driver = host.probe(Live(nvml=never)).nvidia_driver
        assert (driver.state, driver.version) == ("absent", None)
        assert "570.124.06 shows, but no GPU device is passed into this container" in driver.detail

    def test_devices_without_libraries_in_a_container(self, host: HostTree) -> None:
        host.file("/.dockerenv").file("/sys/module/nvidia/version", "570.124.06\n")
        host.file("/dev/nvidiactl").file("/dev/nvidia0")
        driver = host.probe(Live(nvml=never)).nvidia_driver
        assert driver.state == "unusable"
        assert "NVIDIA Container Toolkit" in driver.detail

    def test_an_unparsable_version_is_an_error(self, host: HostTree) -> None:
        host.file("/sys/module/nvidia/version", "unknown\n")
        with pytest.raises(Problem, match="not a version of the NVIDIA driver: 'unknown'"):
            host.probe()


class TestNoDriver:
    @pytest.mark.parametrize(
        ("device", "capability", "chip"),
        [
            ("2330", "9.0", "NVIDIA GH100"),
            ("2b85", "12.0", "NVIDIA GB202"),
            ("2901", "10.0", "NVIDIA GB100"),
            ("2e12", "12.1", "NVIDIA GB20B"),
            ("27b8", "8.9", "NVIDIA AD104"),
            ("20b0", "8.0", "NVIDIA GA100"),
            ("2204", "8.6", "NVIDIA GA102"),
            ("1eb8", "7.5", "NVIDIA TU104"),
            ("1db4", "7.0", "NVIDIA GV100"),
            ("1b06", "6.1", "NVIDIA GP102"),
            ("15f8", "6.0", "NVIDIA GP100"),
            ("17c8", "5.2", "NVIDIA GM200"),
            ("102d", "3.7", "NVIDIA GK210"),
            ("ffff", None, "NVIDIA GPU ffff"),
        ],
    )
    def test_capability_by_device_id(
        self, host: HostTree, device: str, capability: str | None, chip: str
    ) -> None:
        facts = host.gpu("0000:01:00.0", device).probe()
        assert facts.gpus == (Gpu(chip, capability, pci_id=f"10de:{device}"),)
        assert facts.nvidia_driver == Driver(detail="there is a GPU, but NVIDIA's driver is not installed")

    def test_the_hosts_own_list_gives_the_name(self, host: HostTree) -> None:
        text = "10dd  Enser\n\t2330  No\n10de  NVIDIA\n\t2330  GH100 [H100 SXM5 80GB]\n10df  Emulex\n"
        host.gpu("0000:01:00.0", "2330").file("/usr/share/misc/pci.ids", "# list\n" + text)
        assert host.probe().gpus[0].name == "NVIDIA H100 SXM5 80GB"

    @pytest.mark.parametrize("driver", ["nouveau", "vfio-pci"])
    def test_another_driver_holds_the_card(self, host: HostTree, driver: str) -> None:
        facts = host.gpu("0000:01:00.0", "1eb8", driver).probe()
        assert facts.gpus[0].driver == driver
        assert facts.nvidia_driver == Driver(detail=f"the GPU is bound to {driver}, not to NVIDIA's driver")

    def test_secure_boot_keeps_the_module_out(self, host: HostTree) -> None:
        variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
        host.file(variable, b"\6\0\0\0\1").gpu("0000:01:00.0", "1eb8").libraries("570.124.06")
        driver = host.probe(Live(nvml=never)).nvidia_driver
        assert (driver.state, driver.version) == ("unusable", "570.124.06")
        assert "Secure Boot is on and refuses unsigned modules" in driver.detail

    def test_libraries_without_a_gpu(self, host: HostTree) -> None:
        driver = host.libraries("570.124.06").probe(Live(nvml=never)).nvidia_driver
        assert driver.state == "absent"
        assert "no NVIDIA GPU" in driver.detail

    def test_what_is_no_gpu(self, host: HostTree) -> None:
        host.gpu("0000:01:00.1", "22ba", "snd_hda_intel", "0x040300").gpu(
            "0000:02:00.0", "1ac2", "", "0x068000"
        )
        host.gpu("0000:03:00.4", "2236", "").link(
            "/sys/bus/pci/devices/0000:03:00.4/physfn", "../0000:03:00.0"
        )
        # The display of a virtual machine, and that of a management controller.
        host.gpu("0000:04:00.0", "1111").file("/sys/bus/pci/devices/0000:04:00.0/vendor", "0x1234\n")
        host.gpu("0000:05:00.0", "2000").file("/sys/bus/pci/devices/0000:05:00.0/vendor", "0x1a03\n")
        assert host.probe().gpus == ()

    @pytest.mark.parametrize(
        ("vendor", "device", "kind", "bound", "found"),
        [
            ("1002", "66af", "0x030000", "amdgpu", ("amd", "AMD GPU 66af")),
            ("1002", "74a1", "0x038000", "amdgpu", ("amd", "AMD GPU 74a1")),
            ("8086", "56a0", "0x030000", "i915", ("intel", "Intel GPU 56a0")),
            ("1da3", "1060", "0x120000", "habanalabs", ("habana", "Habana Labs GPU 1060")),
        ],
    )
    def test_gpus_of_other_vendors(
        self, host: HostTree, vendor: str, device: str, kind: str, bound: str, found: tuple[str, str]
    ) -> None:
        host.gpu("0000:04:00.0", device, bound, kind)
        facts = host.file("/sys/bus/pci/devices/0000:04:00.0/vendor", f"0x{vendor}\n").probe()
        (gpu,) = facts.gpus
        assert (gpu.vendor, gpu.name) == found
        assert (gpu.pci_id, gpu.driver, gpu.compute_capability) == (f"{vendor}:{device}", bound, None)
        assert facts.nvidia_driver == Driver()


class TestInAZipFile:
    def test_the_child_gets_its_program(self, nvml: Ask, nvml_library: str, tmp_path: Path) -> None:
        """Ansible ships the package in a zip file, from which the child's source has to come."""
        nvml(DEVICES=L4)
        package = Path(nvml_module.__file__).resolve().parent
        with zipfile.ZipFile(tmp_path / "payload.zip", "w") as payload:
            payload.writestr("shipped/__init__.py", "")
            payload.write(package.parent / "whisperx_problem.py", "shipped/whisperx_problem.py")
            for path in package.glob("*.py"):
                payload.write(path, f"shipped/whisperx_host/{path.name}")
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); from shipped.whisperx_host.nvml import query; "
        )
        program += "print(query([sys.argv[2]], 20).devices[0].name)"
        command = [sys.executable, "-c", program, str(tmp_path / "payload.zip"), nvml_library]
        assert subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stdout == "NVIDIA L4\n"
