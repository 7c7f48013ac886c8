#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what to plan for an image, from what is declared and what its root has."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_bake_target
short_description: Join the declared machine of an image with what its root has
description:
  - Reads of the root that is baked what will be in the image (distribution, C library, interpreters,
    ffmpeg), and takes everything else (kernel, processor, GPUs, driver) from the declaration. The machine
    that builds is never asked.
  - Refuses when nothing is declared, and when the declaration contradicts the root. Changes nothing.
options:
  assume:
    description: Facts of the machine that will boot, in the layout of M(whisperx_host_facts).
    type: dict
    default: {}
  file:
    description: A fact file's contents, or what C(tools/capture_host.py) printed. O(assume) overrides it.
    type: dict
    default: {}
  profiles:
    description:
      - Environments that the image is to have, by name. Each may have C(facts), which override the others,
        and C(packages), C(device), C(runtime), C(remedies) and C(unknown) as M(whisperx_plan) takes them.
      - One called C(default) when empty.
    type: dict
    default: {}
  capabilities:
    description: Compute capabilities to plan every profile with a GPU for, beside the declared one.
    type: list
    elements: str
    default: []
  tolerate:
    description:
      - Ids of findings that are meant, as O(whisperx_bake_finish#module:tolerate). What a person has to
        decide about at the end is refused here, before anything is built. Without it nothing is looked for.
    type: list
    elements: str
  root:
    description: Directory of the environment, listed apart in RV(sizes).
    type: path
    default: /opt/whisperx
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Join what is declared with what the root has
  whisperx_bake_target:
    assume:
      gpus: [{name: NVIDIA L4, compute_capability: "8.9"}]
      nvidia_driver: {version: "570.124.06", cuda: "12.8", state: running}
    profiles:
      gpu: {device: cuda}
      cpu: {device: cpu}
"""

RETURN = r"""
hosts:
  description: Facts by profile, and by C(PROFILE|CAPABILITY), as M(whisperx_plan) takes them.
  returned: success
  type: dict
requests:
  description: What differs by profile, as M(whisperx_plan) takes it.
  returned: success
  type: dict
profiles:
  description: The names of the profiles.
  returned: success
  type: list
  elements: str
found:
  description: What was read of the root.
  returned: success
  type: dict
sizes:
  description: Bytes on disk by part, before.
  returned: success
  type: dict
rule:
  description: Stable id of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.distro import LinuxDistribution

from ..module_utils.whisperx_bake import hygiene
from ..module_utils.whisperx_bake.declare import plan_hosts, read_declared
from ..module_utils.whisperx_bake.slim import sizes
from ..module_utils.whisperx_host.probe import probe
from ..module_utils.whisperx_problem import Problem

# NVML has nothing to say here; its answer would not be taken.
NVML_SECONDS = 5.0
KEPT = ("os", "libc", "machine", "pythons", "ffmpeg")

ARGUMENTS: Dict[str, Any] = {
    "assume": {"type": "dict", "default": {}},
    "file": {"type": "dict", "default": {}},
    "profiles": {"type": "dict", "default": {}},
    "capabilities": {"type": "list", "elements": "str", "default": []},
    "tolerate": {"type": "list", "elements": "str"},
    "root": {"type": "path", "default": "/opt/whisperx"},
}


def main() -> None:
    """Read, join, answer."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    given = module.params
    try:
        if given["tolerate"] is not None:
            told = hygiene.undecided(hygiene.findings(), given["tolerate"])
            if told:
                raise hygiene.unclean(told)
        profiles = read_declared(given["profiles"], given["assume"], given["file"])
        facts = probe("/", NVML_SECONDS, {}, LinuxDistribution)
        found = {key: facts.get(key) for key in KEPT}
        hosts, requests = plan_hosts(profiles, found, given["capabilities"])
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    module.exit_json(
        changed=False,
        hosts=hosts,
        requests=requests,
        profiles=[profile.name for profile in profiles],
        found=found,
        sizes=sizes(given["root"]),
    )


if __name__ == "__main__":
    main()
