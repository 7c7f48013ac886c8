"""The module whisperx_plan, from its arguments to its result and its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.unit.whisperx_catalogue.knowledge import CATALOGUE
from tests.unit.whisperx_plan.hosts import facts

ROOT = Path(__file__).resolve().parents[3]
from ansible.modules import whisperx_plan  # noqa: E402


def run_module(capsys: pytest.CaptureFixture[str], **arguments: Any) -> tuple[int, dict[str, Any]]:
    arguments = {
        "hosts": {"a": facts()},
        "catalogue": str(CATALOGUE),
        "packages": {"ctranslate2": ""},
        **arguments,
    }
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        whisperx_plan.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_a_plan(capsys):
    code, result = run_module(capsys)
    assert code == 0 and result["changed"] is False
    record = result["hosts"]["a"]
    assert record["verdict"] == "plan"
    assert list(result["classes"]) == [record["class"]]
    assert result["document"] == {"schema": 1, "hosts": result["hosts"]}
    assert len(result["table"]) == 2


def test_refusals_are_no_failure(capsys):
    code, result = run_module(capsys, hosts={"a": facts(), "b": {"machine": 3.5}, "c": {}})
    assert code == 0
    assert [result["hosts"][name]["verdict"] for name in "abc"] == ["plan", "refused", "refused"]


def test_hosts_may_differ_in_what_they_ask_for(capsys):
    code, result = run_module(
        capsys,
        hosts={"a": facts(), "b": facts()},
        requests={"packages": {"b": {"faster-whisper": ""}}},
    )
    assert code == 0
    assert "faster-whisper" not in result["hosts"]["a"]["pins"]
    assert "faster-whisper" in result["hosts"]["b"]["pins"]


@pytest.mark.parametrize("check", [False, True])
def test_the_document_is_written_in_any_mode(capsys, tmp_path, check):
    file = tmp_path / "plan.json"
    code, result = run_module(capsys, output=str(file), _ansible_check_mode=check)
    assert code == 0 and result["changed"] is False and "document" not in result
    assert json.loads(file.read_text())["hosts"] == result["hosts"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", ["plan.html", "plan.md"])
def test_the_page_is_written_in_any_mode(capsys, tmp_path, check, name):
    file = tmp_path / name
    templates = str(CATALOGUE.parent / "page")
    code, result = run_module(capsys, page=str(file), templates=templates, _ansible_check_mode=check)
    assert code == 0 and result["changed"] is False and "document" in result
    assert result["hosts"]["a"]["class"] in file.read_text().replace("\\", "")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_page_wants_its_templates(capsys, tmp_path):
    code, result = run_module(capsys, page=str(tmp_path / "plan.html"))
    assert code == 1 and "templates" in result["msg"]


def test_the_plan_before_may_be_the_file_to_write(capsys, tmp_path):
    file = str(tmp_path / "plan.json")
    run_module(capsys, hosts={"a": facts(), "b": facts()}, output=file)
    code, result = run_module(capsys, hosts={"a": facts(), "b": {}}, output=file, compare=file)
    assert code == 0
    assert [entry["host"] for entry in result["changes"]["breaks"]] == ["b"]
    assert result["changes"]["breaks"][0]["rule"] == "facts.missing"
    assert any("would break (1)" in line for line in result["change_lines"])
    code, result = run_module(capsys, hosts={"a": facts(), "b": {}}, compare=file)
    assert code == 0 and result["changes"]["unchanged"] == 2


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"extras": {"-r /etc/passwd": ""}}, "request.extras"),
        ({"requests": {"extras": {"a": {"nltk": "3.9"}}}}, "request.malformed-specifier"),
        ({"packages": {"ctranslate2": "4.8.5"}}, "request.malformed-specifier"),
        ({"packages": {}}, "request.packages"),
        ({"catalogue": "/nonexistent"}, "catalogue.missing"),
        ({"output": "/nonexistent/plan.json"}, "plan.output"),
        ({"page": "/nonexistent/plan.md", "templates": str(CATALOGUE.parent / "page")}, "plan.output"),
        ({"page": "/nonexistent/plan.pdf", "templates": "/nonexistent"}, "plan.page"),
        ({"page": "/nonexistent/plan.md"}, "plan.page"),
        ({"hosts": None}, "request.hosts"),
        ({"compare": "/nonexistent/plan.json"}, "plan.compare"),
        ({"requests": {"colour": {"a": "red"}}}, "request.override"),
    ],
)
def test_what_cannot_be_done_is_told(capsys, arguments, rule):
    code, result = run_module(capsys, **arguments)
    assert code == 1
    assert result["rule"] == rule
    assert result["wanted"] in result["msg"] and "Traceback" not in result["msg"]
