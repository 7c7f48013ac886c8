#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: make the managed WhisperX environment of a host equal its plan and lock."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_env
short_description: Build, verify, switch, roll back or remove a managed WhisperX environment
description:
  - Makes the environment below O(root) equal a plan and its lock. A new release is built beside the one used,
    checked, verified by running it, and only then activated by renaming one link.
  - Whatever fails, and whenever the run is killed, the active release stays; the next run
    completes.
  - The host needs Python 3.8 or newer and the planned interpreter, nothing else. The C(uv) binary and wheels
    that no index has are taken from the controller, only when they are needed.
options:
  state:
    description:
      - V(present) makes the environment of O(plan) and O(lock) the active one.
      - V(rolled_back) returns to the previous release, or to O(release). Running it again
        changes nothing. It needs no network.
      - V(absent) removes all releases, links, the fact file, and the guard and first-boot service where they
        serve no other root; nothing that this toolkit did not make. RV(left) names what stays.
    type: str
    choices: [present, rolled_back, absent]
    default: present
  root:
    description: Directory of the environment. Must be absent, empty, or made by this module.
    type: path
    default: /opt/whisperx
  plan:
    description: The plan of this host, as returned by M(whisperx_plan). Required when O(state=present).
    type: dict
  lock:
    description:
      - The text of the lock of the plan's class, as returned by M(whisperx_lock).
      - Required when O(state=present).
    type: str
  commands:
    description:
      - Names of the commands to link in O(bin_dir), of those that the packages have; all when empty.
      - Every command has its launch script in the release either way.
    type: list
    elements: str
    default: []
  release:
    description: With O(state=rolled_back), the release to return to; the previous one by default.
    type: str
    default: ""
  keep:
    description: How many complete releases stay; the current and the previous one always do.
    type: int
    default: 2
  activate:
    description:
      - Whether the release is activated. With V(false) it is built, checked, verified and recorded, and
        the active release does not change. For images with several profiles; the first boot selects one.
    type: bool
    default: true
  rollback_verify:
    description:
      - With O(state=rolled_back), how far the release is verified before the switch. One that does not work
        is refused, and nothing is switched. V(none) only looks whether its files are there.
      - Check mode does not run the checks.
    type: str
    choices: [none, import, kernels, pipeline]
    default: import
  verify_level:
    description:
      - How far a release is verified before it is activated. Each level includes those before it.
      - An active release that was verified to a lower level is verified again.
    type: str
    choices: [import, kernels, pipeline, speech]
    default: pipeline
  bin_dir:
    description: Directory for the links to the commands, none when empty.
    type: path
    default: /usr/local/bin
  facts_dir:
    description: Directory for the static fact file C(whisperx.fact), none when empty.
    type: path
    default: /etc/ansible/facts.d
  cache:
    description:
      - Directory on the host for downloads, to be shared with other environments. It is never removed.
      - The default is a directory in O(root). On another file system every file is copied instead of linked.
    type: path
    default: ""
  models_dir:
    description: Directory of placed models, where the commands of the release look for them.
    type: path
    default: /opt/whisperx/models
  hashes:
    description:
      - Before a build, compare the contents of the unpacked wheels that are linked, not only size and date.
      - That reads all of them, which takes some ten seconds for WhisperX.
    type: bool
    default: false
  timeout:
    description: Seconds the installation of the packages may take.
    type: int
    default: 3600
  verify_timeout:
    description: Seconds each level of the verification may take.
    type: int
    default: 600
  index_url:
    description: Package index the host fetches from. C(uv)'s default when empty.
    type: str
  extra_index_urls:
    description: Further indexes. Files are pinned by hash, so any index may have them.
    type: list
    elements: str
    default: []
  find_links:
    description: Directories on the host, or pages, with further wheels.
    type: list
    elements: str
    default: []
  torch_index:
    description: Base address of a mirror of the PyTorch indexes, without the build at its end.
    type: str
  username:
    description: User name for the server of O(index_url), or without that, of the first other index.
    type: str
  password:
    description: Password that goes with O(username). It reaches C(uv) by environment only.
    type: str
  offline:
    description: Use no network; wheels come from O(find_links), O(files) and the host's cache.
    type: bool
    default: false
  uv:
    description:
      - A C(uv) binary on the controller that runs on this host, as returned by M(whisperx_lock).
      - Required to build a release.
    type: dict
    suboptions:
      sha256:
        description: SHA-256 of the binary.
        type: str
        required: true
      path:
        description: Its path on the controller.
        type: path
        default: ""
  files:
    description:
      - Files on the controller that the lock needs and the host is not to look for in an index.
      - When every file of the lock is among them, the host uses no index and no network.
    type: list
    elements: dict
    default: []
    suboptions:
      sha256:
        description: SHA-256 of the file.
        type: str
        required: true
      file:
        description: Name of the wheel.
        type: str
        required: true
      path:
        description: Path of the file on the controller.
        type: path
        default: ""
  wheelhouse_url:
    description:
      - Address of the site's own store of wheels, as C(ADDRESS/SHA256/FILE). With it the host asks no index.
      - It is shown nowhere, for it may hold the key of this run.
    type: str
    default: ""
  progress:
    description:
      - File on the host that says how far a build is while it runs; the module's action plugin reads it where
        there is a terminal. None when empty.
    type: path
    default: ""
  services:
    description:
      - Services that follow the active release, by name, as C(whisperx_services) of the role
        C(whisperx_service); each is a systemd unit. With O(state=present) others of this root are removed.
      - After the switch they are restarted, one instance after another, and have to pass their checks. If one
        does not, the host returns to the release and the units before, and the module fails.
      - Without this option, in a rollback and in a removal, they are those that the host notes.
    type: dict
  metrics_dir:
    description:
      - Directory of node_exporter for C(whisperx.prom), which a timer writes too; none when empty, and then
        what was there is removed. Without this option it is what the host has.
    type: path
  assess:
    description: Only report what would be done, as check mode does, and which files are missing on the host.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: The predicted RV(actions) are exactly those that the run then does.
  diff_mode:
    support: full
    description: Active package versions before and after.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Put the planned environment to use
  whisperx_env:
    plan: "{{ __whisperx_plan.hosts[inventory_hostname] }}"
    lock: "{{ lookup('ansible.builtin.file', 'locks/venv-cpu.txt') }}"
    uv: "{{ __whisperx_lock.locks['venv-cpu'].uv }}"
  become: true

- name: Return to the previous release
  whisperx_env:
    state: rolled_back
  become: true
"""

RETURN = r"""
predicted:
  description: Whether nothing was done, so the rest says what would be (check mode, O(assess=true)).
  returned: success
  type: bool
actions:
  description: What was done, or in check mode would be, one sentence each.
  returned: success
  type: list
  elements: str
release:
  description: Name of the active release afterwards, empty when there is none.
  returned: success
  type: str
record:
  description:
    - The record of the active release (RV(ignore:release.json)), of the one made ready with
      O(activate=false); empty while there is none.
  returned: success
  type: dict
summary:
  description: What is there, where, how to run it and how long it took, as lines for people.
  returned: success
  type: list
  elements: str
left:
  description: What a removal leaves on the host, and why, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["left the distribution's packages ffmpeg, which other programs may use by now"]
verify:
  description: The report of the verification.
  returned: when one ran
  type: dict
timings:
  description: Seconds spent on each kind of step.
  returned: success
  type: dict
bytes_brought:
  description: Bytes of files that came to the host, over Ansible's connection or from O(wheelhouse_url).
  returned: success
  type: int
wanted_files:
  description: Files that are missing on the host for the build. The module's action plugin transfers them.
  returned: success
  type: list
  elements: dict
services:
  description:
    - Services of the host by name, each with C(state) (of systemd), C(healthy), C(release), and whether this
      run restarts it (C(restarted)).
  returned: success
  type: list
  elements: dict
  sample: [{name: wyoming, state: active, healthy: true, release: faster-whisper-1.2.1, restarted: false}]
rule:
  description: Stable id of what is wrong.
  returned: failure
  type: str
found:
  description: What was found.
  returned: failure
  type: str
where:
  description: The file, directory or option it was found in.
  returned: failure
  type: str
wanted:
  description: What is needed.
  returned: failure
  type: str
remedy:
  description: The next step.
  returned: failure
  type: str
"""

import time
import traceback
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.zipped import compile_once

compile_once()

from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_env.options import ARGUMENTS, layout_of, result_of
from ..module_utils.whisperx_env.run import run, unexpected
from ..module_utils.whisperx_metrics.watch import Watch
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_release.model import Outcome
from ..module_utils.whisperx_service.model import secret_values


def main() -> None:
    """Read the options, do what they ask, answer."""
    started = time.monotonic()
    module = AnsibleModule(
        ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ("plan", "lock"))]
    )
    given = module.params
    module.no_log_values.update(secrets_of(given) | secret_values(given["services"]))
    check = module.check_mode or given["assess"]
    try:
        directory = given["metrics_dir"] if given["state"] == "present" else None
        outcome = run(given, check, [Watch(directory)])
        if given["state"] == "absent":
            outcome = removed(outcome, given, check)
        result = result_of(layout_of(given), outcome, started, check, given["activate"])
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    except OSError as error:
        problem = unexpected(error)
        module.fail_json(msg=problem.sentence(), exception=traceback.format_exc(), **problem.record())
    module.exit_json(**result, left=outcome.notes if given["state"] == "absent" else [])


def removed(outcome: Outcome, given: Mapping[str, Any], check: bool) -> Outcome:
    """Remove as well what other verbs put on the host for the environment. Loaded only then: it is rare."""
    from ..module_utils.whisperx_removal import besides

    outcome.actions += besides.remove(layout_of(given).root, check)
    return outcome


if __name__ == "__main__":
    main()
