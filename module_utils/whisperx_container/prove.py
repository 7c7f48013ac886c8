"""Prove an image by running it, through the very command that users get."""

from __future__ import annotations

import os
import shlex
import uuid
from typing import Any, Callable, Dict

from ..whisperx_common.files import discard, write_text
from ..whisperx_problem import Problem
from ..whisperx_verify import runner
from .engine import Engine
from .model import Options, Wanted

__all__ = ["prover"]

_SHOWN = 3
_KEPT = ("CONTAINERS_CONF", "DOCKER_HOST", "XDG_RUNTIME_DIR")
_LABEL = "whisperx-fleet.proof"


def prover(engine: Engine) -> Callable[[str, Wanted, Options], Dict[str, Any]]:
    """Return the proof of a release at a path; it raises Problem "container.verify" with its findings."""

    def prove(path: str, wanted: Wanted, options: Options) -> Dict[str, Any]:
        label = "{}={}".format(_LABEL, uuid.uuid4().hex)
        launcher = os.path.join(path, "launch", "proof")
        write_text(launcher, _script(path, label), 0o755)
        try:
            report = runner.run(
                launcher,
                None,
                options.verify_level,
                wanted.device,
                list(wanted.plan.get("imports") or []),
                timeout=options.verify_timeout,
            )
        finally:
            discard(launcher)
            # A check that hung was killed here, which its container does not notice.
            engine.remove_containers(label)
        if not report["ok"]:
            raise _failure(path, wanted, options, report)
        return report

    return prove


def _script(path: str, label: str) -> str:
    """Return a launcher that labels its containers and keeps what leads to the engine."""
    lines = ["#!/bin/sh", "export WHISPERX_CONTAINER_OPTIONS=--label={}".format(label)]
    kept = [name for name in _KEPT if os.environ.get(name)]
    lines += ["export {}={}".format(name, shlex.quote(os.environ[name])) for name in kept]
    return "\n".join([*lines, 'exec {} "$@"'.format(shlex.quote(os.path.join(path, "launch", "python"))), ""])


def _failure(path: str, wanted: Wanted, options: Options, report: Dict[str, Any]) -> Problem:
    findings = [str(finding) for finding in report["findings"]]
    more = len(findings) - _SHOWN
    return Problem(
        "container.verify",
        "the image does not work here: {}".format("; ".join(findings[:_SHOWN]))
        + ("; and {} more".format(more) if more > 0 else ""),
        wanted.image,
        "level {} to succeed on {}".format(options.verify_level, wanted.device),
        "The active release is untouched. Resolve again (whisperx_plan_state: upgrade), or report it.",
    )
