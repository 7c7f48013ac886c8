"""Metrics as text. Source: Prometheus' text format 0.0.4 and its naming conventions, checked with promtool.

No sample has a time of its own: node_exporter rejects a file with one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Sequence, Tuple

__all__ = ["FILE", "Family", "render"]

# In the directory that node_exporter reads.
FILE = "whisperx.prom"


@dataclass(frozen=True)
class Family:
    """One metric: its name, its kind ("gauge" or "counter"), what it says, its samples (labels, value)."""

    name: str
    kind: str
    help: str
    samples: Tuple[Tuple[Mapping[str, str], float], ...]


def render(families: Sequence[Family]) -> str:
    """Return the text of a file; families without a sample are left out."""
    lines: List[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append("# HELP {} {}".format(family.name, _escaped(family.help, "\\\n")))
        lines.append("# TYPE {} {}".format(family.name, family.kind))
        for labels, value in family.samples:
            told = ",".join(
                '{}="{}"'.format(name, _escaped(labels[name], '\\"\n')) for name in sorted(labels)
            )
            lines.append("{}{} {}".format(family.name, "{" + told + "}" if told else "", _number(value)))
    return "".join(line + "\n" for line in lines)


def _escaped(text: str, letters: str) -> str:
    table = {"\\": "\\\\", "\n": "\\n", '"': '\\"'}
    return "".join(table[letter] if letter in letters else letter for letter in text)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
