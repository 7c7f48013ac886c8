#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: put the first-boot service on an image."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_firstboot
short_description: Put the first-boot service of an image in place
description:
  - Writes the program that selects and verifies an environment when the image boots, with the record of what
    the image was baked for, and enables its unit. Needs no running systemd.
  - Until that boot every command of the environment only says that nothing was verified yet.
options:
  root:
    description: Directory of the environment, made by M(whisperx_env) with C(activate=false).
    type: path
    default: /opt/whisperx
  bin_dir:
    description: Directory for the links to the commands, none when empty.
    type: path
    default: /usr/local/bin
  facts_dir:
    description: Directory for the static fact file that a good verdict writes, none when empty.
    type: path
    default: /etc/ansible/facts.d
  level:
    description: How far the environment is verified at boot.
    type: str
    choices: [import, kernels, pipeline]
    default: pipeline
  python:
    description: The interpreter that runs the program.
    type: path
    required: true
  made:
    description:
      - The environments of the image, the preferred first, as M(whisperx_env) returned them in a loop over
        their names and plans; those with a GPU come before the others.
    type: list
    elements: dict
    required: true
  plans:
    description:
      - The plans of M(whisperx_plan) by the names of the environments. A name with a compute capability
        behind a bar, such as C(cuda|8.9), is the plan for another GPU. Where it is the same environment, such
        a GPU may boot the image too.
    type: dict
    required: true
  hosts:
    description: The declared machines by the names of the environments, from M(whisperx_bake_target).
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: The predicted RV(actions) are exactly those that the run then does.
  diff_mode:
    support: none
    description: RV(actions) says what changes.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Let the first boot choose
  whisperx_firstboot:
    python: /usr/bin/python3.13
    made:
      - item: {key: cpu}
        release: ctranslate2-4.8.5-cpu-0123456789ab
    plans:
      cpu: "{{ __whisperx_bake_plan.hosts['cpu'] }}"
"""

RETURN = r"""
actions:
  description: What was done, one sentence each.
  returned: success
  type: list
  elements: str
rule:
  description: Stable id of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
"""

import os
from importlib import import_module
from typing import Any, Dict, Tuple

# So that Ansible sends the file that is read below.
import ansible.module_utils.distro  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.versions import numbers
from ..module_utils.whisperx_firstboot.records import Image, Places, Profile
from ..module_utils.whisperx_firstboot.sources import install
from ..module_utils.whisperx_problem import Problem

# The parts of a plan that make the environment what it is.
ENVIRONMENT = (
    "verdict",
    "runtime",
    "device",
    "python",
    "torch_build",
    "pins",
    "requirements",
    "environment",
    "loader_paths",
    "repairs",
)

# The instructions that the packages have code for; a captured processor has many more flags.
TELLING = ("sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f")

ARGUMENTS: Dict[str, Any] = {
    "root": {"type": "path", "default": "/opt/whisperx"},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
    "facts_dir": {"type": "path", "default": "/etc/ansible/facts.d"},
    "level": {"choices": ["import", "kernels", "pipeline"], "default": "pipeline"},
    "python": {"type": "path", "required": True},
    "made": {"type": "list", "elements": "dict", "required": True},
    "plans": {"type": "dict", "required": True},
    "hosts": {"type": "dict", "default": {}},
}


def main() -> None:
    """Put it in place, answer."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    given = module.params
    image = Image(
        os.path.normpath(given["root"]),
        given["level"],
        tuple(profile(made, given["plans"], given["hosts"]) for made in given["made"]),
        given["facts_dir"],
        given["bin_dir"],
    )
    # The package's attribute of that name is something else.
    distro = import_module("ansible.module_utils.distro._distro")
    old = os.umask(0o022)
    try:
        actions = install(image, given["python"], distro, Places(), module.check_mode)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    except OSError as error:
        problem = Problem(
            "firstboot.write",
            error.strerror or str(error),
            str(error.filename or ""),
            "a root that can be written",
            "Fix that, then bake again.",
        )
        module.fail_json(msg=problem.sentence(), **problem.record())
    finally:
        os.umask(old)
    module.exit_json(changed=bool(actions), actions=actions)


def profile(made: Dict[str, Any], plans: Dict[str, Any], hosts: Dict[str, Any]) -> Profile:
    """Return what the boot needs to know of an environment, its plan and its declared machine."""
    name = made["item"]["key"]
    plan = plans[name]
    libc = plan.get("libc") or {}
    others = {key.partition("|")[2]: other for key, other in plans.items() if key.startswith(name + "|")}
    same = {key: other for key, other in others.items() if is_same(plan, other)}
    flags = (hosts.get(name, {}).get("cpu") or {}).get("flags") or ()
    return Profile(
        name=name,
        release=made["release"],
        device=plan.get("device") or "cpu",
        machine=plan.get("machine") or "",
        libc_family=libc.get("family") or "",
        libc_version=libc.get("version") or "",
        capabilities={key: bounds(same[key]) for key in sorted(same, key=numbers)},
        scripts=tuple((made.get("record") or {}).get("scripts") or plan.get("scripts") or ()),
        flags=tuple(flag for flag in TELLING if flag in flags),
    )


def is_same(plan: Dict[str, Any], other: Dict[str, Any]) -> bool:
    """Whether another GPU would get the very same environment."""
    return all(plan.get(key) == other.get(key) for key in ENVIRONMENT)


def bounds(plan: Dict[str, Any]) -> Tuple[str, str]:
    """Return the oldest driver and the newest branch of it that the plan admits, "" for any."""
    advice = plan.get("driver_advice") or {}
    return advice.get("minimum") or "", advice.get("maximum") or ""


if __name__ == "__main__":
    main()
