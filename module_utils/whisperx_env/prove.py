"""Prove a release by running it, through the very launch script that users get."""

from __future__ import annotations

import os
from typing import Any, Dict

from ..whisperx_problem import Problem
from ..whisperx_verify import runner
from .model import Options, Wanted

__all__ = ["prove"]

_SHOWN = 3


def prove(path: str, wanted: Wanted, options: Options) -> Dict[str, Any]:
    """Verify the release at ``path``; return the report, which goes into its record.

    The probe stays in verify/ of the release, to be run again by hand. Raises Problem "env.verify" with the
    first findings.
    """
    launcher = os.path.join(path, "launch", "python")
    report = runner.run(
        launcher,
        os.path.join(path, "verify"),
        options.verify_level,
        wanted.device,
        list(wanted.plan.get("imports") or []),
        timeout=options.verify_timeout,
    )
    if not report["ok"]:
        findings = [str(finding) for finding in report["findings"]]
        more = len(findings) - _SHOWN
        raise Problem(
            "env.verify",
            "the environment does not work: {}".format("; ".join(findings[:_SHOWN]))
            + ("; and {} more".format(more) if more > 0 else ""),
            path,
            "level {} to succeed on {}".format(options.verify_level, wanted.device),
            "The active release is untouched. Resolve again (whisperx_plan_state: upgrade), or report it.",
        )
    return report
