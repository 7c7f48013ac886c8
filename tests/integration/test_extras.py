"""Further packages for real: locked with the set from the package index, installed, verified, linked.

Needs uv, and the package index.
"""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from env_lab import PYTHON_PATH, UV, Lab
from test_lock_with_uv import wheel

from module_utils.whisperx_catalogue.catalogue import load
from module_utils.whisperx_env import apply, prove
from module_utils.whisperx_env.model import Sources, Wanted, want
from module_utils.whisperx_lock.document import complete
from module_utils.whisperx_lock.lock import LockResult, make
from module_utils.whisperx_lock.sources import make_sources
from module_utils.whisperx_lock.workshop import open_workshop
from module_utils.whisperx_plan.decide import Decision, decide
from module_utils.whisperx_plan.model import Request
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Outcome
from module_utils.whisperx_sbom.cyclonedx import render

CATALOGUE = Path(__file__).parents[2] / "roles/whisperx_plan/files/catalogue"


def planned(packages: dict[str, str], extras: dict[str, str]) -> Decision:
    facts = {
        "os": {"id": "debian", "version": "12"},
        "libc": {"family": "glibc", "version": platform.libc_ver()[1]},
        "machine": platform.machine(),
        "cpu": {"flags": ["sse4_1", "avx", "avx2"]},
        "pythons": [{"path": PYTHON_PATH, "version": platform.python_version()}],
    }
    return decide({"h": facts}, Request.make(packages, extras=extras), load(str(CATALOGUE)))


def locked(tmp_path: Path, decision: Decision, state: str = "locked", **locks: str) -> LockResult:
    ((name, plan),) = decision.classes.items()
    shop = open_workshop(make_sources(), tmp_path / "locks", cache_dir=str(tmp_path / "cache"))
    return make(name, plan, locks, state, shop)


def applied(lab: Lab, wanted: Wanted, check: bool = False) -> Outcome:
    return apply.present(lab.layout, wanted, lab.options, Hooks(prove.prove), check)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    found = Lab(tmp_path / "lab")
    found.options = replace(found.options, sources=Sources())
    return found


def test_an_extra_is_locked_installed_verified_and_linked(lab: Lab, tmp_path: Path) -> None:
    decision = planned({"ctranslate2": ""}, {"nltk": ">=3.9"})
    result = locked(tmp_path, decision)
    assert {"nltk", "ctranslate2", "joblib"} <= set(result.lock.versions)
    wanted = want(decision.hosts["h"], result.text)
    outcome = applied(lab, wanted)
    assert {"import ctranslate2", "import nltk"} <= {check["name"] for check in outcome.verify["checks"]}
    nltk = Path(lab.layout.command("nltk"))
    said = subprocess.run([nltk, "--version"], capture_output=True, text=True, check=True, cwd="/").stdout
    assert result.lock.versions["nltk"] in said
    assert not applied(lab, wanted).actions
    release = Path(lab.layout.current).resolve()
    bill = json.loads(render(str(release), wanted.site_packages(str(release)), release.name))
    requested = next(row for row in bill["dependencies"] if row["ref"].startswith("whisperx-fleet/"))
    assert f"pkg:pypi/nltk@{result.lock.versions['nltk']}" in requested["dependsOn"]

    # What somebody installs by hand is named, by --check and by the run, before it is lost.
    subprocess.run(
        [UV, "pip", "install", "-q", "--python", str(release / "bin/python"), "toolz==1.0.0"], check=True
    )
    fewer = planned({"ctranslate2": ""}, {})
    other = want(fewer.hosts["h"], locked(tmp_path, fewer).text)
    for check in (True, False):
        (note,) = applied(lab, other, check).notes
        assert "toolz 1.0.0 by uv. To keep them" in note
    assert not nltk.is_symlink()


def test_an_extra_that_has_no_plan_in_the_set_brings_only_what_works(tmp_path: Path) -> None:
    """faster-whisper comes in through the extra alone, and gets the PyAV that the catalogue knows to work."""
    lock = locked(tmp_path, planned({"ctranslate2": ""}, {"wyoming-faster-whisper": ""})).lock
    assert int(lock.versions["av"].partition(".")[0]) < 19
    (extra,) = lock.extras
    assert extra.commands == ("wyoming-faster-whisper",) and extra.modules == ("wyoming_faster_whisper",)


def test_the_set_gives_way_within_its_constraints_and_no_further(tmp_path: Path) -> None:
    request = {"faster-whisper": ""}
    for bound in ("<1.2.1", "<1.0"):
        extras = wheel_that_requires(tmp_path / bound.strip("<"), f"faster-whisper{bound}")
        decision = planned(request, {"narrow": ""})
        ((name, plan),) = decision.classes.items()
        shop = open_workshop(
            make_sources(find_links=(str(extras),)), tmp_path / "locks", cache_dir=str(tmp_path / "cache")
        )
        if bound == "<1.0":
            with pytest.raises(Problem) as caught:
                make(name, plan, {}, "locked", shop)
            said = caught.value.sentence()
            assert caught.value.rule == "lock.unsatisfiable"
            assert "narrow (whisperx_plan_extras)" in said and "faster-whisper" in said
        else:
            result = make(name, plan, {}, "locked", shop)
            assert result.lock.versions["faster-whisper"] == "1.2.0"
            assert "faster-whisper 1.2.0 instead of 1.2.1" in result.notes[0]
            assert make(name, plan, {name: result.text}, "locked", shop).text == result.text


def test_the_plans_document_gets_the_versions_that_were_locked(tmp_path: Path) -> None:
    decision = planned({"ctranslate2": ""}, {"nltk": ""})
    result = locked(tmp_path, decision)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"schema": 1, "hosts": decision.hosts}))
    complete(str(path), {next(iter(decision.classes)): result})
    record: dict[str, Any] = json.loads(path.read_text())["hosts"]["h"]
    assert record["pins"]["nltk"] == result.lock.versions["nltk"] and record["extras"] == {"nltk": ""}
    path.write_text("[]")
    with pytest.raises(Problem) as caught:
        complete(str(path), {next(iter(decision.classes)): result})
    assert caught.value.rule == "plan.output"


def wheel_that_requires(folder: Path, requirement: str) -> Path:
    wheel(folder, "narrow", "1.0", requirement)
    return folder
