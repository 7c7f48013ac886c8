"""The power fails at every event of the engine, with either runtime: records, links, facts, launch scripts.

uv and the container engine are the stand-ins of the engine's own tests, so every event can be tried; what a
real uv leaves is in test_power_cut.py.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import power_lab
import pytest
from power_lab import Device

from tests.attack.strength import FULL

ROOT = Path(__file__).parents[2]
# Runtime, file system, what is on disk at a cut.
PLACES = [("venv", "ext4", "stirred"), ("container", "ext4", "as it is")]
if FULL:
    kinds, hows = ("ext4", "xfs", "btrfs"), ("as it is", "stirred")
    PLACES = [(runtime, kind, how) for runtime in ("venv", "container") for kind in kinds for how in hows]


def readable(host: Any) -> None:
    """Assert that everything that is recorded is whole: no record, script, manifest or fact is cut off."""
    layout = host.layout
    for record in Path(layout.root).glob("releases/*/release.json"):
        value = json.loads(record.read_text())
        assert value["versions"]["tiny"]
        assert (record.parent / "launch" / "tiny").read_text().startswith("#!/bin/sh")
        if value.get("runtime", "venv") == "venv":
            assert json.loads((record.parent / "manifest.json").read_text())["packages"]
            assert (record.parent / "bin" / "tiny").read_text()
    if os.path.lexists(layout.fact):
        assert json.loads(Path(layout.fact).read_text())["release"]
    for link in (layout.current, layout.previous):
        assert not os.path.lexists(link) or os.path.isfile(os.path.join(link, "release.json")), link


@pytest.mark.parametrize(("runtime", "kind", "how"), PLACES)
@pytest.mark.parametrize(
    ("before", "deed"),
    [
        ([], "1.0"),
        (["1.0", "2.0"], "3.0"),
        (["1.0", "2.0"], "rolled_back"),
        (["1.0", "2.0"], "absent"),
    ],
    ids=["install", "upgrade", "rollback", "removal"],
)
def test_the_power_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
    kind: str,
    how: str,
    before: list[str],
    deed: str,
) -> None:
    if not power_lab.available(kind):
        pytest.skip(f"this machine cannot make and mount {kind}")
    monkeypatch.setattr("module_utils.whisperx_release.building._boot", lambda: "another start")
    host = power_lab.small_host(runtime, tmp_path)
    device = Device(kind, tmp_path / "device.img", tmp_path / "disk")
    device.make()
    path = os.pathsep.join([str(ROOT), str(Path(power_lab.__file__).parent)])
    command = [sys.executable, power_lab.__file__, str(tmp_path), deed, runtime]
    environment = {**os.environ, "PYTHONPATH": path}
    with device.mounted():
        for version in before:
            host.present(version)
        os.sync()
        cuts = power_lab.cut_at_every_event([device], command, environment, lambda event: how)
    for cut in cuts:
        with device.mounted(cut.images[0]):
            after(host, before, deed, cut.event)
        cut.remove()
    assert len(cuts) >= (2 if before else 6)


def after(host: Any, before: list[str], deed: str, event: str) -> None:
    """Assert that what was active is, that what was reported is done, and that the next run completes."""
    readable(host)
    goal = deed if deed[0].isdigit() else before[0]
    says = host.says()
    if deed != "absent":
        assert says in {*before[1:], goal, *([] if before else [""])}, event
        assert says == goal or event != "end"
    host.do(deed)
    readable(host)
    if deed == "absent":
        host.gone()
    else:
        host.whole(goal)
