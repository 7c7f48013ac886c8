#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_host_facts; the work is done in module_utils/whisperx_host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_host_facts
short_description: Read the facts that decide which WhisperX runs on a host
version_added: 0.1.0
description:
  - Reads the C library, CPU, Python interpreters, NVIDIA GPUs and driver, CUDA toolkits, cuDNN, FFmpeg and
    container engines of a host, and what it runs in, and returns them as the fact C(whisperx_host).
  - Reads files in one process. A child process is started only for NVIDIA's management library (NVML), when
    a driver is installed, and for an interpreter or a container engine whose version is in no file.
  - What is absent is a value (null, an empty list, the driver state C(absent)); what cannot be understood is
    an error.
options:
  source:
    description:
      - With V(assume) the host is exactly what O(assume) describes, and is never contacted.
    type: str
    choices: [probe, assume]
    default: probe
  root:
    description:
      - The root directory of the system to read. With another directory than C(/), a mounted or unpacked
        image, everything is read from files below it; the machine that runs the module is not asked.
    type: path
    default: /
  timeout:
    description:
      - Seconds that NVML may take. A driver that does not respond in time is killed and reported as
        C(unusable).
    type: float
    default: 20.0
  assume:
    description:
      - Facts that replace what was read, by their name, each as a whole. A null says that the thing is
        absent.
      - An unknown name is an error.
    type: dict
    default: {}
  override:
    description:
      - Facts that are laid over those of O(assume).
      - Where O(assume) or O(override) is not in the layout of the facts, the host is not contacted and its
        facts have the entry C(malformed), for which M(whisperx_plan) refuses it.
    type: dict
    default: {}
  environment:
    description:
      - Options by which M(whisperx_assess) assesses the environment of the host in the same run. The action
        plugin then runs that module instead, where the host itself is probed.
    type: dict
  models:
    description: With O(environment), options by which M(whisperx_assess) lists the models as well.
    type: dict
attributes:
  check_mode:
    support: full
    description: The module only reads.
  diff_mode:
    support: none
    description: The module changes nothing.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Read the facts of the host
  whisperx_host_facts:

- name: Read the facts of an image that is mounted on the controller
  whisperx_host_facts:
    root: /mnt/image
    assume:
      gpus:
        - {name: NVIDIA L4, compute_capability: "8.9", memory_mib: 23034}
      nvidia_driver: {version: "570.124.06", cuda: "12.8", state: running}

- name: Give a slow driver more time
  whisperx_host_facts:
    timeout: 60
"""

RETURN = r"""
ansible_facts:
  description: The facts, under the name C(whisperx_host).
  returned: success
  type: dict
  contains:
    whisperx_host:
      description: Everything that was read.
      type: dict
      contains:
        schema:
          description: Number of this layout.
          type: int
          sample: 1
        os:
          description: Distribution; the version is empty on a rolling release.
          type: dict
          sample: {id: debian, version: "13", codename: trixie, family: debian}
        libc:
          description: C library of the host; the family is C(glibc) or C(musl).
          type: dict
          sample: {family: glibc, version: "2.41"}
        kernel:
          description: Release of the kernel.
          type: dict
          sample: {release: 6.12.48+deb13-amd64}
        machine:
          description: Machine that programs are built for.
          type: str
          sample: x86_64
        cpu:
          description: Flags of the first processor.
          type: dict
          sample: {flags: [sse4_1, avx, avx2]}
        pythons:
          description:
            - CPython interpreters, each once, by their real path. C(shared) says whether every user can
              execute it, C(distutils) whether its standard library has that module.
            - C(trusted) is there, as V(false), for one that others than root, or without root than its user,
              can change; C(weakness) then says who can, and gives the place with its owner and mode.
          type: list
          elements: dict
          sample: [{path: /usr/bin/python3.13, version: 3.13.5, shared: true, distutils: false}]
        gpus:
          description:
            - GPUs of every vendor, with C(vendor) (C(nvidia), C(amd), C(intel), …).
            - C(driver) is what is bound to it (C(nvidia), C(nouveau), C(vfio-pci), C(amdgpu), … or empty);
              C(mig) is there only for a GPU that knows MIG, as C({enabled, instances}); C(compute_mode) only
              if it is not the default; C(licensed) only for a vGPU.
          type: list
          elements: dict
          sample:
            - name: NVIDIA H100
              compute_capability: "9.0"
              memory_mib: 81559
              uuid: GPU-8bf3a2c4
              pci_id: 10de:2330
              driver: nvidia
              vendor: nvidia
        nvidia_driver:
          description:
            - The driver. C(state) is C(running), C(absent), C(mismatch) (kernel module and libraries differ)
              or C(unusable); C(cuda) is the newest CUDA it serves; C(detail) says what is wrong; C(open) is
              whether it is the open module, null where that cannot be seen.
          type: dict
          sample: {version: 570.124.06, cuda: "12.8", state: running, open: true, detail: ""}
        cuda_toolkits:
          description: Installed CUDA toolkits.
          type: list
          elements: dict
          sample: [{version: "12.8", path: /usr/local/cuda-12.8}]
        cudnn:
          description: Installed cuDNN libraries.
          type: list
          elements: dict
          sample: [{version: 9.10.2, path: /usr/lib/x86_64-linux-gnu/libcudnn.so.9}]
        container_engines:
          description: Container engines, with the kinds of devices that CDI specifications offer.
          type: list
          elements: dict
          sample: [{name: podman, version: 5.4.2, cdi: [nvidia.com/gpu]}]
        cdi_problems:
          description: Sentences about CDI specifications that are stale or broken.
          type: list
          elements: str
          sample: []
        ffmpeg:
          description: Majors of the libavutil libraries; path and version of the ffmpeg command.
          type: dict
          sample: {libavutil: [59], path: /usr/bin/ffmpeg, version: 7.1.2-0+deb13u1}
        container:
          description: Kind of container that the system runs in, or null.
          type: str
          sample: podman
        wsl:
          description: Whether this is Windows Subsystem for Linux.
          type: bool
          sample: false
        tegra:
          description: Release of Jetson Linux, or null.
          type: dict
          sample: {release: "36.4"}
        secure_boot:
          description: Whether Secure Boot is on; null where there is no EFI.
          type: bool
          sample: false
        selinux:
          description: C(enforcing), C(permissive), C(disabled) or null.
          type: str
          sample: enforcing
        sources:
          description: Where each fact was read.
          type: dict
          sample: {libc: confstr CS_GNU_LIBC_VERSION}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.distro import LinuxDistribution

from ..module_utils.whisperx_common.zipped import compile_once

compile_once()

from ..module_utils.whisperx_host.probe import probe
from ..module_utils.whisperx_problem import Problem


def main() -> None:
    """Read the host and return its facts."""
    module = AnsibleModule(
        argument_spec={
            "source": {"choices": ["probe", "assume"], "default": "probe"},
            "root": {"type": "path", "default": "/"},
            "timeout": {"type": "float", "default": 20.0},
            "assume": {"type": "dict", "default": {}},
            "override": {"type": "dict", "default": {}},
            "environment": {"type": "dict"},
            "models": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        assume = {**given["assume"], **given["override"]}
        facts = probe(given["root"], given["timeout"], assume, LinuxDistribution)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    module.exit_json(changed=False, ansible_facts={"whisperx_host": facts})


if __name__ == "__main__":
    main()
