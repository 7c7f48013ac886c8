#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: write the metrics of a host for Prometheus, now and by a timer."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_metrics
short_description: Write the metrics of a WhisperX environment and its services for Prometheus
description:
  - Puts a program and a systemd timer on the host that audits the environment, runs the checks of its
    services and writes C(whisperx.prom) into the textfile directory of node_exporter.
  - M(whisperx_env) does the same in a run of the site. This module changes metrics alone.
options:
  root:
    description: Directory of the environment, as given to M(whisperx_env).
    type: path
    default: /opt/whisperx
  directory:
    description: The directory; empty to remove timer, program and file.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: The predicted RV(actions) are exactly those that the run then does.
  diff_mode:
    support: none
    description: RV(actions) say what is written.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Write metrics for node_exporter
  whisperx_metrics:
    directory: /var/lib/prometheus/node-exporter
  become: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["Wrote whisperx_metrics.timer, which writes /var/lib/prometheus/node-exporter/whisperx.prom"]
release:
  description: Name of the active release.
  returned: success
  type: str
rule:
  description: Stable id of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
  sample: metrics.no-directory
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_metrics.watch import Watch
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_release.model import Layout
from ..module_utils.whisperx_service.apply import present


def main() -> None:
    """Read the options, do what they ask, answer."""
    module = AnsibleModule(
        {
            "root": {"type": "path", "default": "/opt/whisperx"},
            "directory": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        trust.check({given["root"]: "whisperx_metrics_root"}, "metrics.untrusted-directory")
        layout = Layout(os.path.normpath(given["root"]), "", "", role="whisperx_metrics")
        result = present(layout, Watch(given["directory"]), bool(given["directory"]), module.check_mode)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    module.exit_json(**{name: result[name] for name in ("changed", "actions", "release")})


if __name__ == "__main__":
    main()
