#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: make the image of a plan the one that a host's commands run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_container
short_description: Verify an image, activate it, roll back or remove it
description:
  - Makes the commands below O(root) run the image of a plan, after it was verified by running it through
    those very commands. Whatever fails, and whenever the run is killed, the active release stays.
  - Changes no image. It returns which image has to be loaded (RV(load)), named C(current) (RV(tag)) or
    removed (RV(surplus)); the role C(whisperx_container) does that with the engines' own modules.
options:
  state:
    description:
      - V(present) makes O(image) the active one. V(rolled_back) returns to the previous release, or to
        O(release), of either runtime. V(absent) removes everything.
    type: str
    choices: [present, rolled_back, absent]
    default: present
  root:
    description: Directory of releases and commands. Must be absent, empty, or made by this toolkit.
    type: path
    default: /opt/whisperx
  plan:
    description: The plan of this host. Required when O(state=present).
    type: dict
  image:
    description: The result of the build for the plan's class. Required when O(state=present).
    type: dict
  engine:
    description: V(podman) or V(docker); the plan's when empty.
    type: str
    choices: ["", podman, docker]
    default: ""
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
    description: How many releases stay; the current and the previous one always do.
    type: int
    default: 2
  rollback_verify:
    description:
      - With O(state=rolled_back), how far the release is verified before the switch. One that does not work
        is refused, and nothing is switched. V(none) only looks whether its files are there.
      - Check mode does not run the checks.
    type: str
    choices: [none, import, kernels, pipeline]
    default: import
  verify_level:
    description: How far an image is verified before it is activated; each level includes those before it.
    type: str
    choices: [import, kernels, pipeline, speech]
    default: pipeline
  verify_timeout:
    description: Seconds each level of the verification may take.
    type: int
    default: 600
  bin_dir:
    description: Directory for the links to the commands, none when empty.
    type: path
    default: /usr/local/bin
  facts_dir:
    description: Directory for the static fact file C(whisperx.fact), none when empty.
    type: path
    default: /etc/ansible/facts.d
  store:
    description: Directory of podman's images for all users; root's own storage when empty.
    type: path
    default: ""
  storage_driver:
    description: Podman's storage driver in O(store).
    type: str
    choices: [overlay, vfs]
    default: overlay
  network:
    description: Network of the commands, as the engine names it; the engine's default when empty.
    type: str
    default: ""
  cache:
    description:
      - Directory of models for all users; each user's own when empty.
      - It has to be there. Commands look for C(huggingface), C(torch) and C(nltk_data) in it.
    type: path
    default: ""
  models_dir:
    description: Directory of placed models on the host, mounted read-only where it exists.
    type: path
    default: /opt/whisperx/models
  shm:
    description: Size of the shared memory.
    type: str
    default: 1g
  options:
    description: Further options for every run.
    type: list
    elements: str
    default: []
  copied:
    description: Whether the archive will be copied to this host, which needs space.
    type: bool
    default: true
  brought:
    description: Bytes of the archive that the image was loaded from, for the report.
    type: int
    default: 0
  installing:
    description: Whether a missing engine is no fault in check mode, because the run would install it.
    type: bool
    default: false
  services:
    description: Services that follow the active release, as in M(whisperx_env); each runs in a container.
    type: dict
  metrics_dir:
    description: Directory of node_exporter for C(whisperx.prom), as in M(whisperx_env).
    type: path
  label:
    description: Put before every line of the summary.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: The predicted RV(actions) are those that the runs of the role then do.
  diff_mode:
    support: full
    description: Active package versions before and after.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Put the image of this host's class to use
  whisperx_container:
    plan: "{{ __whisperx_plan.hosts[inventory_hostname] }}"
    image: "{{ __whisperx_image[__whisperx_plan.hosts[inventory_hostname].class] }}"
  become: true

- name: Return to the previous release
  whisperx_container:
    state: rolled_back
  become: true
"""

RETURN = r"""
predicted:
  description: Whether nothing was done, so the rest says what would be (check mode, RV(load=true)).
  returned: success
  type: bool
actions:
  description: What was done, or in check mode would be, one sentence each.
  returned: success
  type: list
  elements: str
load:
  description: Whether the image is missing on the host. Then nothing was switched; load it and run again.
  returned: success
  type: bool
there:
  description: Releases of which the host has images.
  returned: success
  type: list
  elements: str
layers:
  description:
    - Digests of the layers that these images have; a new image need not bring them again. Those of docker
      are of a layer and all below it.
  returned: success
  type: list
  elements: str
tag:
  description: Whether the tag C(current) has to be moved to RV(image).
  returned: success
  type: bool
surplus:
  description: Names of images that no release needs any more.
  returned: success
  type: list
  elements: str
engine:
  description: The engine.
  returned: success
  type: str
image:
  description: Name of the active image afterwards.
  returned: success
  type: str
environment:
  description: What the engine's modules need in their environment to work on the same storage.
  returned: success
  type: dict
bytes_brought:
  description:
    - Bytes of the archive that came to the host; 0 where none did, and where a registry had the image.
  returned: success
  type: int
release:
  description: Name of the active release afterwards, empty when there is none.
  returned: success
  type: str
record:
  description: The record of the active release.
  returned: success
  type: dict
summary:
  description: What is there, where, how to run it and how long it took, as lines for people.
  returned: always
  type: list
  elements: str
left:
  description: What a removal leaves on the host, and why, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["left podman, which other programs may use by now"]
verify:
  description: The report of the verification.
  returned: when one ran
  type: dict
timings:
  description: Seconds spent on each kind of step.
  returned: success
  type: dict
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
"""

import importlib.util
import os
import sys
import time
import traceback
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.zipped import compile_once

compile_once()

from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_container import apply, engine, store, surroundings
from ..module_utils.whisperx_container.model import Options, Result, want
from ..module_utils.whisperx_env.model import Options as VenvOptions
from ..module_utils.whisperx_env.venv import Venv
from ..module_utils.whisperx_metrics.watch import Watch
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_release import disk, state, summary
from ..module_utils.whisperx_release.followers import Several
from ..module_utils.whisperx_release.hooks import Hooks
from ..module_utils.whisperx_release.model import Layout
from ..module_utils.whisperx_service.follow import Services
from ..module_utils.whisperx_service.model import secret_values, services_of

ARGUMENTS: Dict[str, Any] = {
    "state": {"choices": ["present", "rolled_back", "absent"], "default": "present"},
    "root": {"type": "path", "default": "/opt/whisperx"},
    "plan": {"type": "dict"},
    "image": {"type": "dict"},
    "engine": {"choices": ["", "podman", "docker"], "default": ""},
    "commands": {"type": "list", "elements": "str", "default": []},
    "release": {"default": ""},
    "keep": {"type": "int", "default": 2},
    "verify_level": {"choices": ["import", "kernels", "pipeline", "speech"], "default": "pipeline"},
    "verify_timeout": {"type": "int", "default": 600},
    "rollback_verify": {"choices": ["none", "import", "kernels", "pipeline"], "default": "import"},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
    "facts_dir": {"type": "path", "default": "/etc/ansible/facts.d"},
    "store": {"type": "path", "default": ""},
    "storage_driver": {"choices": ["overlay", "vfs"], "default": "overlay"},
    "network": {"default": ""},
    "cache": {"type": "path", "default": ""},
    "models_dir": {"type": "path", "default": "/opt/whisperx/models"},
    "shm": {"default": "1g"},
    "options": {"type": "list", "elements": "str", "default": []},
    "copied": {"type": "bool", "default": True},
    "brought": {"type": "int", "default": 0},
    "installing": {"type": "bool", "default": False},
    "services": {"type": "dict"},
    "metrics_dir": {"type": "path"},
    "label": {"default": ""},
}


def main() -> None:
    """Read the options, do what they ask, answer."""
    started = time.monotonic()
    module = AnsibleModule(
        ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ("plan", "image"))]
    )
    given = module.params
    module.no_log_values.update(secrets_of(given) | secret_values(given["services"]))
    root = os.path.normpath(given["root"])
    layout = Layout(root, given["bin_dir"], given["facts_dir"], role="whisperx_container")
    try:
        # The cache is for the models of all users, who may write to it.
        disk.check_paths(layout, given, ("root", "bin_dir", "facts_dir", "store", "cache"), shared="cache")
        result = answer(given, layout, module.check_mode)
        record = state.record_at(layout.current)
    except Problem as problem:
        failed = [told(given, "failed: " + problem.sentence())]
        module.fail_json(msg=problem.sentence(), summary=failed, **problem.record())
    except OSError as error:
        problem = Problem(
            "container.system",
            error.strerror or str(error),
            str(error.filename or ""),
            "a file system that does what it is asked",
            "Fix that, then run again; nothing incomplete is active.",
        )
        failed = [told(given, "failed: " + problem.sentence())]
        module.fail_json(
            msg=problem.sentence(), summary=failed, exception=traceback.format_exc(), **problem.record()
        )
    waiting = result.load and not module.check_mode
    if waiting:
        result.after = result.before
    lines = summary.lines(layout, record, result, time.monotonic() - started, module.check_mode)
    module.exit_json(
        # While the image has yet to be loaded nothing was done that a user would call a change.
        changed=bool(result.actions) and not waiting,
        predicted=module.check_mode or waiting,
        actions=result.actions,
        diff=summary.diff(result),
        load=result.load,
        there=result.there,
        layers=result.layers,
        tag=result.tag,
        surplus=result.surplus,
        engine=result.engine,
        image=result.image,
        environment=storage(given, layout, result.engine),
        bytes_brought=given["brought"],
        release=result.release,
        record=record,
        summary=[told(given, line) for line in lines],
        left=result.notes if given["state"] == "absent" else [],
        verify=result.verify,
        timings=result.timings,
        services=result.services,
    )


def answer(given: Dict[str, Any], layout: Layout, check: bool) -> Result:
    """Do what the options ask, or with ``check`` only say it. Raises Problem."""
    options = Options(
        keep=given["keep"],
        verify_level=given["verify_level"],
        verify_timeout=given["verify_timeout"],
        rollback_verify=given["rollback_verify"],
        store=given["store"],
        storage_driver=given["storage_driver"],
        network=given["network"],
        cache=given["cache"],
        models_dir=given["models_dir"],
        shm=given["shm"],
        options=tuple(given["options"]),
        copied=given["copied"],
    )

    def find(name: str) -> engine.Engine:
        conf = storage(given, layout, name).get("CONTAINERS_STORAGE_CONF", "")
        run = store.run_conf(layout) if conf else ""
        return engine.find(name, conf, run, missing_is_well=check and given["installing"])

    # The releases of this root that are no image.
    again = VenvOptions(rollback_verify=options.rollback_verify, verify_timeout=options.verify_timeout)
    noted = Hooks(followers=Several([Services(), Watch(None)]))
    other = Venv(layout, again, noted)
    # Loaded where they are needed: a rollback runs neither.
    if given["state"] == "absent":
        from ..module_utils.whisperx_removal import besides

        result = apply.absent(layout, options, find, given["engine"], noted, check, other)
        result.actions += besides.remove(layout.root, check)
        return result
    if given["state"] == "rolled_back":
        return apply.rolled_back(layout, given["release"], options, find, noted, check, other)
    wanted = want(given["plan"], given["image"], given["engine"], given["commands"])
    found = find(wanted.engine)
    surroundings.check_gpu(wanted, found.version, lambda: found.run("info", "--format", "{{json .Runtimes}}"))
    from ..module_utils.whisperx_container.prove import prover

    asked = None if given["services"] is None else services_of(given["services"])
    hooks = Hooks(prover(found), followers=Several([Services(asked), Watch(given["metrics_dir"])]))
    result = apply.present(layout, found, options, wanted, hooks, check)
    if not check and (result.load or result.tag or result.surplus):
        check_requests(wanted.engine)
    return result


def check_requests(name: str) -> None:
    """Raise Problem "container.no-requests" where docker's Ansible modules could not work."""
    if name == "docker" and importlib.util.find_spec("requests") is None:
        raise Problem(
            "container.no-requests",
            "the Python package requests is missing",
            sys.executable,
            "it, for Ansible's modules for docker",
            "Install the package python3-requests, or set whisperx_container_install.",
        )


def storage(given: Dict[str, Any], layout: Layout, name: str) -> Dict[str, str]:
    """Return the environment that leads podman to the store for all users."""
    if name != "podman" or not given["store"]:
        return {}
    return {"CONTAINERS_STORAGE_CONF": store.storage_conf(layout)}


def told(given: Dict[str, Any], line: str) -> str:
    """Return a line of the summary with the host before it."""
    return "{}: {}".format(given["label"], line) if given["label"] else line


if __name__ == "__main__":
    main()
