"""Plan a fleet that does not exist and print the figures as JSON: seconds, processor seconds, peak memory.

    python bench/plan.py [--hosts 10000] [--classes 50]

A process of its own, so that the peak is the planner's. Hosts of a class differ in facts that decide nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["fleet", "main"]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_catalogue.catalogue import load  # noqa: E402
from module_utils.whisperx_plan.decide import decide  # noqa: E402
from module_utils.whisperx_plan.model import Request  # noqa: E402

SYSTEMS = [
    ("2.35", "3.10.12"),
    ("2.36", "3.11.2"),
    ("2.34", "3.12.1"),
    ("2.39", "3.12.3"),
    ("2.41", "3.13.5"),
]
GPUS = [
    None,
    ("6.1", "580.65.06", "13.0"),
    ("7.5", "535.183.01", "12.2"),
    ("8.0", "550.54.15", "12.4"),
    ("8.6", "570.124.06", "12.8"),
    ("8.9", "535.183.01", "12.2"),
    ("9.0", "535.183.01", "12.2"),
    ("9.0", "570.124.06", "12.8"),
    ("10.0", "580.95.05", "13.0"),
    ("12.0", "595.58.03", "13.2"),
]


def fleet(size: int, kinds: int) -> dict[str, dict[str, Any]]:
    """Return described hosts of so many kinds, at most 50, in turn."""
    models = list(itertools.islice(itertools.product(SYSTEMS, GPUS), kinds))
    return {f"host{number}": host(number, *models[number % kinds]) for number in range(size)}


def host(number: int, system: tuple[str, str], gpu: tuple[str, str, str] | None) -> dict[str, Any]:
    glibc, python = system
    facts: dict[str, Any] = {
        "libc": {"family": "glibc", "version": glibc},
        "kernel": {"release": f"6.1.{number}"},
        "machine": "x86_64",
        "cpu": {"flags": ["sse4_1", "avx", f"x{number % 97}"]},
        "pythons": [{"path": f"/usr/bin/python{python.rpartition('.')[0]}", "version": python}],
    }
    if gpu is None:
        return facts
    capability, version, cuda = gpu
    driver = {"version": version, "cuda": cuda, "state": "running"}
    gpus = [{"name": f"GPU {capability}", "compute_capability": capability, "uuid": f"GPU-{number}"}]
    return {**facts, "gpus": gpus, "nvidia_driver": driver}


def measure(hosts: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Decide, reading the catalogue included; return seconds, processor seconds, how many classes."""
    start, used = time.monotonic(), time.process_time()
    known = load(ROOT / "roles/whisperx_plan/files/catalogue")
    decision = decide(hosts, Request.make({"whisperx": ""}), known)
    took, used = time.monotonic() - start, time.process_time() - used
    if any(record["verdict"] != "plan" for record in decision.hosts.values()):
        raise RuntimeError("a host of the bench has no plan")
    return {"seconds": took, "cpu_seconds": used, "classes": len(decision.classes)}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Plan described hosts and print the figures.")
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=50)
    options = parser.parse_args(arguments)
    found = measure(fleet(options.hosts, options.classes))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "peak_mib": peak}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
