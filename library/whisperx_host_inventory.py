#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_host_inventory; the work is done in module_utils/whisperx_common/outside.py."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_host_inventory
short_description: Write the facts of hosts as an inventory that describes them
version_added: 0.1.0
description:
  - Runs on the controller. Writes one JSON file that C(-i) takes, in which no host is contacted.
  - A host decides what its facts say. Every string of them is marked as no template, and a field or a host
    with a name that cannot be marked so is left out with a warning.
options:
  hosts:
    description: Host to facts, in the layout of RV(whisperx_host_facts#module:ansible_facts.whisperx_host).
      By default those of the play's hosts, filled in by an action plugin.
    type: dict
    default: {}
  output:
    description: The file. Written in check mode too, as it is no part of any host.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing on any host in any mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Write the facts of two hosts
  whisperx_host_inventory:
    output: /tmp/fleet.json
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
hosts:
  description: The hosts that are in the file.
  returned: success
  type: list
  elements: str
  sample: [one, two]
left_out:
  description: What is not in the file, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["'one': left out the field '{{ name }}' in os: no name of a fact"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_fleet.described import ARGUMENTS, write_described
from ..module_utils.whisperx_problem import Problem


def main() -> None:
    """Read the options and write the file."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        result = write_described(module.params)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    for sentence in result["left_out"]:
        module.warn(sentence)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
