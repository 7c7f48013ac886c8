#!/usr/bin/env python3
"""Write docs/images/report.png: the page of a run over a fleet, as a real browser shows it.

    tools/report_example.py                          # write the picture; takes chromium or google-chrome
    tools/report_example.py --hosts 2000 --page FILE # write the page itself

The hosts are the recorded ones of tests/fixtures/hosts, planned by the real catalogue, each many times; what
a run did there is made up, one of everything.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_catalogue.catalogue import load  # noqa: E402
from module_utils.whisperx_plan.decide import Decision, decide  # noqa: E402
from module_utils.whisperx_plan.model import Request  # noqa: E402
from module_utils.whisperx_report.collect import report  # noqa: E402
from module_utils.whisperx_report.page import render  # noqa: E402

__all__ = ["TEMPLATES", "browser", "decided", "fleet", "main", "picture"]

TEMPLATES = str(ROOT / "roles/whisperx_report/files/page")
FIXTURES = ROOT / "tests/fixtures/hosts"
CATALOGUE = ROOT / "roles/whisperx_plan/files/catalogue"
PICTURE = ROOT / "docs/images/report.png"
_UNPROVED = (
    "the environment does not work: pipeline: whisperx ended with signal 4 (illegal instruction); wanted: "
    "level pipeline to succeed on cpu. What was in use is untouched."
)
# What a picture shows, in pixels of the page, and how many of its own each takes.
_WIDTH, _HEIGHT, _SCALE = 1280, 1800, 0.7


@dataclass(frozen=True)
class Kind:
    """A kind of host: what its names begin with, the fixture of its facts, its share in percent."""

    prefix: str
    fixture: str
    share: int


KINDS = (
    Kind("h100", "rhel9-h100-driver570", 20),
    Kind("t4", "ubuntu2204-t4-driver535", 25),
    Kind("l40s", "debian12-l40s-driver535", 15),
    Kind("h100-old", "ubuntu2204-h100-driver525", 5),
    Kind("worker", "debian12-cpu", 20),
    Kind("edge", "debian13-cpu", 9),
    Kind("attic", "kvm64-without-sse41", 4),
    Kind("next", "debian14-cpu", 2),
)


def fleet(count: int) -> dict[str, Any]:
    """Return the record of a run over about ``count`` hosts."""
    names = list(_named(count))
    facts, decision = decided(count)
    known: dict[str, Any] = {"facts": facts, "result": {}, "held": {}}
    known["plan"] = {name: dict(record) for name, record in decision.hosts.items()}
    seen: dict[str, int] = {}
    for name, kind in names:
        seen[kind.prefix] = seen.get(kind.prefix, 0) + 1
        _happened(known, name, kind, seen[kind.prefix])
    run = {"at": "2026-11-23 21:00 UTC", "playbook": "site", "check": False}
    return report([name for name, _ in names], known, run)


def decided(count: int) -> tuple[dict[str, Any], Decision]:
    """Return the facts of about ``count`` hosts, and what is decided for them."""
    facts = {name: _facts(kind) for name, kind in _named(count)}
    return facts, decide(facts, Request.make({"whisperx": ""}), load(CATALOGUE))


def _named(count: int) -> Iterator[tuple[str, Kind]]:
    for kind in KINDS:
        for number in range(1, max(2, count * kind.share // 100 + 1)):
            yield f"{kind.prefix}-{number:03}.example.org", kind


def _facts(kind: Kind) -> dict[str, Any]:
    path = next(FIXTURES.glob(f"{kind.fixture}--*.json"))
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["facts"]
    return found


def _happened(known: dict[str, Any], name: str, kind: Kind, number: int) -> None:
    """Make up what a run did on the host: the third host of each kind changed, some things went wrong."""
    plan = known["plan"][name]
    if plan["verdict"] != "plan":
        return
    if kind.prefix == "edge":
        if number == 1:
            known["result"][name] = {"failed": True, "rule": "env.verify", "msg": _UNPROVED}
        else:
            first = "edge-001.example.org"
            known["held"][name] = f"{first} of the same class failed first: {_UNPROVED}"
        return
    if kind.prefix == "worker" and number == 2:
        known["result"][name] = {"unreachable": True, "msg": "Connection timed out during banner exchange"}
        return
    pins = plan["pins"]
    result: dict[str, Any] = {
        "record": {"versions": pins, "device": plan["device"]},
        "release": f"whisperx-{pins['whisperx']}-{plan['device']}",
        "actions": [],
        "timings": {"verify": 14.2},
    }
    if number % 3 == 0:
        before = {**pins, "ctranslate2": "4.6.0"}
        result["diff"] = {"before": _listed(before), "after": _listed(pins)}
        result["actions"] = [f"Built {result['release']}", "Proved it", "Switched to it"]
        result["timings"] = {"build": 4.1 + number % 7, "gate": 0.1, "verify": 14.2}
        result["bytes_brought"] = 42_600_000
    known["result"][name] = result


def _listed(versions: dict[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def browser() -> str | None:
    """Return the browser of this machine, None without."""
    return shutil.which("chromium") or shutil.which("google-chrome")


def picture(page: Path, target: Path, width: int = _WIDTH, height: int = _HEIGHT) -> None:
    """Write what a window of that size, in pixels of the page, shows of it."""
    program = browser()
    if program is None:
        raise SystemExit(
            "tools/report_example.py: no chromium or google-chrome; as root: apt-get install chromium"
        )
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--force-device-scale-factor={_SCALE}"]
        size = [f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        command = [program, *options, *size, f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the picture of a report.")
    parser.add_argument("--hosts", type=int, default=120)
    parser.add_argument("--page", type=Path, help="write the page there, and no picture")
    options = parser.parse_args(arguments)
    text = render(fleet(options.hosts), TEMPLATES)
    if options.page:
        options.page.write_text(text, "utf-8")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(text, "utf-8")
        PICTURE.parent.mkdir(exist_ok=True)
        picture(page, PICTURE)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
