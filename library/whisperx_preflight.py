#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: validate the variables of all hosts of a play; see the action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_preflight
short_description: Validate the variables of all hosts of a play
description:
  - Refuses variables that begin with C(whisperx_) and that no role defines. Validates the values of the
    others against the argument specifications of the roles.
  - Says which stages of site.yml the tags select.
  - Its action plugin does the work in Ansible's own process and contacts no host.
options:
  roles:
    description: The directory of the roles.
    type: path
    required: true
  values:
    description: Whether values are validated, not names alone.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Validate variables
  whisperx_preflight:
    roles: "{{ role_path }}/.."
  run_once: true
"""

RETURN = r"""
stages:
  description: The stages that run, by the tags of the run.
  returned: success
  type: list
  elements: str
invalid:
  description: Host to what is wrong with the values of its variables.
  returned: success
  type: dict
earlier:
  description: Whether hosts still have the results of an earlier roll-out of this run.
  returned: success
  type: bool
rule:
  description: Stable id of what is wrong, such as C(preflight.unknown).
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.plugin_only import refuse


def main() -> None:
    """Fail: the action plugin of the same name does the work, and never sends this to a host."""
    module = AnsibleModule(
        {"roles": {"type": "path", "required": True}, "values": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    refuse(module, "whisperx_preflight")


if __name__ == "__main__":
    main()
