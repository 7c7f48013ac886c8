#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: refuse files of the controller that others can change; see the action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_outputs
short_description: Refuse files of the controller that others can change
description:
  - Fails where anyone but root and the user who runs Ansible can change the directory of a file that will be
    written. Each option maps variables to their values, for messages; empty values are passed over.
  - Its action plugin does the work in Ansible's own process and contacts no host.
options:
  files:
    description: Files that are written under random names and renamed, so that a directory like /tmp will do.
    type: dict
    default: {}
  streams:
    description: Files that other programs write under names that are known beforehand.
    type: dict
    default: {}
  directories:
    description: Directories in which files are written so.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Validate the directory of the result
  whisperx_outputs:
    files:
      whisperx_audit_output: /srv/reports/audit.json
  run_once: true
"""

RETURN = r"""
rule:
  description: Stable id of what is wrong, such as C(audit.untrusted-directory).
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.plugin_only import refuse


def main() -> None:
    """Fail: the action plugin of the same name does the work, and never sends this to a host."""
    options = {name: {"type": "dict", "default": {}} for name in ("files", "streams", "directories")}
    module = AnsibleModule(options, supports_check_mode=True)
    refuse(module, "whisperx_outputs")


if __name__ == "__main__":
    main()
