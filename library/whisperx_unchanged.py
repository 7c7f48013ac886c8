#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: return the hosts that stay as they are; see the action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_unchanged
short_description: Return the hosts that stay as they are
description:
  - Compares the plan and lock of every host of the play with the assessment that came with its facts, see
    M(whisperx_assess).
  - Its action plugin does the work in Ansible's own process and contacts no host.
options: {}
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Resolve which hosts stay as they are
  whisperx_unchanged:
  run_once: true
  register: __whisperx_unchanged
"""

RETURN = r"""
hosts:
  description: Host to what M(whisperx_env) returns for it.
  returned: success
  type: dict
all:
  description: Whether these are all hosts that take part.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.plugin_only import refuse


def main() -> None:
    """Fail: the action plugin of the same name does the work, and never sends this to a host."""
    module = AnsibleModule({}, supports_check_mode=True)
    refuse(module, "whisperx_unchanged")


if __name__ == "__main__":
    main()
