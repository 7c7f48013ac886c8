#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide which versions run on which hosts, and say why the others do not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: whisperx_plan
short_description: Decide for every host which WhisperX runs there, and why not another
description:
  - Runs on the controller, once for all hosts. From the facts that M(whisperx_host_facts) read, or that
    were described, and a catalogue of releases and rules, it makes for every host a plan or a refusal
    with its reasons.
  - An action plugin does the work in Ansible's own process, whatever host the task names; there is no need to
    delegate it.
  - It contacts nothing, and the same facts, request and catalogue give the same result.
  - Facts that cannot be read, and packages that nobody knows, refuse their host alone. A request or a
    catalogue that cannot be read fails the module.
version_added: 0.1.0
options:
  hosts:
    description:
      - Host name to facts, in the layout of RV(whisperx_host_facts#module:ansible_facts.whisperx_host).
      - By default the hosts of the play that have the fact C(whisperx_host), each with what it asks for
        in the variables C(whisperx_plan_packages), C(whisperx_plan_runtime), C(whisperx_plan_device),
        C(whisperx_plan_gpus), C(whisperx_plan_remedies), C(whisperx_plan_unknown),
        C(whisperx_plan_interpreters), C(whisperx_plan_extras), C(whisperx_plan_wheels),
        C(whisperx_plan_container_base),
        C(whisperx_plan_container_root), C(whisperx_plan_container_facts), C(whisperx_container_engine) and
        C(whisperx_container_install). A host without such a variable gets what the play or the role has.
    type: dict
  unread:
    description:
      - Host to C(state) and C(message), of hosts without facts; each has a line of the table.
      - By default those of the play.
    type: dict
    default: {}
  packages:
    description:
      - Package to PEP 440 specifier, in the order in which they matter. An empty specifier asks for the
        newest that
        runs on the host.
    type: dict
    default: {whisperx: ""}
  extras:
    description:
      - Further packages, which the catalogue does not have, to PEP 440 specifier; an empty one takes the
        newest that fits. They are locked with the set, under the constraints of the plan.
      - Names and versions only, neither addresses nor markers.
    type: dict
    default: {}
  wheels:
    description:
      - Wheels that the user built of packages of the catalogue, on the controller; files, and directories of
        them. They are measured as those of the index are, become versions beside the known ones, and the same
        rules decide. What was measured is kept in O(cache_dir), by the digest of the wheel.
      - A wheel that cannot be read, whose name is not what is in it, or with two claims for one path fails
        the module. Wheels of other packages are named and skipped.
    type: list
    elements: path
    default: []
  bundle:
    description:
      - A bundle, whose own record of such wheels takes the place of O(wheels).
    type: path
  runtime:
    description:
      - What the packages run in. V(auto) takes an environment on the host if one fits, and a container
        if C library, Python or wheels of the host do not fit and the host has an engine.
    type: str
    choices: [venv, container, auto]
    default: auto
  device:
    description:
      - V(auto) takes the GPU where it can be used, else the CPU, and says why. Where a GPU or its driver
        only fails at
        the moment, the host is refused rather than turned to its CPU.
      - V(cuda) refuses a host whose GPU cannot be used, V(cpu) leaves GPUs alone.
    type: str
    choices: [auto, cuda, cpu]
    default: auto
  remedies:
    description:
      - Remedies that a plan may apply, in order of preference. V(upgrade) takes another version within the
        request,
        V(repair) clears the executable-stack flag in a wheel, V(tunable) sets GLIBC_TUNABLES for the
        commands.
    type: list
    elements: str
    choices: [upgrade, repair, tunable]
    default: [upgrade, repair, tunable]
  unknown:
    description:
      - What to do with versions that were not measured. V(refuse) stays within what is known, V(gate)
        admits newer
        ones and leaves it to the ABI gate and the pipeline.
    type: str
    choices: [refuse, gate]
    default: refuse
  interpreters:
    description:
      - Where the Python of an environment may come from, in order of preference. V(system) takes an
        interpreter of the host, V(managed) a standalone build of the catalogue that is installed with the
        environment.
      - A source is used if none before it has an interpreter that the packages support. An environment with a
        managed Python comes before a container; containers use the Python of their base.
    type: list
    elements: str
    choices: [system, managed]
    default: [system, managed]
  container_base:
    description:
      - Base image of containers, as a reference, best with its digest. By default the catalogue's
        first.
    type: str
    default: ""
  container_root:
    description:
      - Tar of a root file system on the controller, instead of O(container_base). Its facts are read from it.
    type: str
    default: ""
  container_facts:
    description:
      - What is in a base that the catalogue does not know, in the layout of the hosts' facts (C(os), C(libc),
        C(pythons), C(ffmpeg), C(machine)). Overrides what is read from O(container_root).
    type: dict
    default: {}
  container_engine:
    description: Engine that runs the containers; the first that a host has when empty.
    type: str
    choices: ["", podman, docker]
    default: ""
  container_install:
    description: Whether a host without an engine gets a plan because one will be installed.
    type: bool
    default: false
  gpus:
    description:
      - The GPUs to use on a host where not all of them are, numbers as C(nvidia-smi) counts them, or words of
        their names. All of them if the list is empty.
      - The commands see only these, by CUDA_VISIBLE_DEVICES.
    type: list
    elements: str
    default: []
  requests:
    description:
      - What differs by host, per option, as option to host to value.
      - The options are O(packages), O(extras), O(wheels), O(runtime), O(device), O(gpus), O(remedies),
        O(unknown), O(interpreters) and those that begin with C(container_).
    type: dict
    default: {}
  catalogue:
    description: Directory of the catalogue.
    type: path
    required: true
  everything:
    description:
      - Whether RV(details) lists every version that was ruled out, not only the newer ones.
    type: bool
    default: false
  output:
    description:
      - File for the decision as JSON. It is what was asked for and no part of any host, so it is written in
        check mode too, and does not count as a change.
    type: path
  page:
    description:
      - File for the decision as a page for people. One that ends in C(.html) is a single HTML file without
        anything from outside, one that ends in C(.md) is Markdown. Written as O(output) is.
    type: path
  templates:
    description:
      - Directory of the templates of O(page), which needs it.
    type: path
  lock_dir:
    description:
      - Directory of the locks. The versions of O(extras) that are locked there become part of RV(hosts).
    type: path
  cache_dir:
    description:
      - Directory that keeps what was read from O(container_root) and O(wheels), by digest. By default it is
        C($XDG_CACHE_HOME/whisperx-fleet) or C(~/.cache/whisperx-fleet).
    type: path
  compare:
    description:
      - The JSON of an earlier plan, written to O(output). RV(changes) then says what differs from it. May be
        the same file as O(output), it is read first.
    type: path
attributes:
  check_mode:
    description: Changes nothing on any host in any mode.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
requirements:
  - python >= 3.11
  - packaging
  - resolvelib
  - PyYAML
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Decide for all hosts of the play
  whisperx_plan:
    hosts: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['ansible_facts',
    'whisperx_host']))) }}"
    packages: {whisperx: ">=3.8"}
    requests: {packages: {edge1: {ctranslate2: ""}}}
    catalogue: "{{ playbook_dir }}/../roles/whisperx_plan/files/catalogue"
  delegate_to: localhost
  run_once: true
  register: plan

- name: Ask what a host would get that does not exist yet
  whisperx_plan:
    hosts:
      gpu-next-month:
        os: {id: debian, version: "13"}
        libc: {family: glibc, version: "2.41"}
        machine: x86_64
        pythons: [{path: /usr/bin/python3.13, version: "3.13.5"}]
        gpus: [{name: NVIDIA L4, compute_capability: "8.9"}]
        nvidia_driver: {version: "570.124.06", cuda: "12.8", state: running}
    catalogue: "{{ playbook_dir }}/../roles/whisperx_plan/files/catalogue"
    output: /tmp/plan.json
    compare: /tmp/plan-of-last-month.json
    page: /tmp/plan.html
    templates: "{{ playbook_dir }}/../roles/whisperx_plan/files/page"
  run_once: true
"""

RETURN = r"""
unread:
  description: Host to C(state) and C(message), of the hosts whose facts could not be read.
  returned: success
  type: dict
hosts:
  description: >-
    Host name to plan or refusal. A refusal has C(verdict) V(refused), C(reasons) and C(remedies); a plan has
    C(verdict) V(plan), its C(class), versions, constraints, environment, remedies, reasons and notes.
  returned: success
  type: dict
  sample:
    db1:
      verdict: plan
      class: x86_64-glibc2.41-cp313-cpu-8ff2fcd8
      device: cpu
      python: "3.13"
      pins: {whisperx: 3.8.6, ctranslate2: 4.8.5, torch: 2.8.0}
      constraints: {ctranslate2: ">=4.6.0,<=4.8.5", torch: "==2.8.0"}
      reasons: []
classes:
  description: Class to the part of the plan that its hosts share.
  returned: success
  type: dict
table:
  description: The decision as lines for people, a line of headings first.
  returned: success
  type: list
  elements: str
details:
  description: >-
    Versions, what was ruled out, remedies and notes as lines for people; hosts with one plan together.
  returned: success
  type: list
  elements: str
wheels:
  description: >-
    The wheels of O(wheels), each with C(file), C(sha256), C(path), what was measured in it, the C(hosts) that
    get it, and C(why) the others do not.
  returned: success
  type: list
  elements: dict
changes:
  description: >-
    What differs from the earlier plan: the hosts that would break (C(breaks)), are fixed (C(cured)), move to
    another class (C(class)), get other versions (C(versions)), are new or gone, and how many are unchanged.
  returned: when O(compare) is set
  type: dict
  sample:
    breaks: [{host: db1, from: x86_64-glibc2.36-cp311-cpu-8ff2fcd8, rule: python.band, reason: "…"}]
    cured: []
    class: [{host: db2, from: x86_64-glibc2.36-cp311-cpu-8ff2fcd8, to: x86_64-glibc2.41-cp313-cpu-1b2c3d4e}]
    versions: [{host: db2, pins: {ctranslate2: [4.5.0, 4.8.5]}}]
    new: []
    gone: [{host: db9, verdict: plan}]
    unchanged: 7
change_lines:
  description: The changes as lines for people.
  returned: when O(compare) is set
  type: list
  elements: str
document:
  description: What is written to O(output).
  returned: when O(output) is not set
  type: dict
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.distro import LinuxDistribution

from ..module_utils.whisperx_image.root import root_facts
from ..module_utils.whisperx_plan.options import ARGUMENTS
from ..module_utils.whisperx_plan.run import run
from ..module_utils.whisperx_problem import Problem


def main() -> None:
    """Read the options, decide, write the documents that are wanted, and return the decision."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **run(module.params, facts_in))
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())


def facts_in(root: str, cache: str) -> Dict[str, Any]:
    """Return the facts of the root file system in a tar."""
    return root_facts(root, LinuxDistribution, cache)


if __name__ == "__main__":
    main()
