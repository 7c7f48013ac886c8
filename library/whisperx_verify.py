#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_verify; the work is done in module_utils/whisperx_verify."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_verify
short_description: Verify the WhisperX environment of a host by running it
version_added: 0.1.0
description:
  - Runs the active release below O(root) through its own launcher, on the device of its plan. Nothing is
    simulated but the model, which is generated on the spot, and the sound; nothing is downloaded.
  - A package that kills the process with a signal, or hangs, is a finding that names it; the checks after it
    are still done.
  - Reads only. Temporary files (about 20 MB) are removed.
options:
  root:
    description: Directory of the environment, as given to M(whisperx_env).
    type: path
    default: /opt/whisperx
  level:
    description:
      - How far to go; each level includes those before it.
      - V(import) imports every top package of the plan.
      - V(kernels) lets CTranslate2 compute a generated model on every unit of the planned device, in every
        number format that it supports there, compares the numbers, and lets torch compute once.
      - V(pipeline) transcribes generated speech with faster-whisper and WhisperX, where they are in the set,
        with voice activity detection, ffmpeg and alignment.
    type: str
    choices: [import, kernels, pipeline, speech]
    default: pipeline
  timeout:
    description: Seconds that each level may take. A check that hangs costs all of it.
    type: float
    default: 600.0
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
- name: Verify the environment with the whole pipeline
  whisperx_verify:

- name: See in a few seconds whether another environment still computes
  whisperx_verify:
    root: /srv/whisperx
    level: kernels
    timeout: 60
"""

RETURN = r"""
ok:
  description: Whether every check that is not optional went well. The module fails when not.
  returned: always, when there is an environment
  type: bool
  sample: true
level:
  description: How far the checks went.
  returned: always, when there is an environment
  type: str
  sample: pipeline
device:
  description: The device of the plan.
  returned: always, when there is an environment
  type: str
  sample: cpu
release:
  description: Identity of the active release.
  returned: always, when there is an environment
  type: str
  sample: whisperx-3.8.6-cpu-0123456789ab
seconds:
  description: Time that all checks took.
  returned: always, when there is an environment
  type: float
  sample: 11.9
checks:
  description:
    - What was tried, in order. C(detail) is what was seen, or where it failed; C(error) the last line of the
      exception or of the output; C(signal) the signal that ended the process in the middle of the check.
  returned: always, when there is an environment
  type: list
  elements: dict
  sample:
    - name: kernels cpu int8
      ok: true
      seconds: 0.09
      detail: runs as int8_float32, likeness 1.0000
      error: ""
      signal: null
      optional: false
findings:
  description: Sentences about the checks that failed.
  returned: always, when there is an environment
  type: list
  elements: str
  sample: []
output:
  description: The end of what the failed process printed, empty when all went well.
  returned: always, when there is an environment
  type: str
  sample: ""
conditions:
  description:
    - What in the session of the user who runs the module keeps programs from working although the release
      works, such as a home or caches that cannot be written, a full directory for temporary files, or a
      LD_LIBRARY_PATH with other libraries. Each is a warning too, and fails nothing.
  returned: always, when there is an environment
  type: list
  elements: str
  sample: ["the home directory / cannot be written by user id 1001; it belongs to root"]
table:
  description: The checks as lines for a person to read.
  returned: always, when there is an environment
  type: list
  elements: str
  sample: ["verified: import on cpu, 3.1 s, release whisperx-3.8.6-cpu-0123456789ab"]
rule:
  description: Stable identity of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
  sample: verify.failed
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common.zipped import compile_once

compile_once()

from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_verify.release import failure, prove_current, table
from ..module_utils.whisperx_verify.runner import DEFAULT_TIMEOUT


def main() -> None:
    """Run the checks and return the report."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/opt/whisperx"},
            "level": {
                "type": "str",
                "default": "pipeline",
                "choices": ["import", "kernels", "pipeline", "speech"],
            },
            "timeout": {"type": "float", "default": DEFAULT_TIMEOUT},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["timeout"] <= 0:
        module.fail_json(
            msg=f"argument 'timeout' must be a positive number of seconds, not {given['timeout']}"
        )
    try:
        trust.check({given["root"]: "whisperx_verify_root"}, "verify.untrusted-directory")
        report = prove_current(given["root"], given["level"], given["timeout"])
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    for sentence in report.pop("warnings"):
        module.warn(sentence)
    for sentence in report["conditions"]:
        module.warn(f"This session: {sentence}")
    result = dict(report, table=table(report))
    if not report["ok"]:
        problem = failure(report)
        module.fail_json(msg=problem.sentence(), **problem.record(), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
