"""What a CI service and a collaboration service read is valid by their schemas, and names what exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.github-issue-forms": FORMS,
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE/config.yml"],
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_of_the_services_are_valid(schema: str) -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        schema,
        *map(str, SCHEMAS[schema]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert SCHEMAS[schema] and done.returncode == 0, done.stdout + done.stderr


def test_an_invalid_workflow_is_found(tmp_path: Path) -> None:
    """The schema is there and is asked: a job without a machine is none."""
    (tmp_path / "broken.yml").write_text("on: push\njobs: {check: {steps: []}}\n")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(tmp_path / "broken.yml")], capture_output=True, check=False)
    assert done.returncode == 1


def test_workflows_and_hooks_run_what_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*)(?: [a-z -]+)?:", (ROOT / "Makefile").read_text("utf-8")))
    targets |= {"truth", "attack", "check", "collection", "molecule"}
    text = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", text))
    named |= set(re.findall(r"target: \[([^\]]*)\]", text)[0].split(", "))
    assert {"check", "collection", "molecule", "truth"} <= named and named - targets - {"test"} == set()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    programs = {hook["entry"].split()[0] for hook in hooks}
    locked = (ROOT / "requirements/test.txt").read_text("utf-8")
    for program in sorted(programs):
        name = Path(program).name
        assert program.startswith(".venv/bin/") and (name == "python" or f"\n{name}==" in locked)


def test_the_version_stands_in_one_place() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert re.search(r"(?m)^dynamic = \[\"version\"\]$", (ROOT / "pyproject.toml").read_text("utf-8"))
    released = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text("utf-8"))["releases"]
    assert version in released


def test_every_header_names_a_licence_that_is_there() -> None:
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text("utf-8")[:200]
    files = [path for folder in ("library", "lookup_plugins") for path in (ROOT / folder).glob("*.py")]
    assert [path.name for path in files if "COPYING" in path.read_text("utf-8")] == []


def test_the_licence_of_every_locked_package_is_listed() -> None:
    done = subprocess.run(
        [sys.executable, "tools/licences.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()) == (0, [])
