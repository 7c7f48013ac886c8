"""The files that the probe leaves on a host."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from module_utils.whisperx_verify.records import Module, Request
from module_utils.whisperx_verify.sources import write_probe
from tests.unit.whisperx_verify.fake_environment import make_environment

REQUEST = Request("import", "cpu", (Module("well", "well"),))
PACKAGE = Path(__file__).parents[3] / "module_utils" / "whisperx_verify"


def contents(directory: Path) -> dict[str, str]:
    return {str(p.relative_to(directory)): p.read_text() for p in directory.rglob("*") if p.is_file()}


def test_written_once(tmp_path):
    assert write_probe(str(tmp_path / "verify"), REQUEST)
    before = contents(tmp_path / "verify")
    assert not write_probe(str(tmp_path / "verify"), REQUEST)
    assert contents(tmp_path / "verify") == before
    assert {"probe.py", "plan.json", "whisperx_verify/child.py", "whisperx_verify/__init__.py"} <= set(before)
    assert not [name for name in before if name.endswith(".part")]


def test_a_changed_file_is_put_right(tmp_path):
    write_probe(str(tmp_path), REQUEST)
    (tmp_path / "whisperx_verify" / "kernels.py").write_text("# nothing")
    assert write_probe(str(tmp_path), REQUEST)
    assert (tmp_path / "whisperx_verify" / "kernels.py").read_text() == (PACKAGE / "kernels.py").read_text()


def test_readable_by_every_user(tmp_path):
    previous = os.umask(0o077)
    try:
        write_probe(str(tmp_path / "a" / "verify"), REQUEST)
    finally:
        os.umask(previous)
    for path in [tmp_path / "a" / "verify", *(tmp_path / "a" / "verify").rglob("*")]:
        assert path.stat().st_mode & 0o444 == 0o444, path


def test_from_the_zip_that_ansible_sends(tmp_path):
    archive = tmp_path / "payload.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("module_utils/__init__.py", "")
        for path in PACKAGE.glob("*.py"):
            zipped.write(path, f"module_utils/whisperx_verify/{path.name}")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from module_utils.whisperx_verify.sources import write_probe\n"
        "from module_utils.whisperx_verify.records import Request\n"
        "assert sys.argv[1] in __import__('module_utils').__file__\n"
        "write_probe(sys.argv[2], Request('import', 'cpu'))"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(archive), str(tmp_path / "verify")], check=True, cwd=tmp_path
    )
    write_probe(str(tmp_path / "other"), Request("import", "cpu"))
    assert contents(tmp_path / "verify") == contents(tmp_path / "other")


def test_by_hand(tmp_path):
    python = make_environment(tmp_path / "env", {"well": "", "broken": "raise ImportError('gone')"})
    write_probe(str(tmp_path / "verify"), REQUEST)
    probe = str(tmp_path / "verify" / "probe.py")
    good = subprocess.run([python, probe], capture_output=True, text=True, cwd="/")
    assert good.returncode == 0, good.stderr
    assert "ok" in good.stdout and good.stdout.splitlines()[-1].startswith("verified: import on cpu")
    plan = tmp_path / "verify" / "plan.json"
    record = json.loads(plan.read_text())
    record["imports"].append({"package": "broken", "module": "broken", "optional": False})
    plan.write_text(json.dumps(record))
    bad = subprocess.run([python, probe, "--json"], capture_output=True, text=True, cwd="/")
    assert bad.returncode == 1
    assert "gone" in json.loads(bad.stdout)["findings"][0]
    assert subprocess.run([python, probe, "--level", "all"], capture_output=True).returncode == 2


def test_every_file_is_python_3_8():
    for path in PACKAGE.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 8))
