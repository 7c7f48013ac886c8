#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pin every package of every class of hosts, by version and SHA-256."""

from __future__ import annotations

DOCUMENTATION = r"""
module: whisperx_lock
short_description: Turn plans into complete, hash-pinned sets of packages
description:
  - Runs on the controller. For each class of hosts that M(whisperx_plan) decided on, it keeps the lock in
    O(lock_dir) while that fits, takes over another lock there that fits, or lets C(uv) resolve a new one.
  - A lock names versions, files and SHA-256 digests. It carries no address, no path and no date, so it can be
    committed, and the same inputs give the same bytes.
  - With nothing to resolve it starts no other program and uses no network.
version_added: 0.1.0
options:
  classes:
    description:
      - Class name to plan, as M(whisperx_plan) returns them in RV(whisperx_plan#module:classes).
    type: dict
    required: true
  lock_dir:
    description:
      - Directory on the controller with one C(CLASS.txt) per class. Made when a lock is written.
    type: path
    required: true
  state:
    description:
      - V(locked) keeps a lock that still fits its plan.
      - V(upgrade) resolves again in any case.
    type: str
    choices: [locked, upgrade]
    default: locked
  uv:
    description:
      - The C(uv) executable. By default the one beside Ansible's Python, else the first on the PATH.
    type: path
  index_url:
    description:
      - The package index. By default the one that C(uv) uses by itself.
      - A user name and password in the address are used, and shown nowhere.
    type: str
  extra_index_urls:
    description:
      - Further indexes, asked before O(index_url), in this order. The next one is asked for
        what one does not have.
    type: list
    elements: str
    default: []
  find_links:
    description:
      - Directories on the controller with wheels. What is taken from them travels to the hosts with the run.
    type: list
    elements: path
    default: []
  torch_index:
    description:
      - Base address of a mirror of the PyTorch indexes, without the build at its end.
      - By default C(uv) is asked for these indexes, which knows where they are.
    type: str
  python_mirror:
    description:
      - Where the archives of managed Pythons are, an address or a directory on the controller, with
        C(BUILD/FILE) below it, or in a directory the files themselves. By default where C(uv) looks.
      - An archive is fetched once, compared with its digest, and travels to the hosts with the run.
    type: str
  username:
    description:
      - User name for the server of O(index_url), or if that is not set, of the first other index.
      - Other servers do not get it.
    type: str
  password:
    description:
      - Password that goes with O(username).
    type: str
  bundle:
    description:
      - A bundle that C(playbooks/bundle.yml) made. Its locks take the place of O(lock_dir), its wheels and
        C(uv) that of all sources.
      - It is compared with its digests first, and must hold nothing else; nothing is resolved, written or
        downloaded.
    type: path
  bundle_digest:
    description: The SHA-256 that the SHA256SUMS of O(bundle) must have; empty for any.
    type: str
    default: ""
  cache_dir:
    description:
      - Directory on the controller for wheels that are made here, for C(uv) of other platforms, and for
        digests of files.
      - By default C($XDG_CACHE_HOME/whisperx-fleet) or C(~/.cache/whisperx-fleet).
    type: path
  wheels:
    description:
      - SHA-256 to path of wheels that the user built, as RV(whisperx_plan#module:wheels) has them. Of these a
        class gets those that its plan takes; they travel to the hosts with the run.
    type: dict
    default: {}
  plan_output:
    description:
      - The JSON that M(whisperx_plan) wrote to its O(whisperx_plan#module:output), to which the versions of
        further packages are added. Like that, it is written in check mode too.
    type: path
attributes:
  check_mode:
    description: Resolves as usual, and writes no lock. Caches are filled.
    support: full
  diff_mode:
    description: Shows the packages of the old and the new lock.
    support: full
requirements:
  - python >= 3.11
  - packaging
  - uv >= 0.8
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Pin the packages of all classes
  whisperx_lock:
    classes: "{{ plan.classes }}"
    lock_dir: "{{ inventory_dir }}/locks"
  delegate_to: localhost
  run_once: true

- name: Resolve again, from an index of one's own
  whisperx_lock:
    classes: "{{ plan.classes }}"
    lock_dir: "{{ inventory_dir }}/locks"
    state: upgrade
    index_url: https://packages.example.org/simple
    username: builder
    password: "{{ vault_index_password }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
locks:
  description: What was locked, by class.
  returned: success
  type: dict
  contains:
    text:
      description: The lock, as it is in RV(locks.path).
      type: str
    digest:
      description: SHA-256 of the text.
      type: str
    path:
      description: Its file in O(lock_dir).
      type: str
    bytes:
      description: Sum of the sizes of all packages; null where an index does not list a size.
      type: int
    kept:
      description: Whether the text was there already.
      type: bool
    notes:
      description: Sentences on why it was resolved again, or on what is not available.
      type: list
      elements: str
    extras:
      description: Further package to version.
      type: dict
    uv:
      description: The C(uv) executable for the hosts of this class; C(path) on the controller, C(sha256).
      type: dict
    files:
      description:
        - Wheels that the hosts do not find in an index, and the archive of a managed Python.
        - Each has C(file), C(sha256) and C(path).
      type: list
      elements: dict
  sample:
    cpu-py313:
      digest: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
      path: /srv/inventory/locks/cpu-py313.txt
      bytes: 59260362
      kept: true
      notes: []
      uv:
        path: /opt/controller/bin/uv
        sha256: fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9
      files: []
problems:
  description: >-
    Classes that could not be locked, while others could, each with C(rule), C(sentence) and its parts.
    When no class could be locked, the module fails with the first problem.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_lock.run import ARGUMENTS, run
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_wheelhouse.listing import check


def main() -> None:
    """Read the options, make the locks, write them, and return them."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params))
    try:
        module.exit_json(**run(module.params, module.check_mode, check))
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())


if __name__ == "__main__":
    main()
