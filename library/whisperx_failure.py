#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: describe how a host ended that a task failed for; see the action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_failure
short_description: Describe how a host ended that a task failed for
description:
  - For the C(rescue) part of a block. The result says of the host what the report of the run shows.
  - Its action plugin does the work in Ansible's own process and contacts no host.
options:
  planned:
    description: Whether the task may have failed because the host's plan is a refusal.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Record why this host failed
  whisperx_failure:
  register: __whisperx_rollout_failed
"""

RETURN = r"""
state:
  description: How the host ended, V(failed), V(refused) or V(unreachable).
  returned: success
  type: str
rule:
  description: Stable id of what is wrong, empty if the task has none.
  returned: success
  type: str
message:
  description: What is wrong.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.plugin_only import refuse


def main() -> None:
    """Fail: the action plugin of the same name does the work, and never sends this to a host."""
    module = AnsibleModule({"planned": {"type": "bool", "default": True}}, supports_check_mode=True)
    refuse(module, "whisperx_failure")


if __name__ == "__main__":
    main()
