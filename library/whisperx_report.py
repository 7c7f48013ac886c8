#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module whisperx_report; the work is done in module_utils/whisperx_report."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_report
short_description: Report what a run found and did on every host, as JSON, as a page, and for a terminal
version_added: 0.1.0
description:
  - Runs on the controller, once per run, on what Ansible registered for every host. Contacts no host.
  - An action plugin fills in O(hosts), O(known) and the C(at), C(check) and C(notes) of O(run) from the
    variables of the play's hosts.
  - The page is one file that loads nothing; everything that hosts report about themselves is escaped.
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
        C(result) the result of M(whisperx_env), C(audit) the result of M(whisperx_audit), C(held) and C(lost)
        its result in its wave of a roll-out, C(unread) why there are no facts, C(stderr) what was printed
        instead of them and C(gone) whether it did not respond, C(stopped) whether another task ended the run
        for it.
      - C(problem) is by class, why it could not be locked.
    type: dict
    required: true
  run:
    description: Data of the run itself, C(at), C(playbook), C(check) and C(notes).
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
        empty. Removed if all ended well.
    type: path
    default: ""
  moved:
    description:
      - File for the names of the hosts that switched from one release to another, one a line, for a rollback
        with C(--limit @FILE); none when empty. Removed if no host did.
    type: path
    default: ""
  shown:
    description: Whether RV(lines) are printed if a host did not end well.
    type: bool
    default: true
  templates:
    description: Directory of the page's template, style and script.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: A dry run is reported too and marked as one; the files are written then as well.
  diff_mode:
    support: none
    description: The files differ in every run.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Write the report of a run
  whisperx_report:
    run: {playbook: site}
    page: /var/www/whisperx/index.html
    templates: roles/whisperx_report/files/page
  run_once: true
"""

RETURN = r"""
last:
  description: Whether the callback whisperx_run prints RV(lines) at the end of the run.
  returned: success
  type: bool
totals:
  description: State to the number of hosts in it, worst first.
  returned: success
  type: dict
  sample: {refused: 1, changed: 4, unchanged: 15}
changed_hosts:
  description: How many hosts this run changed, or in check mode would change.
  returned: success
  type: int
unwell:
  description: Names of the hosts that did not end well, for C(--limit).
  returned: success
  type: list
  elements: str
outcomes:
  description: Host to C(state) and C(message), of those that did not end well.
  returned: success
  type: dict
  sample: {db1: {state: unreachable, message: Connection refused}}
lines:
  description:
    - The results of the run for a terminal; each host of a few, the classes of many. Then where
      the page and the list for the next run are, and which file could not be written.
  returned: success
  type: list
  elements: str
ansible_stats:
  description:
    - Custom statistics, as M(ansible.builtin.set_stats) sets them. AWX keeps them as artifacts of the job.
    - The key C(whisperx) has C(schema), C(playbook), C(check), C(hosts), C(changed), C(bytes), C(states) (as
      RV(totals)), C(classes) (class to state to number of hosts) and C(unwell).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_report.files import ARGUMENTS, write_report


def main() -> None:
    """Read the options, write the requested files, and return the totals."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    result, unwritten = write_report(module.params)
    for sentence in unwritten:
        module.warn(sentence)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
