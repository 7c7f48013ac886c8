"""The module whisperx_doctor, from its arguments to its result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.modules import whisperx_doctor  # noqa: E402

from tests.unit.whisperx_doctor.small_venv import make_release, make_venv
from tools.troubleshooting import knowledge

KNOWLEDGE = knowledge()


def run_module(capsys: pytest.CaptureFixture[str], **arguments: Any) -> tuple[int, dict[str, Any]]:
    with (
        patch_module_args({"knowledge": KNOWLEDGE, "level": "import", **arguments}),
        pytest.raises(SystemExit) as ended,
    ):
        whisperx_doctor.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("check", [False, True])
def test_an_unfit_environment_is_an_answer_and_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], check: bool
) -> None:
    make_release(tmp_path, {"numpy": "import gone"})
    code, result = run_module(
        capsys, paths=[str(tmp_path)], host="one", inventory="hosts.yml", _ansible_check_mode=check
    )
    assert code == 0 and not result["changed"]
    assert (result["verdict"], result["exit_code"]) == ("unfit", 1)
    (failure,) = result["environments"][0]["failures"]
    assert failure["id"] == "failure.module-missing"
    assert '--limit one"' in failure["toolkit"]["commands"][0]["command"]
    assert "UNFIT" in result["page"][0]


def test_nothing_there_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run_module(capsys, paths=[str(tmp_path / "none")])
    assert code == 0 and result["verdict"] == "unknown"
    assert "there is no such path" in result["page"][-1]


def test_options_reach_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "import os; assert os.environ['SERVICE'] == '1'"
    venv = make_venv(tmp_path / "venv", {"numpy": source})
    assert run_module(capsys, paths=[str(venv)], variables={"SERVICE": 1})[1]["verdict"] == "fit"
    assert run_module(capsys, paths=[str(venv)], level="audit")[1]["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"logs": ["/no/such/log"]}, "doctor.log"),
        ({"knowledge": {"failures": []}}, "doctor.rows"),
        ({"root": "/no/such/root"}, "host.root"),
    ],
)
def test_asked_wrongly(capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], rule: str) -> None:
    code, result = run_module(capsys, **arguments)
    assert code == 1 and result["failed"] and result["rule"] == rule


def test_a_timeout_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run_module(capsys, timeout=0)
    assert code == 1 and "positive" in result["msg"]
