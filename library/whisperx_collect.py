#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: return what a task left in the variables of all hosts; see the action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_collect
short_description: Return what a task left in the variables of the play's hosts
description:
  - What hosts sent stays data; no template in it is run.
  - Its action plugin does the work in Ansible's own process and contacts no host.
options:
  paths:
    description:
      - Names, each with a variable and the keys in it, such as C(__whisperx_audit_result.report).
    type: dict
    required: true
  output:
    description:
      - A file on the controller. What the name C(hosts) of O(paths) stands for is written there as JSON.
      - Written in check mode too, as it is no part of any host.
    type: path
    default: ""
  variable:
    description: The variable that sets O(output), for messages.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: It changes nothing on a host.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Collect the reports of all hosts
  whisperx_collect:
    paths: {reports: __whisperx_audit_result.report}
  run_once: true
  register: __whisperx_audit_collected
"""

RETURN = r"""
found:
  description: Each name of O(paths) to host to what is there. Hosts that have nothing there are left out.
  returned: success
  type: dict
rule:
  description: Stable id of what is wrong with O(output), such as C(audit.untrusted-directory).
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.plugin_only import refuse


def main() -> None:
    """Fail: the action plugin of the same name does the work, and never sends this to a host."""
    module = AnsibleModule(
        {
            "paths": {"type": "dict", "required": True},
            "output": {"type": "path", "default": ""},
            "variable": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    refuse(module, "whisperx_collect")


if __name__ == "__main__":
    main()
