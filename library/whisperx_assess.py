#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: read the facts of a host, and whether its environment would stay as it is."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_assess
short_description: Read the facts of a host, and whether its environment would stay as it is
description:
  - Reads what M(whisperx_host_facts) reads. In the same run it asks whether the active release below
    O(environment.root) would stay as it is, if what it was made for were asked for again.
  - With O(models) it lists the store of models as well, for M(whisperx_models).
  - M(whisperx_env) uses the answer if what it is asked for is the same, and then does not contact the host.
    So a converged host costs one module run.
  - It changes nothing, and it is run by the action plugin of M(whisperx_host_facts).
options:
  root:
    description: Where the host's file system begins.
    type: path
    default: /
  timeout:
    description: Seconds that one question to the host may take.
    type: float
    default: 20.0
  assume:
    description: Facts by name; each replaces what was read.
    type: dict
    default: {}
  environment:
    description: Options of M(whisperx_env) by which the environment is assessed.
    type: dict
    required: true
    suboptions:
      root:
        description: Directory of the environment.
        type: path
        default: /opt/whisperx
      keep:
        description: How many complete releases stay.
        type: int
        default: 2
      verify_level:
        description: How far the active release must have been verified.
        type: str
        choices: [import, kernels, pipeline, speech]
        default: pipeline
      bin_dir:
        description: Directory of the links to the commands, none when empty.
        type: path
        default: /usr/local/bin
      facts_dir:
        description: Directory of the static fact file, none when empty.
        type: path
        default: /etc/ansible/facts.d
      cache:
        description: Directory of shared downloads, none when empty.
        type: path
        default: ""
      models_dir:
        description: As in M(whisperx_env).
        type: path
        default: /opt/whisperx/models
      hashes:
        description: As in M(whisperx_env).
        type: bool
        default: false
      services:
        description: As in M(whisperx_env).
        type: dict
      metrics_dir:
        description: As in M(whisperx_env).
        type: path
  models:
    description:
      - Options of M(whisperx_models) by which the store of models is listed. Without them it is not.
    type: dict
    suboptions:
      dir:
        description: Directory of the store.
        type: path
        default: /opt/whisperx/models
      keep:
        description: How many sets stay.
        type: int
        default: 1
      hashes:
        description: As in M(whisperx_models).
        type: bool
        default: false
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Gather host facts and assess the environment
  whisperx_assess:
    environment:
      root: /opt/whisperx
  become: true
"""

RETURN = r"""
ansible_facts:
  description: The facts, as M(whisperx_host_facts) returns them.
  returned: success
  type: dict
assessed:
  description:
    - C(asked), what the active release was made for, C(options), by which it was assessed, and C(result),
      what M(whisperx_env) returns if it is asked for the same.
    - Empty when there is something to do, or to complain of.
  returned: success
  type: dict
models:
  description: What the store of models holds, by names, sizes and times; C(problem) says why it is not known.
  returned: with O(models)
  type: dict
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.distro import LinuxDistribution

from ..module_utils.whisperx_common.zipped import compile_once

compile_once()

from ..module_utils.whisperx_env.standing import OPTIONS, assess
from ..module_utils.whisperx_host.probe import probe
from ..module_utils.whisperx_metrics.late import watch
from ..module_utils.whisperx_models_host.standing import LISTED as MODELS
from ..module_utils.whisperx_models_host.standing import assess as listed
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_service.late import secret_values


def main() -> None:
    """Read the host, assess its environment, return both."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "timeout": {"type": "float", "default": 20.0},
            "assume": {"type": "dict", "default": {}},
            "environment": {"type": "dict", "required": True, "options": OPTIONS},
            "models": {"type": "dict", "options": MODELS},
        },
        supports_check_mode=True,
    )
    given = module.params
    module.no_log_values.update(secret_values(given["environment"]["services"]))
    try:
        facts = probe(given["root"], given["timeout"], given["assume"], LinuxDistribution)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    assessed = assess(given["environment"], [watch(given["environment"]["metrics_dir"])])
    found: Dict[str, Any] = {"models": listed(**given["models"])} if given["models"] else {}
    module.exit_json(changed=False, ansible_facts={"whisperx_host": facts}, assessed=assessed, **found)


if __name__ == "__main__":
    main()
