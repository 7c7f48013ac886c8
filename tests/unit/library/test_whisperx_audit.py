"""The module whisperx_audit, from its arguments to its result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.modules import whisperx_audit  # noqa: E402

from tests.unit.whisperx_env.env_hosts import Host, wanted


def run_module(capsys: pytest.CaptureFixture[str], **arguments: Any) -> tuple[int, dict[str, Any]]:
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        whisperx_audit.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("check", [False, True])
def test_an_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    host = Host(tmp_path)
    host.release(wanted())
    host.use(wanted())
    code, result = run_module(capsys, root=str(host.root), libc="2.41", _ansible_check_mode=check)
    assert (code, result["changed"]) == (0, False)
    assert result["report"]["release"] == wanted().name
    assert result["report"]["coming"] == {"libc": "2.41", "driver": ""}
    assert any("with glibc 2.41" in line for line in result["lines"])


def test_no_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run_module(capsys, root=str(tmp_path / "none"))
    assert (code, result["report"]["state"]) == (0, "absent")
    assert result["lines"] == [f"no environment in {tmp_path / 'none'}"]


def test_a_foreign_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "something").touch()
    code, result = run_module(capsys, root=str(tmp_path))
    assert (code, result["rule"]) == (1, "env.foreign-directory")
