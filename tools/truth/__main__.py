"""Install and import what the planner calls good and bad, in real containers, and print the confusion matrix.

    python -m tools.truth [--only TEXT] [--interpreters DIR] [--cache DIR] [--write]

Needs root, podman with runc, the images of tools/lab/build_images, uv, and a package index. Exit codes:
0 every prediction holds, 1 one does not, either way, 2 the suite could not run. --write puts the
rows that were run into docs/truth.md, in place of older ones.
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_catalogue.catalogue import Catalogue, load  # noqa: E402
from module_utils.whisperx_lock.uv import find_uv  # noqa: E402
from module_utils.whisperx_plan.host import Host  # noqa: E402
from module_utils.whisperx_plan.platforms import platform_of  # noqa: E402
from module_utils.whisperx_problem import Problem  # noqa: E402
from tools.truth import report  # noqa: E402
from tools.truth.containers import Answer, Lab  # noqa: E402
from tools.truth.install import Installer  # noqa: E402
from tools.truth.options import add_common  # noqa: E402
from tools.truth.predict import Prediction, describe, own_python, plan_for, predict  # noqa: E402
from tools.truth.report import Verdict  # noqa: E402
from tools.truth.rows import FFMPEG, SUITES, Combination, load_combinations  # noqa: E402

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; return its exit code."""
    options = _parser().parse_args(arguments)
    start = time.monotonic()
    try:
        wanted = sorted(load_combinations(), key=_place)
        rows = [row for row in wanted if options.only in row.key]
        verdicts = _all(rows, load(options.catalogue), options)
    except Problem as problem:
        print(problem.sentence(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    day = datetime.date.today().isoformat()
    lines = [report.line(verdict, day) for verdict in verdicts]
    print("\n".join(["", *report.matrix(lines), ""]))
    bad = report.wrong(verdicts)
    run = sum(verdict.right is not None for verdict in verdicts)
    took = time.monotonic() - start
    print(f"{len(lines)} combinations, {run} of them run, {len(bad)} wrong predictions; {took:.0f} s")
    if options.write:
        old = report.section("combinations")
        report.put("combinations", report.page_lines(report.merged(old, lines, wanted)))
    return 1 if bad else 0


def _place(row: Combination) -> tuple[int, str]:
    return SUITES.index(row.suite.removesuffix(FFMPEG)), row.suite


def _all(rows: Sequence[Combination], catalogue: Catalogue, options: argparse.Namespace) -> list[Verdict]:
    """Install, predict and probe, suite by suite."""
    cache = Path(options.cache).expanduser().absolute()
    cache.mkdir(parents=True, exist_ok=True)
    trees = Path(tempfile.mkdtemp(prefix="whisperx-truth-", dir=cache.parent))
    interpreters = Path(options.interpreters).absolute() if options.interpreters else None
    imports = {name: info.module for name, info in catalogue.rows.packages.items() if info.module}
    sources = tuple(catalogue.rows.built_from_sdist)
    lab = Lab(Installer(find_uv(options.uv), cache, trees, sources), imports, interpreters)
    verdicts: list[Verdict] = []
    try:
        suites = list(dict.fromkeys(row.suite for row in rows))
        missing = lab.missing_images(suites)
        if missing:
            raise Problem(
                "truth.image",
                "no image of " + ", ".join(missing),
                "podman",
                "an image per suite",
                "Run tools/lab/build_images " + " ".join(missing),
            )
        for suite in suites:
            lab.add_ffmpeg(suite, own_python(suite, catalogue))
            verdicts += _suite(suite, [row for row in rows if row.suite == suite], lab, catalogue)
    finally:
        shutil.rmtree(trees, ignore_errors=True)
    return verdicts


def _suite(suite: str, rows: Sequence[Combination], lab: Lab, catalogue: Catalogue) -> list[Verdict]:
    """Return the verdicts of one suite, each said as it comes."""
    answers: dict[str, Answer] = {}
    predictions: dict[str, Prediction] = {}
    ready: list[Combination] = []
    for row in rows:
        predictions[row.key], answer = _prepare(row, lab, catalogue)
        if answer is None:
            ready.append(row)
        else:
            answers[row.key] = answer
            _say(Verdict(row, predictions[row.key], answer))
    by_key = {row.key: row for row in ready}
    if ready:
        libc = describe(suite, ready[0].python, catalogue)["libc"]["version"]
        for key, answer in lab.run(suite, libc, ready):
            answers[key] = answer
            _say(Verdict(by_key[key], predictions[key], answer))
    for row in ready:
        shutil.rmtree(lab.installer.tree(row), ignore_errors=True)
    return [
        Verdict(row, predictions[row.key], answers.get(row.key, Answer(None, "no answer"))) for row in rows
    ]


def _prepare(row: Combination, lab: Lab, catalogue: Catalogue) -> tuple[Prediction, Answer | None]:
    """Install a combination; return the prediction, and the answer where there is nothing left to run."""
    host = Host.from_facts(row.suite, describe(row.suite, row.python, catalogue))
    named = platform_of(host, catalogue)
    assert named is not None, "every suite of SUITES has a platform"
    plan = plan_for(row, row.pins, catalogue) if row.way == "planned" else None
    if plan is not None and plan["verdict"] != "plan":
        plan = None
    installed = lab.installer.install(row, named[0], plan)
    prediction = predict(row, installed.versions, catalogue)
    if installed.trouble:
        return prediction, Answer(None, installed.trouble)
    return prediction, Answer(False, installed.refusal) if installed.refusal else None


def _say(verdict: Verdict) -> None:
    mark = {True: "ok   ", False: "WRONG", None: "-    "}[verdict.right]
    one, said, real = verdict.combination, verdict.prediction, verdict.answer
    word = {True: "good", False: "bad", None: "not run"}[real.good]
    told = "good" if said.good else f"bad ({said.rule})"
    line = f"{mark} {one.suite}/{one.python} {one.words} [{one.way}]: predicted {told}, really {word}"
    print(f"{line}: {real.why[:300]}" if real.why else line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.truth", description="Try the planner's predictions."
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="combinations whose key has this in it")
    parser.add_argument("--interpreters", metavar="DIR", help="further Pythons, DIR/NAME/bin/pythonX.Y")
    add_common(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
