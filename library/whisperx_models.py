#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: place models in a store on the host, switch to them, remove what is no longer wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_models
short_description: Place models in a store for all users of a host
description:
  - Keeps a read-only store of models at O(dir). Files are shared by SHA-256. A set of models is made beside
    the active one, its manifest is written last, and one link is switched. A run that is killed changes
    nothing that is used, and the next run completes the work.
  - Its action plugin transfers the files that are missing on the host, and runs the module only if something
    has to change, provided that the facts of the host came with a listing of the store (M(whisperx_assess)).
options:
  dir:
    description: Directory of the store. Must be absent, empty, or made by this toolkit.
    type: path
    default: /opt/whisperx/models
  manifest:
    description: The set of models, as M(whisperx_models_lock) returns it. With no models, all of them go.
    type: dict
  state:
    description: V(absent) removes all models, except those that a running process uses.
    type: str
    choices: [present, absent]
    default: present
  keep:
    description: How many sets stay, the active one included. One that a running process uses always stays.
    type: int
    default: 1
  hashes:
    description: Compare the contents of every file with its SHA-256, not only size and time of change.
    type: bool
    default: false
  files:
    description: Files of the set, with their paths on the host for those that travelled with the run.
    type: list
    elements: dict
    default: []
    suboptions:
      sha256:
        description: SHA-256 of the file.
        type: str
        required: true
      path:
        description: Where it is; empty for a file that did not travel.
        type: path
        default: ""
  wheelhouse_url:
    description: Address of the site's own store, which has a file as C(URL/SHA256/data).
    type: str
    default: ""
  assess:
    description: Report what would be done, and do nothing, as in check mode.
    type: bool
    default: false
  staging:
    description: Where files that travel are put first. Set by the action plugin.
    type: path
    default: ""
attributes:
  check_mode:
    support: full
    description: Reports what would be done.
  diff_mode:
    support: full
    description: Shows the models with their revisions, before and after.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Place models
  whisperx_models:
    dir: /opt/whisperx/models
    manifest: "{{ __whisperx_models.sets[__whisperx_models.of[inventory_hostname]] }}"
    files: "{{ __whisperx_models_store.files }}"
  become: true

- name: Remove all models
  whisperx_models:
    state: absent
  become: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, one sentence each.
  returned: success
  type: list
  elements: str
set:
  description: Name of the active set afterwards, empty when there is none.
  returned: success
  type: str
models:
  description: Model to revision, as they are afterwards.
  returned: success
  type: dict
summary:
  description: What is there, as lines for people.
  returned: success
  type: list
  elements: str
wanted_files:
  description: Files that are missing on the host. The module's action plugin transfers them.
  returned: success
  type: list
  elements: dict
wanted_bytes:
  description: Bytes of the files that were missing on the host.
  returned: success
  type: int
bytes_brought:
  description: Bytes of files that came to the host, over Ansible's connection or from O(wheelhouse_url).
  returned: success
  type: int
timings:
  description: Seconds that it took.
  returned: success
  type: dict
rule:
  description: Stable id of what is wrong.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.zipped import compile_once

compile_once()

from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_models_host.run import ARGUMENTS, run
from ..module_utils.whisperx_problem import Problem


def main() -> None:
    """Read the options, do what they ask, answer."""
    module = AnsibleModule(
        ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ("manifest",))]
    )
    module.no_log_values.update(secrets_of(module.params))
    try:
        module.exit_json(**run(module.params, module.check_mode or module.params["assess"]))
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    except OSError as error:
        problem = unexpected(error)
        module.fail_json(msg=problem.sentence(), **problem.record())


def unexpected(error: OSError) -> Problem:
    """Return what the system said as a Problem. Every step may be stopped at, so the active set still is."""
    return Problem(
        "models.system",
        error.strerror or str(error),
        str(error.filename or ""),
        "a file system that does what it is asked",
        "Fix that, then run again; the active models are those of before.",
    )


if __name__ == "__main__":
    main()
