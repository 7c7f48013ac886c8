"""What a verb prints for a person is read line by line, whichever callback prints it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TEXT = "one: a\n  two {{ it }}"
AS_LIST = '    "msg": [\n        "one: a",\n        "  two {{ it }}"\n    ]'
AS_YAML = "    msg: |-\n        one: a\n          two {{ it }}\n"


@pytest.mark.parametrize("lines", [TEXT, TEXT.splitlines()], ids=["text", "list"])
@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        (["stdout_callback = ansible.builtin.minimal"], AS_LIST),
        (["stdout_callback = ansible.builtin.default"], AS_LIST),
        (["stdout_callback = ansible.builtin.default", "callback_result_format = yaml"], AS_YAML),
        (["stdout_callback = community.general.unixy"], AS_LIST.replace("    ", "", 1)),
    ],
    ids=["minimal", "default", "YAML", "unixy"],
)
def test_lines_stay_lines(tmp_path: Path, settings: list[str], printed: str, lines: str | list[str]) -> None:
    head = ["[defaults]", f"lookup_plugins = {ROOT}/lookup_plugins"]
    (tmp_path / "ansible.cfg").write_text("\n".join([*head, *settings]))
    raw = {"__ansible_unsafe": json.dumps(lines)}
    task = {"ansible.builtin.debug": {"msg": "{{ query('whisperx_lines', given | from_json) | first }}"}}
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"given": raw}, "tasks": [task]}
    (tmp_path / "play.json").write_text(json.dumps([play]))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "play.json"],
        cwd=tmp_path, env=kept | {"ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and printed in done.stdout, done.stdout + done.stderr


def test_roles_print_lines_no_other_way() -> None:
    tasks = [
        task
        for path in ROOT.glob("roles/*/tasks/*.yml")
        for task in yaml.safe_load(path.read_text("utf-8"))
        if "ansible.builtin.debug" in task
    ]
    told = [task["ansible.builtin.debug"]["msg"].strip() for task in tasks]
    assert len(told) > 8 and [text for text in told if "\n" in text or "join('\\n')" in text] == []
