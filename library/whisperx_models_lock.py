#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pin every file of the models that hosts ask for by revision and SHA-256, and bring it once for a site."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_models_lock
short_description: Lock models by revision and SHA-256, and download them once for a site
description:
  - Runs on the controller. V(locked) resolves the names of models in the locked packages of WhisperX and
    faster-whisper, asks the hub for revision and digests, and writes C(models.txt) into O(lock_dir).
  - V(filled) downloads what hosts lack into the store O(dir), by C(huggingface_hub) and by address, resumed
    after an interruption, and verified by SHA-256.
  - Its action plugin does what needs no network in Ansible's own process. If the lock covers all models and
    every host has them, this module does not run at all.
options:
  state:
    description: What is done. V(advised) only returns RV(notes); the action plugin does that by itself.
    type: str
    choices: [locked, filled, advised]
    default: locked
  models:
    description: The models of hosts that have no variable of their own, as where a play sets it.
    type: list
    elements: dict
    default: []
  in_image:
    description:
      - Whether hosts that run containers have their models in the image, for those without the variable
        C(whisperx_models_in_image). The action plugin reads it.
    type: bool
    default: false
  plans:
    description: Host to its plan, where role whisperx_plan did not plan, as for a root that is baked.
    type: dict
    default: {}
  wants:
    description: Classes of hosts with their models. Set by the action plugin.
    type: list
    elements: dict
    default: []
  listed:
    description: The models of all hosts of the inventory; the lock loses others. Set by the action plugin.
    type: list
    elements: str
    default: []
  locks:
    description: The locks of packages by class, as returned by M(whisperx_lock).
    type: dict
    default: {}
  lock:
    description: With O(state=filled), the text of the lock of models. Set by the action plugin.
    type: str
    default: ""
  lock_dir:
    description: Directory on the controller with C(models.txt), beside the locks of packages.
    type: path
    required: true
  upgrade:
    description: Lock the newest revisions again, of models that ask for none.
    type: bool
    default: false
  contents:
    description: With O(state=filled), SHA-256 to size of the files to bring. Set by the action plugin.
    type: dict
    default: {}
  rows:
    description: The file of this toolkit's knowledge about models. Set by the action plugin.
    type: path
  dir:
    description: The store, C(DIR/SHA256/data). By default C(wheelhouse) in O(cache_dir).
    type: path
  bundle:
    description: A bundle that has lock and files; nothing is downloaded then.
    type: path
  endpoint:
    description: Address of the hub, or of a mirror of it; empty for the public one.
    type: str
    default: ""
  token:
    description: Token for gated and private repositories of the hub.
    type: str
    default: ""
  torch_url:
    description: Base address of torchaudio's alignment weights; empty for the one that torchaudio uses.
    type: str
    default: ""
  nltk_url:
    description: Base address of NLTK's packages of data; empty for the one that NLTK uses.
    type: str
    default: ""
  uv:
    description: The C(uv) executable. By default the one beside Ansible's Python, else the first on the PATH.
    type: path
  index_url:
    description: The package index. By default the one that C(uv) uses by itself.
    type: str
  extra_index_urls:
    description: Further indexes, asked before O(index_url), in this order.
    type: list
    elements: str
    default: []
  torch_index:
    description: Base address of a mirror of the PyTorch indexes, without the build at its end.
    type: str
  username:
    description: User name for the server of O(index_url), or if that is not set, of the first other index.
    type: str
  password:
    description: Password that goes with O(username).
    type: str
  cache_dir:
    description: As for M(whisperx_lock).
    type: path
  progress:
    description: A file to note the progress in. Set by the action plugin.
    type: path
attributes:
  check_mode:
    description:
      - With O(state=locked) it resolves as usual, keeps what it had to download for that, and writes no lock.
        With O(state=filled) it only counts.
    support: full
  diff_mode:
    description: Shows the lock before and after.
    support: full
requirements:
  - python >= 3.11
  - huggingface_hub, for models of a hub
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Lock the models of all hosts
  whisperx_models_lock:
    locks: "{{ __whisperx_lock.locks }}"
    lock_dir: "{{ inventory_dir }}/locks"
    token: "{{ vault_hub_token }}"
  delegate_to: localhost
  run_once: true

- name: Download what hosts lack
  whisperx_models_lock:
    state: filled
    locks: "{{ __whisperx_lock.locks }}"
    lock_dir: "{{ inventory_dir }}/locks"
    dir: /srv/wheelhouse
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
text:
  description: The lock of models.
  returned: when O(state=locked)
  type: str
sets:
  description: Name of a set of models to its manifest, as M(whisperx_models) takes it.
  returned: when O(state=locked)
  type: dict
of:
  description: Host to the name of its set, empty for none.
  returned: when O(state=locked)
  type: dict
images:
  description: Class to the name of the set of models that its image has.
  returned: when O(state=locked)
  type: dict
notes:
  description: Sentences about licences, and about the memory of GPUs.
  returned: when O(state=locked) or O(state=advised)
  type: list
  elements: str
files:
  description: The files that hosts lack, each with C(file), C(sha256) and C(path) on the controller.
  returned: when O(state=filled)
  type: list
  elements: dict
downloaded:
  description: How many files and bytes were missing in the store, and in check mode still are.
  returned: when O(state=filled)
  type: dict
  sample: {files: 4, bytes: 145217607}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_models.run import ARGUMENTS, run
from ..module_utils.whisperx_problem import Problem


def main() -> None:
    """Read the options, do what they ask, answer."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params))
    try:
        module.exit_json(**run(module.params, module.check_mode))
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())


if __name__ == "__main__":
    main()
