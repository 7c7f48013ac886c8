#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_report; the work is done in module_utils/whisperx_report."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_report
short_description: Write down what a run found and did on every host, as JSON, as a page, and for a terminal
version_added: 0.1.0
description:
  - Runs on the controller, once per run, on what Ansible kept of every host. Reads nothing from any host.
  - The page is one file that asks no other address for anything; what hosts say of themselves is escaped.
options:
  hosts:
    description: Names of the hosts to report.
    type: list
    elements: str
    required: true
  known:
    description:
      - What is known of them, by part and then by host. Each may be absent.
      - C(facts) are those of M(whisperx_host_facts), C(plan) is its record of M(whisperx_plan),
        C(result) what M(whisperx_env) answered, C(audit) what M(whisperx_audit) answered, C(held) and C(lost)
        what became of it in its wave of a roll-out, C(unread) why there are no facts, C(stderr) what came
        instead of them and C(gone) whether it did not answer, C(stopped) whether another task ended the run
        for it.
      - C(problem) is by class, why it could not be locked.
    type: dict
    required: true
  run:
    description: What the report says of the run itself, C(at), C(playbook), C(check) and C(notes).
    type: dict
    required: true
  output:
    description: File for the record as JSON, none when empty.
    type: path
    default: ""
  page:
    description: File for the HTML page, none when empty.
    type: path
    default: ""
  resume:
    description:
      - File for the names of the hosts that did not end well, one a line, for C(--limit @FILE); none when
        empty. Removed where all ended well.
    type: path
    default: ""
  templates:
    description: Directory of the page's template, style and script.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: A dry run is reported too and says that it is one; the files are written then as well.
  diff_mode:
    support: none
    description: The files differ in every run.
author:
  - The whisperx-fleet authors
"""

EXAMPLES = r"""
- name: Write the report of a run
  whisperx_report:
    hosts: [db1]
    known:
      facts: "{{ {'db1': hostvars.db1.ansible_facts.whisperx_host} }}"
    run: {at: "2026-11-23 21:00 UTC", playbook: site, check: false}
    page: /var/www/whisperx/index.html
    templates: roles/whisperx_report/files/page
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
totals:
  description: State to the number of hosts in it, worst first.
  returned: success
  type: dict
  sample: {refused: 1, working: 19}
changed_hosts:
  description: How many hosts this run changed, or in check mode would change.
  returned: success
  type: int
unwell:
  description: Names of the hosts that did not end well, for C(--limit).
  returned: success
  type: list
  elements: str
lines:
  description:
    - What came of the run, for a person at a terminal; each host of a few, the classes of many. Then where
      the page and the list for the next run are, and which file could not be written.
  returned: success
  type: list
  elements: str
ansible_stats:
  description:
    - Custom statistics, as M(ansible.builtin.set_stats) sets them. AWX keeps them as artifacts of the job.
    - The key C(whisperx) has C(playbook), C(check), C(hosts), C(changed), C(bytes), C(states) (as
      RV(totals)), C(classes) (class to state to number of hosts) and C(unwell).
  returned: success
  type: dict
"""

import os
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_common.shape import ANY, fitted
from ..module_utils.whisperx_common.wording import write_whole
from ..module_utils.whisperx_problem import Problem
from ..module_utils.whisperx_report.collect import UNWELL, render_json, report
from ..module_utils.whisperx_report.page import render
from ..module_utils.whisperx_report.terminal import lines


def main() -> None:
    """Read the options, write what is asked for, and answer with the totals."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "known": {"type": "dict", "required": True},
            "run": {"type": "dict", "required": True},
            "output": {"type": "path", "default": ""},
            "page": {"type": "path", "default": ""},
            "resume": {"type": "path", "default": ""},
            "templates": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    record = report(given["hosts"], given["known"], given["run"])
    unwell = [name for name, row in record["hosts"].items() if row["state"] in UNWELL]
    places, unwritten = leave(given, record, unwell)
    for sentence in unwritten:
        module.warn(sentence)
    results = fitted(given["known"].get("result"), {ANY: {"summary": [""]}})
    told = {name: (results.get(name) or {}).get("summary") or [] for name in given["hosts"]}
    module.exit_json(
        changed=False,
        totals=record["totals"],
        changed_hosts=record["changed"],
        unwell=unwell,
        lines=[*lines(record, told), *places, *unwritten],
        ansible_stats={
            "data": {"whisperx": statistics(record, unwell)},
            "per_host": False,
            "aggregate": True,
        },
    )


def statistics(record: dict[str, Any], unwell: list[str]) -> dict[str, Any]:
    """Return the run as counts, for whoever starts the next one."""
    return {
        "playbook": record["run"].get("playbook", ""),
        "check": bool(record["run"].get("check")),
        "hosts": len(record["hosts"]),
        "changed": record["changed"],
        "bytes": record["bytes"],
        "states": record["totals"],
        "classes": record["classes"],
        "unwell": unwell,
    }


def leave(given: dict[str, Any], record: dict[str, Any], unwell: list[str]) -> tuple[list[str], list[str]]:
    """Write the files that were asked for; return lines that say where they are, and what was not written.

    That fails nothing: the hosts are what they are, and the summary is still to be told.
    """
    places: list[str] = []
    unwritten: list[str] = []

    def put(option: str, text: Callable[[], str], line: str) -> None:
        try:
            if given[option]:
                write(given[option], text(), f"whisperx_report_{option}")
                places.extend([line + os.path.realpath(given[option])] if line else [])
        except Problem as problem:
            unwritten.append(problem.sentence())

    put("output", lambda: render_json(record), "")
    put("page", lambda: render(record, given["templates"]), "report: ")
    names = "".join(f"{name}\n" for name in unwell)
    put("resume", lambda: names, "again: --limit @" if unwell else "")
    return places, unwritten


def write(path: str, text: str, option: str) -> None:
    """Put the text in place of the file, whole or not at all; without text no file of an earlier run stays.

    Raises Problem "report.output", "report.untrusted-directory".
    """
    trust.check_file(path, option, "report.untrusted-directory", trust.controller_users())
    try:
        if text:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            write_whole(path, text)
        elif os.path.isfile(path):
            os.unlink(path)
    except OSError as error:
        raise Problem(
            "report.output",
            error.strerror or str(error),
            path,
            "a file that can be written",
            f"Name another file ({option}), or another directory for all of them (whisperx_report_dir).",
        ) from None


if __name__ == "__main__":
    main()
