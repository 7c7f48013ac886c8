#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: make the services of a host follow its active release."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_service
short_description: Run services that follow the active WhisperX release
description:
  - Writes a hardened systemd unit for each instance of a service, starts it with the launch script of the
    active release, and waits until its check passes. Services of this root that are not named are removed.
  - A service that does not become healthy has the units before restored and restarted, and the module fails.
  - M(whisperx_env) does the same after each switch. This module changes services alone.
options:
  root:
    description: Directory of the environment, as given to M(whisperx_env).
    type: path
    default: /opt/whisperx
  services:
    description:
      - Name to C(command), C(health), C(instances), C(port), C(gpu), C(user), C(memory), C(writable),
        C(environment) and C(secrets).
    type: dict
    required: true
  image_releases:
    description:
      - Names of the releases of an image that is being made. Then units are written and enabled, and nothing
        is started; on the machine they start after C(whisperx-firstboot.service), if its verdict is good.
    type: list
    elements: str
  plans:
    description:
      - Plans that are not built yet. Then services that could not run with one of them are refused, and
        nothing is changed.
    type: list
    elements: dict
  locks:
    description: The locks of O(plans), RV(whisperx_lock#module:locks).
    type: dict
  image:
    description: Whether O(plans) are those of an image that is being made.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: The predicted RV(actions) are exactly those that the run then does.
  diff_mode:
    support: none
    description: RV(actions) say which units are written.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Serve speech recognition for Home Assistant
  whisperx_service:
    services:
      wyoming:
        command: wyoming-faster-whisper --uri tcp://127.0.0.1:10300 --model base --data-dir {state}
        health: {tcp: "127.0.0.1:10300", within: 60}
  become: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["Restarted whisperx-wyoming.service"]
release:
  description: Name of the release that the services follow.
  returned: success
  type: str
notes:
  description: What the user has to know, such as the state that a removed service left.
  returned: success
  type: list
  elements: str
seconds:
  description: How long it took.
  returned: success
  type: float
services:
  description:
    - Services of the host by name, each with C(state) (of systemd), C(healthy), C(release), and whether this
      run restarts it (C(restarted)).
  returned: success
  type: list
  elements: dict
  sample: [{name: wyoming, state: active, healthy: true, release: faster-whisper-1.2.1, restarted: false}]
rule:
  description: Stable id of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
  sample: service.unhealthy
"""

import os
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_env.launch import commands
from ..module_utils.whisperx_env.model import want
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_release.followers import Followed
from ..module_utils.whisperx_release.model import Layout
from ..module_utils.whisperx_service.apply import baked, inspected, present
from ..module_utils.whisperx_service.follow import Services
from ..module_utils.whisperx_service.model import secret_values, services_of


def main() -> None:
    """Read the options, do what they ask, answer."""
    module = AnsibleModule(
        {
            "root": {"type": "path", "default": "/opt/whisperx"},
            "services": {"type": "dict", "required": True},
            "image_releases": {"type": "list", "elements": "str"},
            "plans": {"type": "list", "elements": "dict"},
            "locks": {"type": "dict"},
            "image": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("image_releases", "plans")],
        required_together=[("plans", "locks")],
        supports_check_mode=True,
    )
    given = module.params
    module.no_log_values.update(secret_values(given["services"]))
    try:
        trust.check({given["root"]: "whisperx_service_root"}, "service.untrusted-directory")
        layout = Layout(os.path.normpath(given["root"]), "", "", role="whisperx_service")
        services = services_of(given["services"])
        if given["plans"] is not None:
            promised = [_promised(plan, given["locks"]) for plan in given["plans"]]
            result = inspected(layout, services, promised, given["image"])
        elif given["image_releases"] is not None:
            result = baked(layout, services, given["image_releases"], module.check_mode)
        else:
            result = present(layout, Services(services), bool(services), module.check_mode)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    module.exit_json(**result)


def _promised(plan: Dict[str, Any], locks: Dict[str, Any]) -> Followed:
    """Return the release that a plan and its lock will become. Raises Problem for a plan that is none."""
    wanted = want(plan, locks[plan["class"]]["text"])
    runtime = str(plan.get("runtime") or "venv")
    return Followed(wanted.name, commands(wanted), wanted.device, runtime, moves=True)


if __name__ == "__main__":
    main()
