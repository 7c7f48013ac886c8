#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: tell what changed under a managed environment, and what a coming libc or driver breaks."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_audit
short_description: Report what changed under a managed WhisperX environment, and what would break it
description:
  - Compares the host with what the active release was verified on (C library, NVIDIA driver, interpreter),
    its packages with its lock, its files with the RECORD of each package, and every shared object with the
    host.
  - With O(libc) or O(driver) it also reports which objects of the release would not load on that version.
  - Changes nothing. Runs the environment's interpreter once, to ask its version, and nothing else of it.
options:
  root:
    description: Directory of the environment, as given to M(whisperx_env).
    type: path
    default: /opt/whisperx
  hashes:
    description:
      - Compare the contents of all files with RECORD. Reads them all, half a minute for WhisperX.
      - Otherwise all sizes are compared, and the contents of files that are newer than the release.
    type: bool
    default: false
  libc:
    description: A pending glibc version, such as V(2.41); empty for none.
    type: str
    default: ""
  driver:
    description: A pending NVIDIA driver version; empty for none.
    type: str
    default: ""
  plan:
    description: The plan of this host, as returned by M(whisperx_plan), to report what C(site.yml) would do.
    type: dict
    default: {}
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
- name: See what changed
  whisperx_audit:

- name: See what glibc 2.41 would break
  whisperx_audit:
    libc: "2.41"
"""

RETURN = r"""
report:
  description: All that was found.
  returned: success
  type: dict
  contains:
    state:
      description: C(absent), C(healthy), C(drifted), or C(broken) if the release does not fit the host.
      type: str
    release:
      description: Name of the active release, empty when there is none.
      type: str
    changes:
      description: Differences, each with C(rule), C(weight), C(what), C(sentence), C(remedy), C(names).
      type: list
      elements: dict
    findings:
      description: What does not fit the host, each with C(rule), C(file), C(found), C(wanted), C(remedy).
      type: list
      elements: dict
    breaks:
      description: What the pending version breaks that fits today.
      type: list
      elements: dict
    would_break:
      description: Whether there are any.
      type: bool
    previous:
      description: The release a rollback goes to, whether it fits today and would fit then.
      type: dict
    python:
      description: The managed Python, C(version), and if there is a newer one C(newest) and C(security).
      type: dict
    plan:
      description: What C(site.yml) would make of the host.
      type: dict
lines:
  description: The same for a person to read.
  returned: success
  type: list
  elements: str
  sample: ["whisperx-3.8.6-cpu-0123456789ab (412 objects, verified 2026-11-23T19:14:13Z): healthy"]
rule:
  description: Stable id of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
  sample: env.foreign-directory
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.zipped import compile_once

compile_once()

from ..module_utils.whisperx_audit.model import Asked
from ..module_utils.whisperx_audit.report import report
from ..module_utils.whisperx_problem import Problem


def main() -> None:
    """Read the host and answer."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/opt/whisperx"},
            "hashes": {"type": "bool", "default": False},
            "libc": {"default": ""},
            "driver": {"default": ""},
            "plan": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    asked = Asked(given["root"], given["hashes"], given["libc"], given["driver"], given["plan"])
    try:
        found = report(asked)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    lines = found.pop("lines")
    module.exit_json(changed=False, report=found, lines=lines)


if __name__ == "__main__":
    main()
