"""Prove an image by running it, through the very command that users get."""

from __future__ import annotations

import os
import shlex
import uuid
from typing import Any, Callable, Dict, List

from ..whisperx_common.files import discard, write_text
from ..whisperx_problem import Problem
from ..whisperx_release.model import Release
from ..whisperx_verify import runner
from .engine import Engine
from .model import Options, Wanted

__all__ = ["prove_again", "prover"]

_SHOWN = 3
_KEPT = ("CONTAINERS_CONF", "DOCKER_HOST", "XDG_RUNTIME_DIR")
_LABEL = "whisperx-fleet.proof"


def prover(engine: Engine) -> Callable[[str, Wanted, Options], Dict[str, Any]]:
    """Return the proof of a release at a path; it raises Problem "container.verify" with its findings."""

    def prove(path: str, wanted: Wanted, options: Options) -> Dict[str, Any]:
        imports = wanted.imports
        report = _run(engine, path, options.verify_level, wanted.device, imports, options.verify_timeout)
        if not report["ok"]:
            raise _failure(path, wanted, options, report)
        return report

    return prove


def prove_again(engine: Engine, release: Release, options: Options) -> Dict[str, Any]:
    """Verify a release that was verified once, before it is gone back to; return the report.

    Raises Problem "container.previous-damaged".
    """
    plan = release.value("plan", {})
    imports = plan.get("imports") if isinstance(plan, dict) else None
    level, device = options.rollback_verify, str(release.value("device") or "cpu")
    known = imports if isinstance(imports, list) else []
    report = _run(engine, release.path, level, device, known, options.verify_timeout)
    if not report["ok"]:
        raise Problem(
            "container.previous-damaged",
            "release {} does not work: {}".format(release.name, _findings(report)),
            str(release.value("image")),
            "level {} to succeed before the switch (whisperx_container_rollback_verify)".format(level),
            "The active release is untouched. To build that image again, remove it with {} and run site.yml "
            "with the older lock.".format(engine.name),
        )
    return report


def _run(
    engine: Engine, path: str, level: str, device: str, imports: List[Any], timeout: float
) -> Dict[str, Any]:
    """Run the checks through the release's own command; return the report."""
    label = "{}={}".format(_LABEL, uuid.uuid4().hex)
    launcher = os.path.join(path, "launch", "proof")
    write_text(launcher, _script(path, label), 0o755)
    try:
        return runner.run(launcher, None, level, device, imports, timeout=timeout)
    finally:
        discard(launcher)
        # A check that hung was killed here, which its container does not notice.
        engine.remove_containers(label)


def _script(path: str, label: str) -> str:
    """Return a launcher that labels its containers and keeps what leads to the engine."""
    lines = ["#!/bin/sh", "export WHISPERX_CONTAINER_OPTIONS=--label={}".format(label)]
    kept = [name for name in _KEPT if os.environ.get(name)]
    lines += ["export {}={}".format(name, shlex.quote(os.environ[name])) for name in kept]
    return "\n".join([*lines, 'exec {} "$@"'.format(shlex.quote(os.path.join(path, "launch", "python"))), ""])


def _failure(path: str, wanted: Wanted, options: Options, report: Dict[str, Any]) -> Problem:
    return Problem(
        "container.verify",
        "the image does not work here: {}".format(_findings(report)),
        wanted.image,
        "level {} to succeed on {}".format(options.verify_level, wanted.device),
        "The active release is untouched. Resolve again (whisperx_plan_state: upgrade), or report it.",
    )


def _findings(report: Dict[str, Any]) -> str:
    findings = [str(finding) for finding in report["findings"]]
    more = len(findings) - _SHOWN
    return "; ".join(findings[:_SHOWN]) + ("; and {} more".format(more) if more > 0 else "")
