"""The module whisperx_verify, from its arguments to its result, on small releases made like real ones."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.modules import whisperx_verify  # noqa: E402

from tests.unit.whisperx_verify.fake_environment import make_environment


def make_release(root: Path, packages: dict[str, str]) -> Path:
    """Lay out a release below ``root`` as whisperx_env does; return its path."""
    release = root / "releases" / "small-1"
    launcher = Path(make_environment(release, packages))
    (release / "launch").mkdir()
    launcher.rename(release / "launch" / "python")
    imports = [{"package": name, "module": name, "optional": name == "codec"} for name in packages]
    (release / "release.json").write_text(json.dumps({"id": "small-1"}))
    (release / "verify").mkdir()
    (release / "verify" / "plan.json").write_text(json.dumps({"device": "cpu", "imports": imports}))
    (root / "current").symlink_to("releases/small-1")
    return release


def run_module(capsys: pytest.CaptureFixture[str], **arguments: Any) -> tuple[int, dict[str, Any]]:
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        whisperx_verify.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


# Where an action plugin was imported before, Ansible takes the process for a controller, and shows what a
# module warns of instead of returning it.
ALONE = """
import json, sys
import ansible.module_utils, ansible.modules
from ansible.module_utils.testing import patch_module_args
ansible.modules.__path__.append(sys.argv[1] + "/library")
ansible.module_utils.__path__.append(sys.argv[1] + "/module_utils")
from ansible.modules import whisperx_verify
with patch_module_args(json.loads(sys.argv[2])):
    whisperx_verify.main()
"""


def run_alone(**arguments: Any) -> tuple[int, dict[str, Any]]:
    """Run the module in a process of its own, as on a host."""
    root = str(Path(__file__).resolve().parents[3])
    command = [sys.executable, "-c", ALONE, root, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Return every file below ``root`` with what would tell of a change."""
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(root.rglob("*"))}


def test_well(tmp_path):
    make_release(tmp_path, {"well": "", "codec": "raise OSError('no libavutil')"})
    before = files(tmp_path)
    code, result = run_alone(root=str(tmp_path), level="import")
    assert code == 0
    assert result["ok"] and not result["changed"]
    assert (result["level"], result["device"], result["release"]) == ("import", "cpu", "small-1")
    assert [check["name"] for check in result["checks"]] == ["import well", "import codec"]
    assert "no libavutil" in json.dumps(result["warnings"])
    assert result["table"][-1].startswith("verified: import on cpu")
    assert files(tmp_path) == before


def test_check_mode_does_the_same(tmp_path, capsys):
    make_release(tmp_path, {"well": ""})
    code, result = run_module(capsys, root=str(tmp_path), level="import", _ansible_check_mode=True)
    assert code == 0 and result["ok"] and len(result["checks"]) == 1


def test_a_finding_fails_with_what_where_and_the_next_step(tmp_path, capsys):
    release = make_release(tmp_path, {"deadly": "import os, signal; os.kill(os.getpid(), signal.SIGILL)"})
    before = files(tmp_path)
    code, result = run_module(capsys, root=str(tmp_path), level="import")
    assert code == 1 and result["failed"] and not result["ok"]
    assert result["rule"] == "verify.failed"
    assert "import deadly died of SIGILL" in result["found"]
    assert result["where"] == str(release)
    assert f"{release}/verify/probe.py --level import" in result["remedy"]
    assert result["checks"][0]["signal"] == "SIGILL"
    assert result["msg"].startswith(result["found"])
    assert files(tmp_path) == before


@pytest.mark.parametrize("make", ["nothing", "a file", "a dangling link"])
def test_no_release(tmp_path, capsys, make):
    root = tmp_path / "root"
    if make == "a file":
        root.write_text("")
    elif make == "a dangling link":
        root.mkdir()
        (root / "current").symlink_to("releases/gone")
    code, result = run_module(capsys, root=str(root))
    assert code == 1
    assert result["rule"] == "verify.no-release"
    assert str(root) in result["msg"] and "site.yml" in result["remedy"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ('{"plan": 3}', "cannot be used"),
        ('{"plan": {"device": "tpu"}}', "tpu"),
        ('{"plan": {"imports": [{"package": "x"}]}}', "no module name"),
        ('{"plan": {"imports": 3}}', "cannot be used"),
    ],
)
def test_a_record_that_cannot_be_used(tmp_path, capsys, text, word):
    release = make_release(tmp_path, {"well": ""})
    (release / "release.json").write_text(text)
    code, result = run_module(capsys, root=str(tmp_path))
    assert code == 1
    assert result["rule"] == "verify.record"
    assert word in result["msg"] and "release.json" in result["where"]


WRONG = [None, True, 3, -1.5, "", "\0", "../x", [], [None], {}, {"": None}, [[]], "\ud800"]


@pytest.mark.parametrize("file", ["release.json", "verify/plan.json"])
def test_any_value_in_any_field_of_a_record_ends_with_a_rule(tmp_path, capsys, file):
    release = make_release(tmp_path, {})
    path = release / file
    whole = json.loads(path.read_text())
    fields = {**whole, "plan": {}, "device": "", "imports": [], "id": "", "versions": {}, "verify": {}}
    pairs = [(field, wrong) for field in fields for wrong in WRONG]
    for field, wrong in random.Random(file).sample(pairs, 20):
        path.write_text(json.dumps({**whole, field: wrong}))
        code, result = run_module(capsys, root=str(tmp_path), level="import")
        assert code == 0 or result["rule"] in ("verify.record", "verify.failed"), (field, wrong, result)


@pytest.mark.parametrize("kind", ["directory", "fifo", "link", "loop", "binary"])
@pytest.mark.parametrize("file", ["release.json", "verify/plan.json"])
def test_anything_in_the_place_of_a_record_ends_with_a_rule(tmp_path, capsys, file, kind):
    path = make_release(tmp_path, {"well": ""}) / file
    path.unlink()
    {
        "directory": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("/etc/hostname"),
        "loop": lambda: path.symlink_to(path.name),
        "binary": lambda: path.write_bytes(bytes(range(256))),
    }[kind]()
    code, result = run_module(capsys, root=str(tmp_path), level="import")
    assert (code, result["rule"]) == (1, "verify.record")


def test_a_venv_without_its_plan(tmp_path, capsys):
    release = make_release(tmp_path, {"well": ""})
    (release / "verify" / "plan.json").unlink()
    code, result = run_module(capsys, root=str(tmp_path))
    assert (code, result["rule"]) == (1, "verify.record")
    assert "plan.json" in result["msg"]


def test_the_record_of_a_container_has_the_plan(tmp_path, capsys):
    release = make_release(tmp_path, {"well": ""})
    plan = json.loads((release / "verify" / "plan.json").read_text())
    (release / "verify" / "plan.json").unlink()
    (release / "release.json").write_text(json.dumps({"id": "small-1", "plan": plan}))
    code, result = run_module(capsys, root=str(tmp_path), level="import")
    assert code == 0 and len(result["checks"]) == 1


def test_a_launcher_that_is_gone(tmp_path, capsys):
    release = make_release(tmp_path, {"well": ""})
    (release / "launch" / "python").unlink()
    code, result = run_module(capsys, root=str(tmp_path), level="import")
    assert code == 1
    assert "launch/python: No such file or directory" in result["msg"]


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_that_is_none(tmp_path, capsys, timeout):
    code, result = run_module(capsys, root=str(tmp_path), timeout=timeout)
    assert code == 1 and "positive" in result["msg"]
