"""What make is told and does not know ends it before anything runs; Ansible's exit status stays in a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The environment of this run is new enough, however old its stamp is.
MADE = ["-o", ".venv/.controller", "-o", ".venv/.collections", "-o", "preflight"]
VERBS = ["site", "plan", "verify", "rollback", "guard", "doctor", "audit", "bake", "bundle"]


def made(*arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *MADE, *arguments],
        cwd=folder,
        env={**kept, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("INVENTROY=hosts.yml", "Unknown variable on the command line (INVENTROY)"),
        ("inventory=hosts.yml", "(inventory)"),
        ("limit=gpu-01", "(limit)"),
        ("whisperx_plan_device=cpu", "(whisperx_plan_device)"),
        ("hosts.yml", "Unknown target (hosts.yml)"),
        ("Makefile", "Unknown target (Makefile)"),  # a file that is there needs no recipe
        ("INVENTORY=", "INVENTORY is empty"),
    ],
)
def test_a_word_that_make_does_not_know_ends_every_verb(verb: str, word: str, said: str) -> None:
    result = made("-n", verb, word)
    assert result.returncode == 2
    assert said in result.stderr and "Nothing was run" in result.stderr
    assert "ansible-playbook" not in result.stdout


def test_what_the_environment_says_is_not_examined() -> None:
    known = {"INVENTROY": "x", "HTTPS_PROXY": "http://proxy:3128", "limit": "y"}
    result = made("-n", "plan", "INVENTORY=a.yml -i b.yml", "ARGS=--limit 'x y'", "no_proxy=local", **known)
    assert result.returncode == 0
    assert "-i a.yml -i b.yml --limit 'x y'" in result.stdout


def test_the_exit_status_of_ansible_is_in_a_file(tmp_path: Path) -> None:
    for name in (
        "Makefile",
        "ansible.cfg",
        "playbooks",
        "lookup_plugins",
        "module_utils",
        "roles",
        "library",
    ):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    (tmp_path / "action_plugins").symlink_to(ROOT / "action_plugins")
    (tmp_path / "reports").mkdir()
    status = tmp_path / "reports/plan.exit"
    status.write_text("0\n")
    result = made("plan", "INVENTORY=missing.yml", folder=tmp_path)
    assert result.returncode == 2 and "does not exist" in result.stderr
    assert status.read_text() == "1\n"
    assert made("plan", "INVENTORY=web1,", "ARGS=--list-hosts", folder=tmp_path).returncode == 0
    assert status.read_text() == "0\n"


def test_all_that_has_a_full_form_is_run_in_full() -> None:
    """By name, by its folder, or by the file of the laboratory that it takes its cases from."""
    words = made("-n", "-o", ".venv/.test", "-o", "packages", "attack").stdout.split()
    places = [ROOT / word for word in words if word.startswith("tests/")]
    labs = {
        path.stem
        for path in (ROOT / "tests/integration").glob("*_lab.py")
        if "import FULL" in path.read_text("utf-8")
    }
    sources = {"tests.attack.strength", *labs}
    missing = [
        path.name
        for path in (ROOT / "tests").rglob("test_*.py")
        if sources & set(re.findall(r"(?m)^from (\S+) import", path.read_text("utf-8")))
        if not any(path == place or place in path.parents for place in places)
    ]
    assert labs and missing == []
