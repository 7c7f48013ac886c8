"""The whole diagnosis: which environments, what is wrong with each, one verdict, one page."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..whisperx_common.conditions import UNKNOWN, VERDICTS
from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from ..whisperx_service.systemd import Systemd
from . import facts as host
from . import page
from .daemons import logged
from .diagnose import diagnose, worst
from .locate import locate
from .places import find
from .records import EXIT_CODES, Asked, Environment, Symptom
from .rows import Knowledge, read

__all__ = ["Where", "consult"]

_MOST_LOG = 1 << 20
# An environment with one of these packages is examined.
_CARRIED = ("whisperx", "faster-whisper", "ctranslate2", "torch")


class Where(NamedTuple):
    """Where to look: ``paths`` of environments, ``search`` the usual places, ``python`` for a bare directory
    of packages, ``logs`` with the words of a failure that happened elsewhere."""

    paths: Sequence[str] = ()
    search: bool = False
    python: str = ""
    logs: Sequence[str] = ()


def consult(
    where: Where, asked: Asked, document: Mapping[str, Any], distribution: Optional[Any] = None
) -> Dict[str, Any]:
    """Return verdict, condition, exit_code, environments (see diagnose), page (lines), warnings (sentences).

    ``document``: the knowledge, see rows.py. ``distribution``: the class LinuxDistribution of distro, where
    that is at hand. Raises Problem for what was asked wrongly.
    """
    knowledge = read(document)
    tree = Tree(asked.root)
    facts, warnings = _facts(asked.root, distribution)
    environments, lost, more = _environments(where, tree, facts)
    logs = [_log(path, tree) for path in where.logs]
    if asked.root == "/":
        logs += [symptom for path in where.paths for symptom in logged(path, Systemd())]
    told = [diagnose(item, facts, knowledge, asked, logs) for item in environments]
    if not told and logs:
        told.append(_log_alone(logs, facts, knowledge, asked))
    verdict = worst([item["verdict"] for item in told] + [UNKNOWN] * len(lost))
    text: List[str] = []
    for item in told:
        text += [*page.lines(item), ""]
    text += [problem.sentence() for problem in lost]
    if not told and not lost:
        text.append("No environment with whisperx, faster-whisper, ctranslate2 or torch was found.")
    return {
        "verdict": verdict,
        "condition": VERDICTS[verdict],
        "exit_code": EXIT_CODES[verdict],
        "environments": told,
        "page": text[:-1] if text and not text[-1] else text,
        "warnings": warnings + more,
    }


def _facts(root: str, distribution: Optional[Any]) -> Tuple[Dict[str, Any], List[str]]:
    """Return the host's facts; what cannot be read is a warning, for the run still tells something."""
    try:
        return host.read(root, distribution), []
    except Problem as problem:
        if problem.rule == "host.root":
            raise
        return {}, [problem.sentence()]


def _environments(
    where: Where, tree: Tree, facts: Mapping[str, Any]
) -> Tuple[List[Environment], List[Problem], List[str]]:
    """Return the environments to look at, what was named and is none, and warnings."""
    found: List[Environment] = []
    lost: List[Problem] = []
    warnings: List[str] = []
    for path in where.paths:
        try:
            found.append(locate(os.path.join("/", os.path.abspath(path)), tree, where.python))
        except Problem as problem:
            lost.append(problem)
    if where.search:
        pythons = [python["path"] for python in facts.get("pythons") or []]
        more, whole = find(tree, pythons, _CARRIED)
        known = {environment.path for environment in found}
        found += [environment for environment in more if environment.path not in known]
        if not whole:
            warnings.append(
                "There are too many directories to search them all; name the one that is missing."
            )
    return found, lost, warnings


def _log(path: str, tree: Tree) -> Symptom:
    """Return the words in a log, its end if it is long."""
    try:
        with open(tree.outside(path), "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _MOST_LOG))
            text = stream.read().decode("utf-8", "replace")
    except OSError as problem:
        raise Problem(
            "doctor.log",
            f"cannot read: {problem.strerror}",
            path,
            "a text file with the words of a failure",
            "Correct the path.",
        ) from problem
    return Symptom("log", os.path.basename(path), text, path, minor=True)


def _log_alone(
    logs: Sequence[Symptom], facts: Mapping[str, Any], knowledge: Knowledge, asked: Asked
) -> Dict[str, Any]:
    """Diagnose words without an environment: rows are named, the verdict stays open."""
    nobody = Environment(", ".join(item.where for item in logs), page.LOG)
    return diagnose(nobody, facts, knowledge, asked._replace(level="audit"), logs)
