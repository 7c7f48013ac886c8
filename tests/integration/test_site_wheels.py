"""A wheel that a site built, for real: CTranslate2 of the index with a local version, planned with the
others, locked by uv, installed into an environment and run there.

Needs uv, and the package index.
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from env_lab import PYTHON, Lab
from repair_lab import download
from test_extras import CATALOGUE, applied, planned

from module_utils.whisperx_env.model import Carried, Sources, want
from module_utils.whisperx_lock.run import ARGUMENTS as LOCKING
from module_utils.whisperx_lock.run import run as lock
from module_utils.whisperx_plan.options import ARGUMENTS
from module_utils.whisperx_plan.run import run as plan
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_sbom.cyclonedx import render
from tests.unit.whisperx_measure.site_wheels import relabelled


def options(rows: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {name: row.get("default") for name, row in rows.items()} | given


def test_a_site_wheel_is_planned_locked_installed_and_run(tmp_path: Path) -> None:
    version = planned({"ctranslate2": ""}, {}).hosts["h"]["pins"]["ctranslate2"]
    path = relabelled(download(tmp_path, PYTHON, version), tmp_path / "wheels", "site1")
    facts = {
        "os": {"id": "debian", "version": "12"},
        "libc": {"family": "glibc", "version": platform.libc_ver()[1]},
        "machine": platform.machine(),
        "pythons": [{"path": str(Path(sys.executable).resolve()), "version": platform.python_version()}],
    }
    asked = options(
        ARGUMENTS,
        hosts={"h": facts},
        packages={"ctranslate2": ""},
        catalogue=str(CATALOGUE),
        wheels=[str(path.parent)],
        cache_dir=str(tmp_path / "cache"),
    )
    decision = plan(asked, lambda _root, _cache: {})
    record = decision["hosts"]["h"]
    assert record["pins"]["ctranslate2"] == f"{version}+site1"
    locking = options(
        LOCKING,
        classes=decision["classes"],
        lock_dir=str(tmp_path / "locks"),
        cache_dir=str(tmp_path / "cache"),
        wheels={row["sha256"]: row["path"] for row in decision["wheels"]},
    )
    predicted = lock(locking, True, lambda *_: None)
    assert predicted["changed"] and not (tmp_path / "locks").exists()
    ((name, made),) = lock(locking, False, lambda *_: None)["locks"].items()
    assert [(entry["file"], entry["path"]) for entry in made["files"]] == [(path.name, str(path))]

    lab = Lab(tmp_path / "lab")
    carried = tuple(Carried(entry["sha256"], entry["file"], entry["path"]) for entry in made["files"])
    lab.options = replace(
        lab.options, sources=Sources(), carried=(*lab.options.carried, *carried), verify_level="kernels"
    )
    wanted = want(record, made["text"])
    outcome = applied(lab, wanted)
    assert {"import ctranslate2"} <= {check["name"] for check in outcome.verify["checks"]}
    assert not applied(lab, wanted).actions
    release = Path(lab.layout.current).resolve()
    bill = json.loads(render(str(release), wanted.site_packages(str(release)), release.name))
    (mine,) = (row for row in bill["components"] if row["name"] == "ctranslate2")
    assert mine["pedigree"]["notes"].startswith("built elsewhere, digest sha256:")

    # A run that has all of it starts no uv, and measures nothing again.
    kept = list((tmp_path / "cache" / "measured").iterdir())
    again = lock(locking | {"uv": "/bin/true"}, False, lambda *_: None)
    assert not again["changed"] and again["locks"][name]["files"] == made["files"]
    assert plan(asked, lambda _root, _cache: {})["hosts"] == decision["hosts"]
    assert list((tmp_path / "cache" / "measured").iterdir()) == kept

    # Another file under the name is not what was locked.
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(Problem) as caught:
        lock(locking, False, lambda *_: None)
    assert caught.value.rule == "lock.local-file"
