"""A release that is damaged where nobody looks, same size and same date: it is not gone back to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from env_lab import Lab

from module_utils.whisperx_common import telemetry
from module_utils.whisperx_env.prove import prove
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A host that went from 1.0 to 2.0, each really verified."""
    lab = Lab(tmp_path)
    monkeypatch.setattr(lab, "hooks", lambda: Hooks(prove))
    lab.present(lab.tiny("1.0"))
    lab.present(lab.tiny("2.0"))
    lab.options = replace(lab.options, rollback_verify="import")
    return lab


def zero(lab: Lab, name: str) -> Path:
    """Overwrite a file of the previous release with zeros, keeping its size and its date."""
    (path,) = Path(os.path.realpath(lab.layout.previous)).glob(f"lib/python*/site-packages/{name}")
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)  # which Python would take instead
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


def test_a_whole_one_is_gone_back_to_and_was_run(lab: Lab) -> None:
    outcome = lab.rolled_back()
    assert lab.says() == "tiny 1.0" and outcome.verify["ok"]
    assert [action for action in outcome.actions if action.startswith("Verified")]
    assert lab.rolled_back().actions == [], "twice goes back once, and is not verified again"


def test_a_damaged_one_is_refused_and_nothing_changes(lab: Lab) -> None:
    zero(lab, "tiny/__init__.py")
    links = [os.readlink(path) for path in (lab.layout.current, lab.layout.previous)]
    with pytest.raises(Problem) as raised:
        lab.rolled_back()
    problem = raised.value
    assert problem.rule == "env.previous-damaged" and "tiny" in problem.found
    assert lab.layout.cache in problem.remedy and "site.yml" in problem.remedy
    assert lab.says() == "tiny 2.0" and not os.path.lexists(lab.layout.rolled_back)
    assert [os.readlink(path) for path in (lab.layout.current, lab.layout.previous)] == links


def test_the_way_out_that_is_named_works(lab: Lab) -> None:
    path = zero(lab, "tiny/__init__.py")
    release = os.path.realpath(lab.layout.previous)
    os.system(f"rm -rf '{release}' '{lab.layout.cache}'")
    lab.present(lab.tiny("1.0"))
    assert lab.says() == "tiny 1.0" and path.read_text().startswith("version")


def test_without_a_look_it_is_gone_back_to(lab: Lab) -> None:
    zero(lab, "tiny/__init__.py")
    lab.options = replace(lab.options, rollback_verify="none")
    lab.rolled_back()
    assert os.path.basename(os.path.realpath(lab.layout.current)).startswith("tiny-1.0")


# A shared object that Python can load, as every package with one has.
NATIVE = next(iter(sorted(Path(sysconfig.get_config_var("DESTSHARED") or "/none").glob("_*.so"))), None)


def native(lab: Lab, version: str) -> Any:
    """Return an environment with a real shared object, which is imported when it is verified."""
    assert NATIVE is not None
    module = NATIVE.name.split(".")[0]
    wheel = lab.wheel("tiny", version, **{NATIVE.name: NATIVE.read_bytes()})
    imports = [{"package": "tiny", "module": f"tiny.{module}", "optional": False}]
    return lab.wanted(lab.lock(wheel), imports=imports)


@pytest.mark.skipif(NATIVE is None, reason="this Python has no shared objects of its own")
def test_a_native_library_that_was_zeroed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a rollback nor a run with the older lock activates it, same size and date or not."""
    assert NATIVE is not None
    lab = Lab(tmp_path)
    monkeypatch.setattr(lab, "hooks", lambda: Hooks(prove))
    lab.options = replace(lab.options, rollback_verify="import")
    for version in ("1.0", "2.0"):
        lab.present(native(lab, version))
    zero(lab, f"tiny/{NATIVE.name}")
    links = [os.readlink(path) for path in (lab.layout.current, lab.layout.previous)]
    for deed, rules in (
        (lab.rolled_back, {"env.previous-damaged"}),
        (lambda: lab.present(native(lab, "1.0")), {"env.verify", "env.abi", "env.gate"}),
    ):
        with pytest.raises(Problem) as raised:
            deed()
        assert raised.value.rule in rules and "tiny" in raised.value.sentence(), raised.value
        assert [os.readlink(path) for path in (lab.layout.current, lab.layout.previous)] == links
        assert lab.says() == "tiny 2.0"


def test_the_commands_of_a_release_report_to_nobody_unless_the_user_says_so(lab: Lab) -> None:
    """Through the whole of a launch script: what the program finds in its environment."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"

    def seen(**caller: str) -> dict[str, str]:
        command = [os.path.join(lab.layout.current, "launch", "python"), "-c", code]
        environment = {"PATH": os.environ["PATH"], "HOME": "/", **caller}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found: dict[str, str] = json.loads(done.stdout)
        return {name: found[name] for name in telemetry.OPT_OUTS}

    assert seen() == telemetry.OPT_OUTS
    for name in telemetry.OPT_OUTS:
        for value in ("", "the user's own"):
            assert seen(**{name: value}) == telemetry.OPT_OUTS | {name: value}
