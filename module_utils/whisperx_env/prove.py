"""Prove a release by running it, through the very launch script that users get."""

from __future__ import annotations

import os
from typing import Any, Dict

from ..whisperx_common.files import read_json
from ..whisperx_problem import Problem
from ..whisperx_release.model import Release
from ..whisperx_verify import runner
from ..whisperx_verify.main import PLAN
from .model import Options, Wanted

__all__ = ["prove", "prove_again"]

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
        wanted.imports,
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


def prove_again(release: Release, options: Options, cache: str) -> Dict[str, Any]:
    """Verify a release that was verified once, before it is gone back to; return the report.

    Nothing of it is written. What to import lies beside its probe. Raises Problem "env.previous-damaged".
    """
    plan = read_json(os.path.join(release.path, "verify", PLAN)) or {}
    imports = plan.get("imports")
    report = runner.run(
        os.path.join(release.path, "launch", "python"),
        None,
        options.rollback_verify,
        str(release.value("device") or "cpu"),
        imports if isinstance(imports, list) else [],
        timeout=options.verify_timeout,
        read_only=True,
    )
    if not report["ok"]:
        raise Problem(
            "env.previous-damaged",
            "release {} does not work: {}".format(
                release.name, "; ".join(str(finding) for finding in report["findings"][:_SHOWN])
            ),
            release.path,
            "level {} to succeed before the switch (whisperx_venv_rollback_verify)".format(
                options.rollback_verify
            ),
            "The active release is untouched. To build that release again, remove it and {}, which has the "
            "same files, and run site.yml with the older lock.".format(cache),
        )
    return report
