"""The module whisperx_host_facts, from its arguments to its result."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible.modules import whisperx_host_facts


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run the module and return what it prints."""
    with patch_module_args(arguments), pytest.raises(SystemExit):
        whisperx_host_facts.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


class TestThisHost:
    def test_facts(self, capsys: pytest.CaptureFixture[str]) -> None:
        result = run(capsys)
        facts = result["ansible_facts"]["whisperx_host"]
        assert result["changed"] is False
        assert facts["schema"] == 1
        assert facts["machine"] == platform.machine()
        assert facts["kernel"] == {"release": platform.release()}
        assert facts["libc"] == dict(zip(("family", "version"), platform.libc_ver(), strict=True))
        assert facts["cpu"]["flags"]

    def test_every_fact_is_documented_and_every_documented_one_exists(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        facts = run(capsys)["ansible_facts"]["whisperx_host"]
        documented = yaml.safe_load(whisperx_host_facts.RETURN)["ansible_facts"]["contains"]["whisperx_host"][
            "contains"
        ]
        assert list(facts) == list(documented)
        for name in ("os", "libc", "kernel", "cpu", "nvidia_driver", "ffmpeg"):
            assert set(facts[name]) == set(documented[name]["sample"]), name

    def test_each_fact_has_a_source(self, capsys: pytest.CaptureFixture[str]) -> None:
        facts = run(capsys)["ansible_facts"]["whisperx_host"]
        assert {name.split(".")[0] for name in facts["sources"]} == set(facts) - {"schema", "sources"}


class TestOptions:
    def test_assume(self, capsys: pytest.CaptureFixture[str]) -> None:
        driver = {"version": "570.124.06", "cuda": "12.8", "state": "running"}
        facts = run(capsys, assume={"nvidia_driver": driver})["ansible_facts"]["whisperx_host"]
        assert facts["nvidia_driver"] == driver
        assert facts["sources"]["nvidia_driver"] == "assumed"

    def test_unknown_assumption(self, capsys: pytest.CaptureFixture[str]) -> None:
        result = run(capsys, assume={"glibc": "2.41"})
        assert result["failed"]
        assert result["rule"] == "host.assume-key"
        assert "'glibc' is not a fact (assume); wanted: one of cdi_problems, container" in result["msg"]

    def test_root(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "os-release").write_text("ID=debian\nVERSION_ID=12\n")
        facts = run(capsys, root=str(tmp_path))["ansible_facts"]["whisperx_host"]
        assert (facts["os"]["version"], facts["machine"], facts["pythons"]) == ("12", None, [])

    def test_no_root(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        result = run(capsys, root=str(tmp_path / "image"))
        assert result["rule"] == "host.root"
        assert result["where"] == str(tmp_path / "image")

    @pytest.mark.parametrize("timeout", [0, -1, "nan"])
    def test_a_timeout_that_is_none(self, capsys: pytest.CaptureFixture[str], timeout: object) -> None:
        assert run(capsys, timeout=timeout)["rule"] == "host.timeout"

    def test_check_mode_reads_as_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(capsys, _ansible_check_mode=True)["ansible_facts"]["whisperx_host"]["schema"] == 1
