#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_doctor; the work is done in module_utils/whisperx_doctor."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_doctor
short_description: Report why a WhisperX environment does not work
version_added: 0.1.0
description:
  - Examines environments that this toolkit made, and any other Python environment of the host. Reads
    the facts, audits every shared object, compares the files with the records of their packages, then runs
    the real thing in a child process until it fails, and names the failure if it is a known one, with the
    evidence, the fix, and the command of this toolkit that applies it.
  - Reads only. No byte code is written, home and caches are in a temporary directory that is removed.
  - An environment that belongs to another user than root is run as that user.
options:
  paths:
    description:
      - The environments, each a root of this toolkit, a virtual or conda environment, an interpreter, or a
        directory of packages.
    type: list
    elements: path
    default: [/opt/whisperx]
  find:
    description:
      - Look in the usual places too, C(/opt), C(/srv), C(/usr/local), C(/var/lib), homes, the system's
        interpreters, for environments with whisperx, faster-whisper, ctranslate2 or torch.
    type: bool
    default: false
  root:
    description:
      - Root directory of the system to examine. With another directory than C(/), a mounted or unpacked
        image, the facts and files below it are judged and nothing is run, so RV(verdict) is never V(fit).
    type: path
    default: /
  level:
    description:
      - How far to run it; each level includes those before it. V(audit) runs nothing, see M(whisperx_verify)
        for the others.
    type: str
    choices: [audit, import, kernels, pipeline]
    default: pipeline
  device:
    description:
      - What to compute on. V(auto) is the device of the plan, elsewhere the GPU if a driver serves one.
    type: str
    choices: [auto, cpu, cuda]
    default: auto
  variables:
    description: Environment variables to run it with, those of a service for instance.
    type: dict
    default: {}
  python:
    description: Interpreter for a bare directory of packages; by default the one it was made for.
    type: path
  logs:
    description: Text files with the words of a failure, which are explained too. They do not decide.
    type: list
    elements: path
    default: []
  timeout:
    description: Seconds that each level may take.
    type: float
    default: 600.0
  knowledge:
    description: The failure rows and what belongs to them, see C(roles/whisperx_doctor/files/knowledge.json).
    type: dict
    required: true
  host:
    description: Name of the host in the inventory, for the commands that are named.
    type: str
    default: ""
  inventory:
    description: The inventory, for the commands that are named.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: The module changes nothing.
  diff_mode:
    support: none
    description: The module changes nothing.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Ask the doctor about the environment of this toolkit
  whisperx_doctor:
    knowledge: "{{ lookup('ansible.builtin.file', 'knowledge.json') | from_json }}"

- name: Ask about whatever is on the host
  whisperx_doctor:
    find: true
    level: import
    knowledge: "{{ lookup('ansible.builtin.file', 'knowledge.json') | from_json }}"

- name: Examine a mounted image
  whisperx_doctor:
    root: /mnt/image
    knowledge: "{{ lookup('ansible.builtin.file', 'knowledge.json') | from_json }}"
"""

RETURN = r"""
verdict:
  description:
    - C(fit), C(unfit), or C(unknown) where nothing could be run and nothing is wrong with the files. Of
      several environments the worst.
  returned: success
  type: str
  sample: unfit
condition:
  description: The same as the condition that other reports use, C(healthy), C(broken) or C(unknown).
  returned: success
  type: str
  sample: broken
exit_code:
  description: The same as a number, 0 fit, 1 unfit, 2 unknown.
  returned: success
  type: int
  sample: 1
environments:
  description: One diagnosis per environment.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The environment.
      type: str
      sample: /opt/whisperx
    verdict:
      description: The verdict on it.
      type: str
      sample: unfit
    condition:
      description: Its condition.
      type: str
      sample: broken
    failures:
      description:
        - Known failures that explain the verdict; C(id) is stable, C(evidence) the lines, files and facts by
          which it was recognised, C(cure) the fix, C(toolkit) whether and how this toolkit does that
          (C(applies) is C(here), C(beside) for an environment that it did not make, or C(no)).
      type: list
      elements: dict
      sample:
        - id: failure.execstack
          sentence: CTranslate2's library asks for an executable stack, and the C library refuses that.
          evidence:
            - {kind: fact, text: libc.version is 2.41}
          cure: Take ctranslate2 4.6.0 or newer.
          toolkit: {applies: here, actions: [upgrade], commands: [{command: make site, does: builds a set}]}
          source: OpenNMT/CTranslate2#1849
          confidence: measured
    notes:
      description: The same of what is known and does not decide.
      type: list
      elements: dict
      sample: []
    unexplained:
      description: What was seen and no row explains.
      type: list
      elements: dict
      sample: []
    outside:
      description:
        - Libraries that the messages name and that are not the environment's, each with C(path) and C(text),
          which says whose it is (a package of the system, of pip or conda, a CUDA toolkit) and by what way it
          came in.
      type: list
      elements: dict
      sample: []
    checks:
      description: What was tried, see M(whisperx_verify).
      type: list
      elements: dict
      sample: []
page:
  description: All of it as lines for a person to read.
  returned: success
  type: list
  elements: str
  sample: ["/opt/whisperx    UNFIT: it does not work"]
rule:
  description: Stable identity of what was asked wrongly, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
  sample: doctor.log
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.distro import LinuxDistribution

from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_doctor.consult import Where, consult
from ..module_utils.whisperx_doctor.records import Asked
from ..module_utils.whisperx_problem import Problem


def main() -> None:
    """Consult the doctor and return what was told."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": ["/opt/whisperx"]},
            "find": {"type": "bool", "default": False},
            "root": {"type": "path", "default": "/"},
            "level": {
                "type": "str",
                "default": "pipeline",
                "choices": ["audit", "import", "kernels", "pipeline"],
            },
            "device": {"type": "str", "default": "auto", "choices": ["auto", "cpu", "cuda"]},
            "variables": {"type": "dict", "default": {}},
            "python": {"type": "path"},
            "logs": {"type": "list", "elements": "path", "default": []},
            "timeout": {"type": "float", "default": 600.0},
            "knowledge": {"type": "dict", "required": True},
            "host": {"type": "str", "default": ""},
            "inventory": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    module.no_log_values.update(secrets_of(given))
    if given["timeout"] <= 0:
        module.fail_json(
            msg=f"argument 'timeout' must be a positive number of seconds, not {given['timeout']}"
        )
    where = Where(given["paths"], given["find"], given["python"] or "", given["logs"])
    asked = Asked(
        given["level"],
        given["device"],
        given["timeout"],
        {name: str(value) for name, value in given["variables"].items()},
        given["root"],
        given["host"],
        given["inventory"],
    )
    try:
        told = consult(where, asked, given["knowledge"], LinuxDistribution)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    for sentence in told.pop("warnings"):
        module.warn(sentence)
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
