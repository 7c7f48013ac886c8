#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_guard; the work is done in module_utils/whisperx_guard."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_guard
short_description: Let the package manager check before it replaces what a managed environment depends on
version_added: 0.1.0
description:
  - Puts a program on the host that C(apt) or C(dnf) calls before packages are unpacked. It reads the
    pending versions of glibc, the NVIDIA driver and the interpreter, and stops the run where a release below
    one of O(roots) would no longer work, with the reason and the fix.
  - It stops nothing else. When it fails itself, it warns and the package run continues.
  - Can also put the packages on hold, which the package manager then keeps whatever is installed.
  - The host needs Python 3.8 or newer and nothing else.
options:
  state:
    description: Whether the guard is there. V(absent) also releases what O(hold) held, and nothing else.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description: V(block) stops the package run, V(warn) only reports.
    type: str
    choices: [block, warn]
    default: block
  roots:
    description: Directories of the environments, as given to M(whisperx_env) as O(whisperx_env#module:root).
    type: list
    elements: path
    default: [/opt/whisperx]
  hold:
    description: What is put on hold, with C(dpkg) or with C(dnf)'s plugin versionlock.
    type: list
    elements: str
    choices: [libc, driver]
    default: []
  packages:
    description:
      - Which packages are glibc or the driver. The role C(whisperx_guard) has the rows.
      - An interpreter needs none.
    type: list
    elements: dict
    default: []
    suboptions:
      match:
        description: Regular expression for the whole name.
        type: str
        required: true
      what:
        description: What the package is.
        type: str
        choices: [libc, driver]
        required: true
      version:
        description: Regular expression for the upstream version at the beginning of the package's version.
        type: str
        required: true
      loss:
        description: Whether the host has no driver once the last such package is removed.
        type: bool
        default: false
attributes:
  check_mode:
    support: full
    description: The predicted RV(actions) are exactly those that the run then does.
  diff_mode:
    support: full
    description: The files before and after.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Stop what would break the environment
  whisperx_guard:
    packages:
      - {match: libc6, what: libc, version: '\d+\.\d+'}
  become: true

- name: Take the guard away
  whisperx_guard:
    state: absent
  become: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, one sentence each.
  returned: success
  type: list
  elements: str
managers:
  description: The package managers that ask the guard.
  returned: success
  type: list
  elements: str
held:
  description: The packages that this module put on hold, by kind.
  returned: success
  type: dict
summary:
  description: What is there, as lines for people.
  returned: success
  type: list
  elements: str
rule:
  description: Stable id of what is wrong.
  returned: failure
  type: str
found:
  description: What was found.
  returned: failure
  type: str
where:
  description: The file, directory or option it was found in.
  returned: failure
  type: str
wanted:
  description: What is needed.
  returned: failure
  type: str
remedy:
  description: The next step.
  returned: failure
  type: str
"""

import traceback
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_guard import install
from ..module_utils.whisperx_guard.model import Config
from ..module_utils.whisperx_problem import Problem

ARGUMENTS: Dict[str, Any] = {
    "state": {"choices": ["present", "absent"], "default": "present"},
    "mode": {"choices": ["block", "warn"], "default": "block"},
    "roots": {"type": "list", "elements": "path", "default": ["/opt/whisperx"]},
    "hold": {"type": "list", "elements": "str", "choices": ["libc", "driver"], "default": []},
    "packages": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "match": {"required": True},
            "what": {"choices": ["libc", "driver"], "required": True},
            "version": {"required": True},
            "loss": {"type": "bool", "default": False},
        },
    },
}


def main() -> None:
    """Read the options, do what they ask, answer."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    given = module.params
    places = install.Places()
    try:
        if given["state"] == "absent":
            outcome = install.remove(places, module.check_mode)
        else:
            asked = Config(given["mode"], tuple(given["roots"]), tuple(given["packages"]), {})
            outcome = install.install(places, asked, given["hold"], module.check_mode)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    except OSError as error:
        module.fail_json(msg=str(error), exception=traceback.format_exc())
    module.exit_json(
        changed=bool(outcome.actions),
        actions=outcome.actions,
        managers=outcome.managers,
        held=outcome.held,
        summary=summary(given, outcome),
        diff=[
            {
                "before_header": path,
                "after_header": path,
                "before": outcome.files[path][0] or "",
                "after": outcome.files[path][1] or "",
            }
            for path in sorted(outcome.files)
        ],
    )


def summary(given: Dict[str, Any], outcome: install.Outcome) -> List[str]:
    """Return what is there now, as lines for people."""
    lines = list(outcome.actions)
    if given["state"] == "absent":
        return lines or ["There was no guard."]
    verb = {"block": "stops", "warn": "warns of"}[given["mode"]]
    lines.append(
        "The guard {} what would break {}; asked by {}.".format(
            verb, ", ".join(given["roots"]), " and ".join(outcome.managers)
        )
    )
    names = [name for kind in sorted(outcome.held) for name in outcome.held[kind]]
    lines.append("On hold: {}.".format(", ".join(names) or "nothing"))
    return lines


if __name__ == "__main__":
    main()
