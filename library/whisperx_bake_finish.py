#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: make a root fit to become an image, and check that it is."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_bake_finish
short_description: Compile, share, clean and check a root that becomes an image
description:
  - Compiles the Python files of the releases, so that the first start is fast, makes one file of those that
    releases have alike, and removes the downloads.
  - Removes what every machine makes for itself (host keys, machine id, caches, logs), and reports what a
    person has to decide about (credentials, keys, proxies, name servers).
  - Writes a bill of materials (CycloneDX) into each release.
options:
  root:
    description: Directory of the environment.
    type: path
    default: /opt/whisperx
  releases:
    description: Names of the releases in it.
    type: list
    elements: str
    required: true
  tolerate:
    description: Ids of findings that a person has decided about, such as V(authorized-key) or V(resolver).
    type: list
    elements: str
    default: []
  managed:
    description: Files and directories outside of O(root) that the digest counts too.
    type: list
    elements: path
    default: [/usr/lib/whisperx-firstboot, /etc/systemd/system/whisperx-firstboot.service]
attributes:
  check_mode:
    support: full
    description: The predicted RV(actions) are exactly those that the run then does.
  diff_mode:
    support: none
    description: RV(actions) says what changes.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Finish the image
  whisperx_bake_finish:
    releases: [ctranslate2-4.8.5-cpu-0123456789ab]
    tolerate: [authorized-key]
"""

RETURN = r"""
actions:
  description: What was done, one sentence each.
  returned: success
  type: list
  elements: str
findings:
  description: What a person has to decide about, each with C(id), C(path) and C(sentence).
  returned: always
  type: list
  elements: dict
sizes:
  description: Bytes on disk by part, after.
  returned: success
  type: dict
sboms:
  description: The bills of materials by release, and C(system) for the distribution's packages, as text.
  returned: success
  type: dict
files:
  description: SHA-256 of every managed file, by path; what two bakes cannot have alike is left out.
  returned: success
  type: dict
varying:
  description: The managed files that are not in RV(files), by path, with the reason.
  returned: success
  type: dict
digest:
  description: One SHA-256 over RV(files).
  returned: success
  type: str
rule:
  description: Stable id of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
"""

import hashlib
import json
import os
import subprocess
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_bake import hygiene, slim
from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_common.files import read_json, read_text, write_text
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_sbom import cyclonedx, system

ARGUMENTS: Dict[str, Any] = {
    "root": {"type": "path", "default": "/opt/whisperx"},
    "releases": {"type": "list", "elements": "str", "required": True},
    "tolerate": {"type": "list", "elements": "str", "default": []},
    "managed": {
        "type": "list",
        "elements": "path",
        "default": ["/usr/lib/whisperx-firstboot", "/etc/systemd/system/whisperx-firstboot.service"],
    },
}


def main() -> None:
    """Finish, check, answer."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    given, check = module.params, module.check_mode
    top = os.path.join(given["root"], "releases")
    paths = [os.path.join(top, name) for name in given["releases"]]
    present = [path for path in paths if os.path.isdir(path)]
    old = os.umask(0o022)
    try:
        trust.check({given["root"]: "whisperx_venv_root"}, "bake.untrusted-directory")
        sboms, actions = write_sboms(present, check)
        sboms[system.NAME] = system.render()
        actions += [action for path in present for action in compile_one(path, check)]
        count, saved = slim.share(top, check)
        actions += (
            ["Made one file each of {} that releases share, {} bytes".format(count, saved)] if count else []
        )
        actions += ["Removed {}".format(path) for path in slim.drop_downloads(given["root"], check)]
        found = hygiene.findings()
        actions += ["{}: {}".format(item["does"], item["path"]) for item in found if item["does"] != "tell"]
        if not check:
            hygiene.clean(found)
    except (OSError, subprocess.SubprocessError) as error:
        problem = unexpected(error)
        module.fail_json(msg=problem.sentence(), findings=[], **problem.record())
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), findings=[], **problem.record())
    finally:
        os.umask(old)
    told = hygiene.undecided(found, given["tolerate"])
    if told:
        problem = hygiene.unclean(told)
        module.fail_json(msg=problem.sentence(), findings=told, **problem.record())
    managed = [top, *given["managed"]]
    files = slim.digests(managed)
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode("utf-8")).hexdigest()
    sizes = slim.sizes(given["root"])
    module.exit_json(
        changed=bool(actions),
        actions=actions,
        findings=[],
        sizes=sizes,
        sboms=sboms,
        files=files,
        varying=slim.varying(managed),
        digest=digest,
    )


def write_sboms(paths: List[str], check: bool) -> Any:
    """Write each release's bill of materials; return them by release, and what was done."""
    texts, actions = {}, []
    for path in paths:
        name, target = os.path.basename(path), os.path.join(path, cyclonedx.FILE)
        texts[name] = cyclonedx.render(path, site_packages(path), name)
        if read_text(target) != texts[name]:
            actions.append("Wrote {}".format(target))
            if not check:
                write_text(target, texts[name])
    return texts, actions


def compile_one(path: str, check: bool) -> List[str]:
    """Compile one release; return what was done. Raises Problem "bake.compile"."""
    try:
        count = slim.compile_release(path, check)
    except RuntimeError as error:
        raise Problem(
            "bake.compile",
            "the Python files could not be compiled: {}".format(error),
            path,
            "a release whose interpreter runs",
            "Bake again; if it stays, report what the interpreter said.",
        ) from error
    return ["Compiled {} files of {}".format(count, os.path.basename(path))] if count else []


def site_packages(path: str) -> str:
    """Return where a release has its packages."""
    record = read_json(os.path.join(path, "release.json")) or {}
    return os.path.join(path, "lib", "python{}".format(record.get("python")), "site-packages")


def unexpected(error: Exception) -> Problem:
    """Return what the system said as a Problem."""
    return Problem(
        "bake.system",
        str(getattr(error, "strerror", "") or error),
        str(getattr(error, "filename", "") or ""),
        "a root that can be read and written",
        "Fix that, then bake again.",
    )


if __name__ == "__main__":
    main()
