"""The module whisperx_env: its answers, its check mode, and what it never tells."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_verify.main import PLAN

ROOT = Path(__file__).resolve().parents[3]
from ansible.modules import whisperx_env  # noqa: E402

spec = importlib.util.spec_from_file_location("env_hosts", ROOT / "tests/unit/whisperx_env/env_hosts.py")
assert spec is not None and spec.loader is not None
env_hosts = importlib.util.module_from_spec(spec)
sys.modules.setdefault("env_hosts", env_hosts)
spec.loader.exec_module(env_hosts)


@pytest.fixture
def host(tmp_path: Path) -> Any:
    """A host with release 1.0 in use."""
    host = env_hosts.Host(tmp_path)
    host.release(env_hosts.wanted("1.0"))
    host.use(env_hosts.wanted("1.0"))
    return host


def run(host: Any, **options: Any) -> dict[str, Any]:
    """Run the module on a host and return its JSON."""
    places = {
        "root": host.layout.root,
        "bin_dir": host.layout.bin_dir,
        "facts_dir": host.layout.facts_dir,
        "verify_level": "import",
    }
    printed = io.StringIO()
    with (
        patch_module_args(places | options),
        contextlib.redirect_stdout(printed),
        pytest.raises(SystemExit),
    ):
        whisperx_env.main()
    result: dict[str, Any] = json.loads(printed.getvalue())
    return result


def runs(release: Path) -> Path:
    """Let the interpreter of a release find the packages of it; return the release."""
    (release / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    return release


def asking(version: str) -> dict[str, Any]:
    """Return the options for a version."""
    what = env_hosts.wanted(version)
    return {"plan": dict(what.plan), "lock": what.text}


def test_a_converged_host(host: Any) -> None:
    result = run(host, **asking("1.0"))
    assert result["changed"] is False and result["actions"] == [] and result["wanted_files"] == []
    assert result["release"] == result["record"]["id"] == env_hosts.wanted("1.0").name
    assert result["diff"]["before"] == result["diff"]["after"] == "numpy==2.0\nwhisperx==1.0\n"
    assert result["summary"][0].startswith("whisperx 1.0")


@pytest.mark.parametrize("how", [{"_ansible_check_mode": True}, {"assess": True}])
def test_check_mode_and_assess_only_tell(host: Any, how: dict[str, Any]) -> None:
    before = sorted(str(path) for path in host.base.rglob("*"))
    result = run(host, **asking("2.0"), **how)
    assert result["changed"] is True
    assert [line.split()[0] for line in result["actions"]] == [
        "Built",
        "Checked",
        "Verified",
        "Switched",
        "Wrote",
    ]
    assert "-whisperx==1.0" not in result["diff"]["after"]
    assert result["wanted_files"] == [{"file": "uv", "sha256": ""}]
    assert sorted(str(path) for path in host.base.rglob("*")) == before


def test_without_uv_nothing_is_begun(host: Any) -> None:
    result = run(host, **asking("2.0"), uv={"sha256": "1" * 64})
    assert result["wanted_files"] == [{"file": "uv", "sha256": "1" * 64}]
    assert not (host.root / "releases" / env_hosts.wanted("2.0").name).exists()


def test_a_problem_is_told_in_one_sentence_and_in_parts(host: Any) -> None:
    (host.root / ".whisperx-fleet").unlink()
    result = run(host, **asking("1.0"))
    assert result["failed"] is True and result["rule"] == "env.foreign-directory"
    for part in ("found", "where", "wanted", "remedy"):
        assert result[part] in result["msg"]


def test_a_relative_root_is_refused(host: Any) -> None:
    assert run(host, **asking("1.0"), facts_dir="facts")["rule"] == "env.relative-path"


def test_present_needs_plan_and_lock(host: Any) -> None:
    assert "plan, lock" in run(host)["msg"]


def test_rollback_and_removal_need_neither(host: Any) -> None:
    assert run(host, state="rolled_back")["rule"] == "env.no-previous"
    earlier = runs(host.release(what := env_hosts.wanted("0.9", python="{}.{}".format(*sys.version_info))))
    host.before(what.name)
    assert run(host, state="rolled_back")["rule"] == "env.previous-damaged"  # nothing says what to import
    (earlier / "verify").mkdir()
    write_json(str(earlier / "verify" / PLAN), {"imports": [{"package": "whisperx", "module": "whisperx"}]})
    result = run(host, state="rolled_back")
    assert result["changed"] is True and result["record"]["versions"]["whisperx"] == "0.9"
    assert run(host, state="rolled_back")["changed"] is False
    result = run(host, state="absent", _ansible_check_mode=True)
    assert result["changed"] is True and host.root.exists()
    result = run(host, state="absent")
    assert result["changed"] is True and not host.root.exists() and result["record"] == {}
    assert run(host, state="absent")["changed"] is False


def test_credentials_do_not_show(host: Any) -> None:
    index = "https://me:hidden-in-url@one.example/simple"
    result = json.dumps(run(host, **asking("1.0"), index_url=index, password="hidden-password"))
    assert "hidden" not in result
