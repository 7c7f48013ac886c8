"""Names in a checkout's files become those that resolve from anybody's playbook; nothing else changes."""

from __future__ import annotations

import pytest

from tools.galaxy.names import Names, playbook_text, plugin_text, tasks_text

NAMES = Names(
    "whisperx.fleet.",
    {"whisperx_plan", "whisperx_env"},
    {"whisperx_plan"},
    {"plan", "site"},
    {"whisperx_hosts"},
)

TASKS = """\
---
# A comment: whisperx_plan: stays.
- name: One play
  hosts: all
  roles:
    - whisperx_plan
    - role: "whisperx_plan"
    - theirs
  tasks:
    - name: whisperx_plan
      whisperx_plan:
        whisperx_env: an option of that name
      register: whisperx_plan
    - name: Without options
      block:
        - name: Import
          ansible.builtin.import_role:
            name: whisperx_plan
            tasks_from: whisperx_plan
        - name: Another's
          ansible.builtin.include_role: {name: theirs}
      rescue: &end
        - whisperx_env:
      always: *end
"""
CHANGED = {
    6: "    - whisperx.fleet.whisperx_plan",
    7: '    - role: "whisperx.fleet.whisperx_plan"',
    11: "      whisperx.fleet.whisperx_plan:",
    18: "            name: whisperx.fleet.whisperx_plan",
    23: "        - whisperx.fleet.whisperx_env:",
}


def test_modules_and_roles_of_tasks() -> None:
    lines = TASKS.splitlines()
    wanted = [CHANGED.get(number, line) for number, line in enumerate(lines, 1)]
    assert tasks_text(TASKS, NAMES).splitlines() == wanted
    assert tasks_text("---\n", NAMES) == "---\n"


MODULE = '''\
#!/usr/bin/python
DOCUMENTATION = r"""
module: whisperx_plan
description:
  - Takes what M(whisperx_env) returns in RV(whisperx_env#module:plan). C(playbooks/plan.yml) calls it.
seealso:
  - module: whisperx_env
"""

EXAMPLES = r"""
- name: Plan
  whisperx_plan:
"""

from ..module_utils.whisperx_plan import run

NOTE = "M(whisperx_env), whisperx_plan: in a text that is no page"
'''


def test_pages_of_a_module() -> None:
    found = plugin_text(MODULE, NAMES)
    assert "module: whisperx_plan\n" in found and "  - module: whisperx.fleet.whisperx_env\n" in found
    assert "M(whisperx.fleet.whisperx_env) returns in RV(whisperx.fleet.whisperx_env#module:plan)" in found
    assert "C(whisperx.fleet.plan) calls" in found and "\n  whisperx.fleet.whisperx_plan:\n" in found
    assert found.endswith(MODULE[MODULE.index("from ..") :])


PLUGIN = """\
import typing as t
from pathlib import Path

import ansible.plugins
from ansible.plugins.action import ActionBase

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction  # noqa: E402
"""


def test_a_plugin_leaves_out_what_only_a_checkout_needs() -> None:
    assert plugin_text(PLUGIN, NAMES).split("\n") == [
        "import typing as t",
        "",
        "from ansible.plugins.action import ActionBase",
        "",
        "from ..plugin_utils.whisperx_action.action import ControllerAction",
        "",
    ]
    assert "from pathlib import Path\n" in plugin_text(PLUGIN + "HERE = Path()\n", NAMES)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Run site.yml.", "Run whisperx.fleet.site."),
        ("run playbooks/plan.yml", "run whisperx.fleet.plan"),
        ("{{ lookup('whisperx_hosts', 'all') }}", "{{ lookup('whisperx.fleet.whisperx_hosts', 'all') }}"),
        ("{{ lookup('theirs', 'whisperx_hosts') }}", None),
        ("playbooks/theirs.yml", None),
        ("mysite.yml, my/site.yml, site.yml2, docs/playbooks/plan.yml", None),
    ],
)
def test_playbooks_and_lookups_in_texts(text: str, wanted: str | None) -> None:
    assert playbook_text(text, NAMES) == (wanted or text)
