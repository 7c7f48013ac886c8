#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
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
    choices: [import, kernels, pipeline]
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
  - The whisperx-fleet authors
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

import os
import time
import traceback
from typing import Any, Dict, Tuple

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_common.index_options import index_options, index_values
from ..module_utils.whisperx_common.progress import Progress
from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_env import apply
from ..module_utils.whisperx_env.model import Carried, Options, Sources, Wanted, want
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_release import state, summary
from ..module_utils.whisperx_release.hooks import Hooks
from ..module_utils.whisperx_release.model import Layout, Outcome

ARGUMENTS: Dict[str, Any] = {
    "state": {"choices": ["present", "rolled_back", "absent"], "default": "present"},
    "root": {"type": "path", "default": "/opt/whisperx"},
    "plan": {"type": "dict"},
    "lock": {"type": "str"},
    "release": {"default": ""},
    "keep": {"type": "int", "default": 2},
    "activate": {"type": "bool", "default": True},
    "verify_level": {"choices": ["import", "kernels", "pipeline"], "default": "pipeline"},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
    "facts_dir": {"type": "path", "default": "/etc/ansible/facts.d"},
    "cache": {"type": "path", "default": ""},
    "hashes": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
    "verify_timeout": {"type": "int", "default": 600},
    "rollback_verify": {"choices": ["none", "import", "kernels", "pipeline"], "default": "import"},
    **index_options(find_links="str"),
    "offline": {"type": "bool", "default": False},
    "uv": {
        "type": "dict",
        "options": {"sha256": {"required": True}, "path": {"type": "path", "default": ""}},
    },
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "sha256": {"required": True},
            "file": {"required": True},
            "path": {"type": "path", "default": ""},
        },
    },
    "wheelhouse_url": {"default": "", "no_log": True},
    "assess": {"type": "bool", "default": False},
    "progress": {"type": "path", "default": ""},
}


def main() -> None:
    """Read the options, do what they ask, answer."""
    started = time.monotonic()
    module = AnsibleModule(
        ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ("plan", "lock"))]
    )
    given = module.params
    module.no_log_values.update(secrets_of(given))
    layout = Layout(os.path.normpath(given["root"]), given["bin_dir"], given["facts_dir"], given["cache"])
    check = module.check_mode or given["assess"]
    try:
        check_paths(given)
        outcome = answer(given, layout, check)
        shown = layout.current if given["activate"] else layout.release(outcome.release)
        record = state.record_at(shown)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    except OSError as error:
        problem = unexpected(error)
        module.fail_json(msg=problem.sentence(), exception=traceback.format_exc(), **problem.record())
    seconds = time.monotonic() - started
    module.exit_json(
        changed=bool(outcome.actions),
        actions=outcome.actions,
        diff=summary.diff(outcome),
        release=outcome.release,
        record=record,
        summary=summary.lines(layout, record, outcome, seconds, check),
        verify=outcome.verify,
        timings=outcome.timings,
        left=outcome.notes if given["state"] == "absent" else [],
        wanted_files=outcome.wanted_files,
        bytes_brought=outcome.fetched,
    )


def answer(given: Dict[str, Any], layout: Layout, check: bool) -> Outcome:
    """Do what the options ask, or with ``check`` only say it. Raises Problem."""
    options = Options(
        keep=given["keep"],
        activate=given["activate"],
        verify_level=given["verify_level"],
        timeout=given["timeout"],
        verify_timeout=given["verify_timeout"],
        hashes=given["hashes"],
        rollback_verify=given["rollback_verify"],
        sources=Sources(
            offline=given["offline"],
            **index_values(given),
        ),
        carried=carried(given),
        wheelhouse=given["wheelhouse_url"],
    )
    progress = Progress("" if check else given["progress"])
    hooks = Hooks(prove, progress=progress)
    try:
        if given["state"] == "absent":
            return removed(apply.absent(layout, options, hooks, check), layout, check)
        if given["state"] == "rolled_back":
            return apply.rolled_back(layout, given["release"], options, hooks, check)
        return apply.present(layout, want(given["plan"], given["lock"]), options, hooks, check)
    finally:
        progress.end()


def removed(outcome: Outcome, layout: Layout, check: bool) -> Outcome:
    """Remove as well what other verbs put on the host for the environment. Loaded only then: it is rare."""
    from ..module_utils.whisperx_removal import besides

    outcome.actions += besides.remove(layout.root, check)
    return outcome


def unexpected(error: OSError) -> Problem:
    """Return what the system said as a Problem. Every step may be stopped at, so what was in use still is."""
    return Problem(
        "env.system",
        error.strerror or str(error),
        str(error.filename or ""),
        "a file system that does what it is asked",
        "Fix that, then run again; nothing incomplete is active.",
    )


def prove(path: str, wanted: Wanted, options: Options) -> Dict[str, Any]:
    """Verify a release; loaded only then, because most runs find nothing to verify."""
    from ..module_utils.whisperx_env import prove as proof

    return proof.prove(path, wanted, options)


def check_paths(given: Dict[str, Any]) -> None:
    """Check the directories that are written to.

    Raises Problem "env.relative-path" for one that depends on where Ansible runs, "env.untrusted-directory"
    for one that others can change.
    """
    options = ("root", "bin_dir", "facts_dir", "cache")
    for option in options:
        if given[option] and not os.path.isabs(given[option]):
            raise Problem(
                "env.relative-path",
                "'{}'".format(given[option]),
                "option {0}, in the role whisperx_venv_{0}".format(option),
                "an absolute path",
                "Write it with a leading slash.",
            )
    trust.check({given[option]: "whisperx_venv_" + option for option in options if given[option]})


def carried(given: Dict[str, Any]) -> Tuple[Carried, ...]:
    """Return the files that travel with the run."""
    items = [Carried(item["sha256"], item["file"], item["path"]) for item in given["files"]]
    if given["uv"]:
        items.append(Carried(given["uv"]["sha256"], "uv", given["uv"]["path"]))
    return tuple(items)


if __name__ == "__main__":
    main()
