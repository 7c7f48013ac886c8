"""Which stages of site.yml run, by the tags that the user gave."""

from __future__ import annotations

from collections.abc import Collection

from ..whisperx_problem import Problem

__all__ = ["STAGES", "TAGS", "stages"]

# Each needs those before it: a tag selects its stage and what that needs; skipping one skips what needs it.
STAGES = ("facts", "plan", "lock", "install")
TAGS = (*STAGES, "verify", "report")
# How far the stages go for a tag that is none of them.
_REACH = {"report": "plan"}
_ALL = {"all", "tagged"}


def stages(wanted: Collection[str], skipped: Collection[str], own: Collection[str] = ()) -> list[str]:
    """Return the stages that run, in their order; "verify" and "report" are among them as well.

    ``wanted``, ``skipped``: the values of ``--tags`` and ``--skip-tags``. ``own``: tags that the playbook has
    from where it is imported. Without a tag of these, or with one of ``own``, everything runs; with tags of
    other playbooks alone nothing does. Raises Problem "preflight.tags" when what is wanted needs a stage that
    is skipped by all its tags.
    """
    whole = bool((_ALL | (set(own) - {"always"})) & set(wanted))
    asked = {_REACH.get(tag, tag) for tag in wanted} & set(STAGES)
    last = len(STAGES) if whole else max((STAGES.index(tag) + 1 for tag in asked), default=0)
    found: list[str] = []
    for stage in STAGES[:last]:
        if stage in skipped:
            break
        found.append(stage)
    if last and not found:
        raise Problem(
            "preflight.tags",
            "the tag facts is skipped",
            "--skip-tags",
            "the facts, which every other stage needs",
            "Skip plan, lock, install, verify or report instead.",
        )
    # A verification of its own is for who asks for that alone; an installation verifies before it activates.
    if "verify" not in skipped and ("install" in found or "verify" in wanted):
        found.append("verify")
    # Facts and plans are shown as they are, with nothing to report beyond them unless that is asked for.
    if "report" not in skipped and ("lock" in found or "report" in wanted or (whole and last)):
        found.append("report")
    return found
