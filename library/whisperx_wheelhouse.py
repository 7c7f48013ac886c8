#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fetch what locks name, once for a whole site; hand it on, or make one directory of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: whisperx_wheelhouse
short_description: Keep one store of wheels for a site, and make or check bundles of it
description:
  - Runs on the controller. Downloads every file that O(locks) take from an index and that is missing in
    O(dir), once for all classes and hosts, in parallel, resumed after an interruption, and verified by
    SHA-256.
  - With O(state=served) it starts a small server for these files, which ends with the run of
    C(ansible-playbook).
  - With O(bundle) everything comes from there, and no network is used.
  - If nothing is missing, it starts no other program and uses no network.
version_added: 0.1.0
options:
  state:
    description:
      - V(filled) downloads what is missing. V(served) does too, and serves it over HTTP.
      - V(bundled) does too, and makes O(output) of it. V(checked) only compares O(bundle) with its digests.
    type: str
    choices: [filled, served, bundled, checked]
    default: filled
  locks:
    description: The locks by class, as returned by M(whisperx_lock).
    type: dict
    default: {}
  dir:
    description:
      - The store, C(DIR/SHA256/FILE). By default C(wheelhouse) in O(cache_dir).
    type: path
  bundle:
    description:
      - A bundle that takes the place of O(dir) and of all indexes. With other states than V(checked) its
        files are taken as they are; M(whisperx_lock), which goes before, has compared them.
    type: path
  bundle_digest:
    description: With O(state=checked), the SHA-256 that the bundle's SHA256SUMS must have; empty for any.
    type: str
    default: ""
  output:
    description: The directory to make with O(state=bundled). Absent, empty, or a bundle.
    type: path
  catalogue:
    description: Directory of the catalogue, to be put into O(output).
    type: path
  wheels:
    description:
      - Wheels that the user built, as RV(whisperx_plan#module:wheels) has them. With O(state=bundled), what
        was measured in those that the locks name is put beside the catalogue.
    type: list
    elements: dict
    default: []
  further:
    description:
      - Further files of the store, as M(whisperx_models_lock) downloaded them. They are served and bundled
        with the wheels.
    type: list
    elements: dict
    default: []
    suboptions:
      file:
        description: Its name in the store.
        type: str
        required: true
      sha256:
        description: Its SHA-256.
        type: str
        required: true
      path:
        description: Its path on the controller.
        type: path
        required: true
  models_lock:
    description: With O(state=bundled), the text of the lock of models, which goes into O(output).
    type: str
    default: ""
  hosts:
    description:
      - Host to address, of those that are to take files over HTTP. The action plugin fills in the batch.
    type: dict
    default: {}
  url:
    description: With O(state=served), the address of a server that has the store; none is started then.
    type: str
  address:
    description:
      - The controller's address as hosts see it. By default the one from which it reaches each host.
    type: str
  bind:
    description: The address that the server listens on.
    type: str
    default: 0.0.0.0
  port:
    description: The port that the server listens on; V(0) takes a free one.
    type: int
    default: 0
  serves:
    description: The process with which the server ends. The module's action plugin sets it.
    type: int
  progress:
    description: A file to note the progress in. The module's action plugin sets it.
    type: path
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
attributes:
  check_mode:
    description: Reports whether files are missing; downloads, serves and writes nothing.
    support: full
  diff_mode:
    description: There is nothing that could be shown.
    support: none
requirements:
  - python >= 3.11
  - packaging
  - uv >= 0.8
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Fetch what all classes need
  whisperx_wheelhouse:
    locks: "{{ __whisperx_lock.locks }}"
    dir: /srv/wheelhouse
  delegate_to: localhost
  run_once: true

- name: Make a bundle for a site without a network
  whisperx_wheelhouse:
    state: bundled
    locks: "{{ __whisperx_lock.locks }}"
    output: /media/stick/whisperx
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
files:
  description: The files of each class that an index would have, each with C(file), C(sha256) and C(path).
  returned: success
  type: dict
urls:
  description: Host to the address of the store for it. It holds a key that is good for this run alone.
  returned: when O(state=served)
  type: dict
downloaded:
  description: How many files and bytes were missing, and in check mode still are.
  returned: success
  type: dict
  sample: {files: 12, bytes: 61234567}
bundle:
  description: What O(output) holds; C(files), C(bytes), and C(digest), the SHA-256 of its SHA256SUMS.
  returned: when O(state=bundled)
  type: dict
"""

import os
from pathlib import Path
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_common.cache_dir import cache_dir_of
from ..module_utils.whisperx_common.index_options import index_options, index_values
from ..module_utils.whisperx_common.lockfile import parse
from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_lock.sources import make_sources
from ..module_utils.whisperx_lock.uv import Uv, find_uv
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_wheelhouse import bundle, listing, serve
from ..module_utils.whisperx_wheelhouse.fill import fill
from ..module_utils.whisperx_wheelhouse.house import House
from ..module_utils.whisperx_wheelhouse.progress import Progress

ARGUMENTS: Dict[str, Any] = {
    "state": {"choices": ["filled", "served", "bundled", "checked"], "default": "filled"},
    "locks": {"type": "dict", "default": {}},
    "dir": {"type": "path"},
    "bundle": {"type": "path"},
    "bundle_digest": {"default": ""},
    "output": {"type": "path"},
    "catalogue": {"type": "path"},
    "wheels": {"type": "list", "elements": "dict", "default": []},
    "further": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "file": {"required": True},
            "sha256": {"required": True},
            "path": {"type": "path", "required": True},
        },
    },
    "models_lock": {"default": ""},
    "hosts": {"type": "dict", "default": {}},
    "url": {},
    "address": {},
    "bind": {"default": "0.0.0.0"},
    "port": {"type": "int", "default": 0},
    "serves": {"type": "int"},
    "progress": {"type": "path"},
    "uv": {"type": "path"},
    **index_options(find_links=""),
    "cache_dir": {"type": "path"},
}


def main() -> None:
    """Read the options, do what they ask, answer."""
    module = AnsibleModule(
        ARGUMENTS,
        supports_check_mode=True,
        required_if=[
            ("state", "bundled", ("output",)),
            ("state", "checked", ("bundle",)),
            ("state", "served", ("serves",)),
        ],
    )
    module.no_log_values.update(secrets_of(module.params))
    try:
        module.exit_json(**run(module.params, module.check_mode))
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())


def run(options: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Return the module's result for these options. Raises Problem."""
    if options["state"] == "checked":
        listing.check(Path(options["bundle"]), options["bundle_digest"])
        return {"changed": False, "files": {}, "downloaded": {"files": 0, "bytes": 0}}
    check_places(options)
    house = House(place(options), compared=bool(options["bundle"]))
    texts = {name: lock["text"] for name, lock in options["locks"].items()}
    sources = make_sources(**index_values(options))
    uv = Uv(find_uv(options["uv"] or ""), sources)
    progress = Progress(Path(options["progress"]) if options["progress"] else None)
    filling = fill(house, texts, uv, progress, check_mode or bool(options["bundle"]))
    result: Dict[str, Any] = {
        "changed": bool(filling.lacking),
        "files": {name: files(house, text) for name, text in texts.items()},
        "downloaded": {"files": len(filling.lacking), "bytes": filling.bytes},
    }
    if options["bundle"] and filling.lacking:
        raise not_in_bundle(sorted(package.file for package in filling.lacking.values()), options["bundle"])
    if options["state"] == "served" and not check_mode:
        result["urls"] = served(options, {**result["files"], "": options["further"]})
    if options["state"] == "bundled" and not check_mode:
        models = bundle.Models(
            options["models_lock"], {one["sha256"]: Path(one["path"]) for one in options["further"]}
        )
        catalogue = Path(options["catalogue"] or "/nonexistent")
        out, wheels = Path(options["output"]), options["wheels"]
        made = bundle.make(out, options["locks"], house, catalogue, wheels, models)
        listing.check(Path(options["output"]), made.digest)
        result["changed"] = result["changed"] or made.changed
        result["bundle"] = {"files": made.files, "bytes": made.bytes, "digest": made.digest}
    return result


def check_places(options: Dict[str, Any]) -> None:
    """Raise Problem "wheelhouse.untrusted-directory" for a directory to write in that others can change."""
    written = {} if options["bundle"] else {str(place(options)): "whisperx_wheelhouse_dir"}
    if options["output"]:
        written[os.path.abspath(options["output"])] = "whisperx_wheelhouse_output"
    trust.check(written, "wheelhouse.untrusted-directory", trust.controller_users())


def place(options: Dict[str, Any]) -> Path:
    """Return the directory of the store."""
    if options["bundle"]:
        return Path(options["bundle"]).absolute() / "wheels"
    if options["dir"]:
        return Path(options["dir"]).absolute()
    return cache_dir_of(options["cache_dir"]) / "wheelhouse"


def files(house: House, text: str) -> list[Dict[str, str]]:
    """Return the files of one lock that an index would have, as whisperx_env takes them."""
    return [
        {
            "file": package.file,
            "sha256": package.sha256,
            "path": str(house.path(package.sha256, package.file)),
        }
        for package in parse(text).packages
        if not package.travels
    ]


def served(options: Dict[str, Any], listed: Dict[str, Any]) -> Dict[str, str]:
    """Start the server; return host to address."""
    paths = {entry["sha256"]: Path(entry["path"]) for entries in listed.values() for entry in entries}
    if options["url"]:
        return dict.fromkeys(options["hosts"], options["url"])
    server = serve.start(paths, options["bind"], options["port"], options["serves"])
    own = options["address"]
    return {
        name: server.url(own or serve.address_towards(str(where or name)))
        for name, where in options["hosts"].items()
    }


def not_in_bundle(names: list[str], where: str) -> Problem:
    """Return what to say when a bundle was made for other classes."""
    return Problem(
        "bundle.lacks",
        f"the bundle lacks {len(names)} files, among them {', '.join(names[:3])}",
        where,
        "every file of the locks of these hosts",
        "Make a bundle for these hosts with playbooks/bundle.yml.",
    )


if __name__ == "__main__":
    main()
