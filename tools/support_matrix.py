#!/usr/bin/env python3
"""Write docs/support-matrix.md: what the planner decides for every distribution on every device.

    tools/support_matrix.py            # write the page
    tools/support_matrix.py --check    # exit code 1 when the committed page is not what would be written

The devices are the rows of tools/support_matrix.yml. The same catalogue gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_catalogue.catalogue import Catalogue, load  # noqa: E402
from module_utils.whisperx_catalogue.rows import Distro  # noqa: E402
from module_utils.whisperx_common.versions import dotted  # noqa: E402
from module_utils.whisperx_plan.decide import decide  # noqa: E402
from module_utils.whisperx_plan.model import Request  # noqa: E402
from module_utils.whisperx_plan.output.document import python_of  # noqa: E402

__all__ = ["PAGE", "Cell", "main", "render"]

CATALOGUE = ROOT / "roles/whisperx_plan/files/catalogue"
DEVICES = ROOT / "tools/support_matrix.yml"
PAGE = ROOT / "docs/support-matrix.md"
# What such a host has beside the row: an ordinary CPU.
_FLAGS = {"x86_64": ["sse4_1", "sse4_2", "avx", "avx2", "f16c", "fma"], "aarch64": ["asimd"]}
# Reasons that are about the index or the machine's Pythons, not about what the host can do.
_QUIET = ("release.", "python.unfit", "python.private", "python.platform")
# The packages that a reader looks for.
_ASKED = ("whisperx", "ctranslate2")
_INTRO = """# What runs on which distribution and GPU?

`tools/support_matrix.py` generates this page from the catalogue; do not edit it.
Each table shows for one device what `whisperx_plan_packages: {whisperx: ""}` gives with the default settings.
The last column has the ids of the rules that rule out a newer whisperx or ctranslate2, or the GPU.
Their sentences and sources are in [rules.yml](../roles/whisperx_plan/files/catalogue/rules.yml).

These are predictions; [truth.md](truth.md) says which sets of versions were tried.
No GPU row was tried on that GPU.
The column "tried" is about CPUs of x86_64, and names the distribution where it is not the whole row:

- *run*: `make test` installs WhisperX there and transcribes, on a root of the distribution itself.
- *run on a stand-in*: `make test` installs CTranslate2, or sees that it is refused, on a root of \
Debian's programs with the distribution's names and layout; [how near](testing.md#how-near-are-the-stand-ins).
- *decided from facts*: the planner was asked, and nothing was run.

Distributions with the same C library and the same Pythons share a row.
A Python marked "managed" is installed with the environment, see [python.md](python.md).
A Python in *italics* is another one of the distribution's: install its package first.
The remedy "driver" is an advice: a newer branch would give newer versions."""
# What is not tried at all.
_DECIDED = "decided from facts"
_HEAD = "| distribution | glibc | Python | WhisperX | ctranslate2 | torch | remedies | rules |"

# How it was tried -> the names of distributions, "debian 12".
Tried = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Cell:
    """Distributions that are alike, on one device. ``extra``: the Python has to be installed first."""

    distros: tuple[Distro, ...]
    record: Mapping[str, Any]
    extra: bool

    @property
    def mark(self) -> str:
        """The cell of the overview: device, or "-" for a refusal."""
        return str(self.record["device"]) if self.record["verdict"] == "plan" else "-"

    def row(self) -> str:
        """The row of the device's table."""
        record, rules = self.record, ", ".join(_rules(self.record)) or "-"
        known = [self.name, dotted(self.distros[0].libc[1] or ())]
        if record["verdict"] != "plan":
            return _row([*known, dotted(self.distros[0].python or ()), "refused", "-", "-", "-", rules])
        pins, build = record["pins"], record["torch_build"]
        python = f"*{record['python']}*" if self.extra else python_of(record)
        torch = f"{pins['torch']} ({build})" if build else pins.get("torch", "-")
        kinds = ", ".join(dict.fromkeys(str(remedy["kind"]) for remedy in record["remedies"])) or "-"
        return _row([*known, python, pins["whisperx"], pins["ctranslate2"], torch, kinds, rules])

    @property
    def name(self) -> str:
        """The distributions in words."""
        return ", ".join(map(_name, self.distros))

    def tried(self, tried: Tried) -> str:
        """How the row was tried, with the distributions for which that holds unless it does for all."""
        names = [_name(row) for row in self.distros]
        marks = []
        for mark, those in tried.items():
            mine = [name for name in names if name in those]
            if mine:
                marks.append(mark if mine == names else f"{mark} ({', '.join(mine)})")
        return ", ".join(marks) or _DECIDED


def render(catalogue: Catalogue, devices: Sequence[Mapping[str, Any]], tried: Tried) -> str:
    """Return the page. Raises ValueError for one that was tried and is not in the catalogue."""
    known = {_name(row) for row in catalogue.rows.distros}
    if strangers := sorted({name for those in tried.values() for name in those} - known):
        raise ValueError(f"{DEVICES.name}: tried, but not in the catalogue: {', '.join(strangers)}")
    tables = {str(device["name"]): _cells(device, catalogue) for device in devices}
    lines = [
        _INTRO,
        "",
        "## Overview",
        "",
        "`cpu` on a host with a GPU: the GPU cannot be used, the CPU can.",
        "",
    ]
    lines += [_row(["distribution", "tried", *tables]), "|" + "---|" * (len(tables) + 2)]
    for cells in zip(*tables.values(), strict=True):
        lines.append(_row([cells[0].name, cells[0].tried(tried), *(cell.mark for cell in cells)]))
    for name, rows in tables.items():
        lines += ["", f"## {name}", "", _HEAD, "|" + "---|" * (_HEAD.count("|") - 1)]
        lines += [cell.row() for cell in rows]
    return "\n".join(lines) + "\n"


def _alike(catalogue: Catalogue) -> dict[str, tuple[Distro, ...]]:
    """Return the distributions by what they have in common, in the catalogue's order."""
    found: dict[str, tuple[Distro, ...]] = {}
    for row in catalogue.rows.distros:
        pythons = sorted(python for python, _ in row.offered)
        key = f"{row.libc} {row.python} {pythons}"
        found[key] = (*found.get(key, ()), row)
    return found


def _cells(device: Mapping[str, Any], catalogue: Catalogue) -> list[Cell]:
    """Plan every distribution on a device; where its own Python does not do, with those it offers."""
    groups = _alike(catalogue)
    own = _decide({key: _facts(rows[0], device, False) for key, rows in groups.items()}, catalogue)
    refused = {
        key: rows[0] for key, rows in groups.items() if own[key]["verdict"] != "plan" and rows[0].offered
    }
    more = _decide({key: _facts(row, device, True) for key, row in refused.items()}, catalogue)
    cells = []
    for key, rows in groups.items():
        extra = key in more and more[key]["verdict"] == "plan"
        cells.append(Cell(rows, more[key] if extra else own[key], extra))
    return cells


def _decide(hosts: Mapping[str, dict[str, Any]], catalogue: Catalogue) -> Mapping[str, dict[str, Any]]:
    return decide(hosts, Request.make({"whisperx": ""}), catalogue).hosts


def _facts(row: Distro, device: Mapping[str, Any], offered: bool) -> dict[str, Any]:
    """Return the facts of a described host, with the Pythons that its packages offer or only its own."""
    versions = [row.python, *((python for python, _ in row.offered) if offered else ())]
    machine = device.get("machine", "x86_64")
    return {
        "schema": 1,
        "os": {"id": row.id, "version": row.version, "codename": row.codename},
        "libc": {"family": row.libc[0], "version": dotted(row.libc[1] or ())},
        "machine": machine,
        "cpu": {"flags": _FLAGS[machine]},
        "pythons": [{"path": f"/usr/bin/python{dotted(v)}", "version": dotted(v)} for v in versions if v],
        "gpus": [device["gpu"]] if "gpu" in device else [],
        "nvidia_driver": device.get("driver", {"state": "absent"}),
        "ffmpeg": {"libavutil": [row.libavutil] if row.libavutil else []},
    }


def _rules(record: Mapping[str, Any]) -> list[str]:
    """Return the ids of the rules behind an answer, in the order of its reasons."""
    pins = record.get("pins", {})
    return list(
        dict.fromkeys(
            reason["rule"]
            for reason in record["reasons"]
            if not reason["rule"].startswith(_QUIET) and _decides(reason, pins)
        )
    )


def _decides(reason: Mapping[str, Any], pins: Mapping[str, str]) -> bool:
    """Whether a reason is about the host as a whole, or about something newer than what was taken."""
    package, _, version = reason["subject"].partition(" ")
    if not pins or not reason["versions"]:
        return True
    return package in _ASKED and package in pins and Version(version) > Version(pins[package])


def _name(row: Distro) -> str:
    return f"{row.id} {row.version}".strip()


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns its exit code."""
    parser = argparse.ArgumentParser(description="Write docs/support-matrix.md from the catalogue.")
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    options = parser.parse_args(arguments)
    described = yaml.safe_load(DEVICES.read_text(encoding="utf-8"))
    text = render(load(CATALOGUE), described["devices"], described["tried"])
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name} is not what the catalogue gives: run make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
