"""The confusion matrix, and docs/truth.md, of which each run replaces its own part."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .containers import Answer
from .predict import Prediction
from .rows import Combination

__all__ = [
    "CATALOGUE",
    "HEAD",
    "PAGE",
    "Verdict",
    "line",
    "matrix",
    "merged",
    "page_lines",
    "put",
    "section",
    "wrong",
]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "truth.md"
CATALOGUE = PAGE.parents[1] / "roles/whisperx_plan/files/catalogue"
HEAD = ("suite", "Python", "set", "way", "level", "predicted", "really", "day", "why")
_MARK = " **WRONG**"
_LONG = 160


@dataclass(frozen=True)
class Verdict:
    """One combination: what was said, and what is so."""

    combination: Combination
    prediction: Prediction
    answer: Answer

    @property
    def right(self) -> bool | None:
        """Whether the prediction holds, None when nothing was run."""
        return None if self.answer.good is None else self.answer.good == self.prediction.good


def wrong(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the predictions that do not hold, either way."""
    return [verdict for verdict in verdicts if verdict.right is False]


def matrix(lines: Sequence[str]) -> list[str]:
    """Return the confusion matrix of the lines of a table, as a table that also reads well on a terminal."""
    count = Counter((_cells(line)[5].split()[0], _cells(line)[6].replace(_MARK, "")) for line in lines)
    found = ["| | really good | really bad | not run |", "|---|---:|---:|---:|"]
    for said in ("good", "bad"):
        numbers = " | ".join(str(count[said, real]) for real in ("good", "bad", "not run"))
        found.append(f"| predicted {said} | {numbers} |")
    return found


def line(verdict: Verdict, day: str) -> str:
    """Return the line of the table for one combination."""
    one, said, real = verdict.combination, verdict.prediction, verdict.answer
    told = "good" if said.good else f"bad ({said.rule})"
    word = {True: "good", False: "bad", None: "not run"}[real.good]
    mark = _MARK if verdict.right is False else ""
    cells = [*_name(one), told, word + mark, day, real.why]
    return "| " + " | ".join(_cell(text) for text in cells) + " |"


def merged(old: Sequence[str], new: Sequence[str], wanted: Sequence[Combination]) -> list[str]:
    """Return the lines of the table: ``new`` ones instead of ``old`` ones, in the order of ``wanted``.

    A line of a combination that is no longer wanted goes.
    """
    known = {tuple(_cells(text)[:5]): text for text in (*old, *new) if len(_cells(text)) == len(HEAD)}
    return [known[_name(one)] for one in wanted if _name(one) in known]


def page_lines(lines: Sequence[str]) -> list[str]:
    """Return what goes into the page: the count, the matrix, the table."""
    wrongs = sum(_MARK in _cells(text)[6] for text in lines)
    run = sum(_cells(text)[6] != "not run" for text in lines)
    said = f"{len(lines)} combinations, {run} of them run, {wrongs} wrong predictions."
    head = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    return [said, "", *matrix(lines), "", *head, *lines]


def section(name: str, page: Path = PAGE) -> list[str]:
    """Return the lines between the marks of a section of the page; ValueError when it has no such marks."""
    return _split(name, page)[1].split("\n")


def put(name: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Replace what is between the marks of a section of the page; ValueError when it has no such marks."""
    before, _, after = _split(name, page)
    page.write_text(before + "\n\n" + "\n".join(lines) + "\n\n" + after, encoding="utf-8")


def _split(name: str, page: Path) -> tuple[str, str, str]:
    text = page.read_text(encoding="utf-8")
    first, last = f"<!-- {name} -->", f"<!-- end {name} -->"
    if text.count(first) != 1 or text.count(last) != 1:
        raise ValueError(f"{page.name} has no section {name}")
    before, rest = text.split(first)
    body, after = rest.split(last)
    return before + first, body, last + after


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= _LONG else text[: _LONG - 1].rstrip() + "…"


def _name(one: Combination) -> tuple[str, ...]:
    """Return the cells that tell a combination from the others."""
    return one.suite, one.python, one.words, one.way, one.level


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", text)[1:-1]]
