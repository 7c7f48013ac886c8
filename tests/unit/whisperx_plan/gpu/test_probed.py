"""From a system's files to the decision: a driver that is too new for its GPU never loads its module."""

from __future__ import annotations

from pathlib import Path

from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.model import Request
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_host.host_trees import debian


def test_a_driver_that_ignores_its_gpu(tmp_path: Path) -> None:
    tree = debian(tmp_path, "12", "2.36", "3.11.2").libraries("595.71.05")
    facts = tree.gpu("0000:01:00.0", "1c81", "", "0x030000").probe().to_dict()
    assert facts["gpus"][0]["compute_capability"] == "6.1"
    assert facts["nvidia_driver"]["state"] == "unusable"
    plan = decide({"h": facts}, Request.make({"whisperx": ""}), catalogue()).hosts["h"]
    assert plan["device"] == "cpu"
    reason = next(item for item in plan["reasons"] if item["rule"] == "driver.window")
    assert "595" in reason["sentence"] and "580" in reason["sentence"]
    assert not any("modprobe" in str(item) for item in plan["reasons"])
    [remedy] = [item for item in plan["remedies"] if item["kind"] == "driver"]
    assert (remedy["minimum"], remedy["maximum"]) == ("525", "580")
