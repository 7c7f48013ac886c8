#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_rollout; the work is done in module_utils/whisperx_rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_rollout
short_description: Order the hosts that change into waves, and stop those that must not change any more
version_added: 0.1.0
description:
  - Runs on the controller, in an action plugin, which fills in O(pending), O(proved), O(failed) and
    O(unreachable) from the variables of the play's hosts.
  - First one host changes, then one of each other class, then the rest in steps.
  - When a host of a class fails, no further host of that class is touched; other classes continue, until more
    hosts fail than O(budget) allows.
  - A host that no longer responds, or that fails for a reason of its own such as a full disk, says nothing
    about its class. If it was the canary, the next host of the class takes its place, alone.
  - Asked again before every wave, and again within it while hosts wait for a canary, with the results of the
    others.
options:
  pending:
    description: Host to class, of every host that has something to change; in the order of the inventory.
    type: dict
    required: true
  steps:
    description:
      - Sizes of the waves, as numbers of hosts or as shares of all that change, such as V(10%).
      - The first is for the first canary, the last is repeated.
    type: list
    elements: str
    default: ["1", "10%", "50%", "100%"]
  canaries:
    description: Hosts that go first in their class. Without, the first of each class in the inventory.
    type: list
    elements: str
    default: []
  wave:
    description: Hosts of the wave that is about to change; RV(now) and RV(waiting) are about these.
    type: list
    elements: str
    default: []
  proved:
    description: Hosts that changed and passed so far.
    type: list
    elements: str
    default: []
  failed:
    description:
      - Hosts that failed so far. For each C(message), and C(rule), the id of what is
        wrong, empty when the task that failed has none.
    type: dict
    default: {}
  unreachable:
    description: Hosts that no longer respond. They count in O(budget) and say nothing about their class.
    type: list
    elements: str
    default: []
  budget:
    description: The failure budget, that is how many hosts may fail, as a number or as a share of all that
      change; one more ends the roll-out.
    type: str
    default: "10%"
attributes:
  check_mode:
    support: full
    description: The module changes nothing.
  diff_mode:
    support: none
    description: The module changes nothing.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Order a small fleet
  whisperx_rollout:
    pending: {gpu1: x86_64-cu128, gpu2: x86_64-cu128, cpu1: x86_64-cpu}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
waves:
  description: Names of the hosts, wave by wave.
  returned: success
  type: list
  elements: list
  sample: [[gpu1], [cpu1], [gpu2]]
pending:
  description: The hosts that were given, with their classes.
  returned: success
  type: dict
wave_of:
  description: Host to the number of its wave, as two or more digits that sort.
  returned: success
  type: dict
  sample: {gpu1: "00", cpu1: "01", gpu2: "02"}
held:
  description: Hosts that must not be touched any more, with the sentence that says why.
  returned: success
  type: dict
now:
  description: Hosts of O(wave) that change now.
  returned: success
  type: list
  elements: str
waiting:
  description: Hosts of O(wave) that wait until one of their class succeeded.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_rollout.order import ARGUMENTS, decide


def main() -> None:
    """Read the options and answer with the waves and with who is held."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **decide(module.params))
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())


if __name__ == "__main__":
    main()
