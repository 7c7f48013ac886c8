"""The confusion matrix, and docs/truth.md, of which each run replaces its own part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .containers import Answer
from .predict import Prediction
from .rows import Combination

__all__ = ["CATALOGUE", "PAGE", "Verdict", "matrix", "put", "section", "table", "wrong"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "truth.md"
CATALOGUE = PAGE.parents[1] / "roles/whisperx_plan/files/catalogue"
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


def matrix(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the confusion matrix as lines of a Markdown table, which also reads well on a terminal."""
    count = Counter((verdict.prediction.good, verdict.answer.good) for verdict in verdicts)
    lines = ["| | really good | really bad | not run |", "|---|---:|---:|---:|"]
    for good, name in ((True, "predicted good"), (False, "predicted bad")):
        numbers = " | ".join(str(count[good, real]) for real in (True, False, None))
        lines.append(f"| {name} | {numbers} |")
    return lines


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """Return one Markdown row per combination."""
    lines = ["| suite | Python | set | way | level | predicted | really | why |", "|" + "---|" * 8]
    for verdict in verdicts:
        one, said, real = verdict.combination, verdict.prediction, verdict.answer
        word = {True: "good", False: "bad", None: "not run"}[real.good]
        told = (
            f"good ({said.rule})"
            if said.good and said.rule
            else ("good" if said.good else f"bad ({said.rule})")
        )
        mark = " **WRONG**" if verdict.right is False else ""
        cells = [one.suite, one.python, one.words, one.way, one.level, told, word + mark, real.why]
        lines.append("| " + " | ".join(_cell(text) for text in cells) + " |")
    return lines


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
