"""Simulate a roll-out over a fleet that does not exist, against what lines and network cards allow.

    python bench/simulate.py [--hosts 10000] [--payload 4.2] [--outside 1] [--site 10] [--card 1]

The controller's part is real and measured: planning, ordering the waves, the report, its page. The rest is a
model, stated here. ``payload`` is in GB, the lines in Gbit/s: from outside, of the controller, of each host.

- direct: every host takes the payload over the site's line to the outside.
- connection: the controller takes it once, then gives it to so many hosts at once as there are forks, each
  over one SSH, which SSH_MBIT bounds.
- http: the controller takes it once; the hosts of a wave, so many at once as there are forks, share its line.
- A wave ends when its last host is proved. Beside its bytes a host costs UNPACK_S and PROVE_S.
- The limit is max(payload/card, hosts * payload/source): nobody is faster.

UNPACK_S and PROVE_S are what was measured on two cores (docs/testing.md); SSH_MBIT, what one SSH connection
carries, is assumed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Site", "limit", "main", "wall"]

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from dataclasses import dataclass  # noqa: E402

from plan import fleet  # noqa: E402

from module_utils.whisperx_catalogue.catalogue import load  # noqa: E402
from module_utils.whisperx_plan.decide import decide  # noqa: E402
from module_utils.whisperx_plan.model import Request  # noqa: E402
from module_utils.whisperx_report.collect import render_json, report  # noqa: E402
from module_utils.whisperx_report.page import render  # noqa: E402
from module_utils.whisperx_rollout.waves import waves  # noqa: E402

CATALOGUE = ROOT / "roles/whisperx_plan/files/catalogue"
STEPS = ["1", "10%", "50%", "100%"]
FORKS = (20, 100, 500)
UNPACK_S, PROVE_S = 2.6, 15.0
SSH_MBIT = 1600.0


@dataclass(frozen=True)
class Site:
    """A site: ``payload`` in bytes, lines in bytes per second."""

    payload: float
    outside: float
    source: float
    card: float


def wall(mode: str, sizes: list[int], forks: int, site: Site) -> float:
    """Return the seconds of a roll-out in waves of these sizes."""
    first = 0.0 if mode == "direct" else site.payload / site.outside
    line = site.outside if mode == "direct" else site.source
    own = min(site.card, SSH_MBIT * 1e6 / 8) if mode == "connection" else site.card
    total = first
    for size in sizes:
        for begun in range(0, size, forks):
            together = min(forks, size - begun)
            total += site.payload / min(own, line / together) + UNPACK_S + PROVE_S
    return total


def limit(mode: str, hosts: int, site: Site) -> float:
    """Return the seconds that nobody can go below: max(payload/card, hosts * payload/source)."""
    source = site.outside if mode == "direct" else site.source
    return max(site.payload / site.card, hosts * site.payload / source)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work gives, and the processor's seconds."""
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def controller(hosts: int) -> tuple[list[int], dict[str, float]]:
    """Do the controller's part for described hosts; return the sizes of the waves, and the figures."""
    facts, known = fleet(hosts, 50), load(CATALOGUE)
    decision, planned = timed(lambda: decide(facts, Request.make({"whisperx": ""}), known))
    classes = {name: record["class"] for name, record in decision.hosts.items()}
    order, ordered = timed(lambda: waves(classes, STEPS, []))
    results = {
        name: {"record": {"versions": record["pins"]}, "actions": ["Built"], "release": "new"}
        for name, record in decision.hosts.items()
    }
    parts = {"facts": facts, "plan": decision.hosts, "result": results}
    run = {"at": "", "playbook": "site", "check": False}
    record, reported = timed(lambda: report(list(facts), parts, run))
    text, written = timed(lambda: render_json(record))
    page, shown = timed(lambda: render(record, str(ROOT / "roles/whisperx_report/files/page")))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "planning, s": planned,
        "ordering the waves, s": ordered,
        "report, s": reported + written,
        "page, s": shown,
        "report, MB": len(text) / 1e6,
        "page, MB": len(page) / 1e6,
        "peak memory, MiB": peak,
    }
    return [len(wave) for wave in order], figures


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Simulate a roll-out over a fleet.")
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--payload", type=float, default=4.2, help="GB")
    parser.add_argument("--outside", type=float, default=1.0, help="Gbit/s to the outside")
    parser.add_argument("--site", type=float, default=10.0, help="Gbit/s of the controller")
    parser.add_argument("--card", type=float, default=1.0, help="Gbit/s of each host")
    given = parser.parse_args(arguments)
    gbit = 1e9 / 8
    site = Site(given.payload * 1e9, given.outside * gbit, given.site * gbit, given.card * gbit)
    sizes, figures = controller(given.hosts)
    print(f"{given.hosts} hosts, {len(sizes)} waves: {json.dumps(sizes)}")
    for what, figure in figures.items():
        print(f"  {what:<24} {figure:8.1f}")
    print(f"{'mode':<12}{'forks':>6}{'outside, GB':>13}{'wall, h':>10}{'limit, h':>10}{'ratio':>7}")
    for mode in ("direct", "connection", "http"):
        outside = site.payload * (given.hosts if mode == "direct" else 1) / 1e9
        least = limit(mode, given.hosts, site)
        for forks in FORKS:
            took = wall(mode, sizes, forks, site)
            shown = f"{took / 3600:>10.2f}{least / 3600:>10.2f}{took / least:>7.2f}"
            print(f"{mode:<12}{forks:>6}{outside:>13.1f}{shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
