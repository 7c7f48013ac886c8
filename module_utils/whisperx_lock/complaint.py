"""Turn what uv says when it fails into a Problem that names the index, the cause and the next step.

Measured with uv 0.13: exit 1 and "No solution found" for what cannot be resolved or what an index refuses;
exit 2 and "Failed to fetch" for an index that cannot be reached. The text tells them apart.
"""

from __future__ import annotations

import re

from ..whisperx_common.connection_causes import remedy_of
from ..whisperx_problem import Problem
from .sources import Sources

__all__ = ["complaint", "trimmed"]

_LONGEST = 1200  # characters of an explanation of uv's
_LABEL = re.compile(r"^(error: No solution found when resolving dependencies|error:|cause:|hint:)\s*")


def complaint(stderr: str, sources: Sources, torch: str = "") -> Problem:
    """Turn what uv says into a Problem.

    ``torch`` is the part of an address by which the PyTorch index of the call can be told, if one was used.
    Rules: "lock.torch-index" and "lock.index" (cannot be reached), "lock.credentials", "lock.offline",
    "lock.unsatisfiable", and "lock.uv" for the rest.
    """
    text = sources.scrub(stderr)
    refused = re.search(r"An index(?: URL)? \((\S+)\) (?:could not be queried|returned a 403)", text)
    failed = re.search(r"(?:Failed to fetch|error sending request for url)[: (]+`?([^\s`)]+)", text)
    if refused:
        return _refused(text, sources.name_of(refused.group(1)))
    if failed and torch and torch in failed.group(1):
        return Problem(
            "lock.torch-index",
            "the PyTorch index cannot be reached" + _cause(text),
            "" if sources.torch is None else sources.torch.url,
            "the index that has this build of torch",
            remedy_of(_cause(text), "whisperx_plan_torch_index"),
        )
    if failed:
        return Problem(
            "lock.index",
            "the package index cannot be reached" + _cause(text),
            sources.name_of(failed.group(1)),
            "an index that responds",
            remedy_of(_cause(text), "whisperx_plan_index_url"),
        )
    if "the network was disabled" in text:
        return Problem(
            "lock.offline",
            "a new lock is needed, and uv may not use the network: " + trimmed(text),
            "UV_OFFLINE",
            "an index, or a directory with all packages",
            "Unset UV_OFFLINE, or name a directory in whisperx_plan_find_links.",
        )
    if "No solution found" in text:
        return Problem(
            "lock.unsatisfiable",
            "there is no set of packages that fits: " + trimmed(text),
            "uv pip compile",
            "versions that fit together",
            "Loosen whisperx_plan_packages, or name an index that has what is missing.",
        )
    return Problem("lock.uv", "uv failed: " + trimmed(text), "uv", "an answer", "Fix what uv reports.")


def _refused(text: str, index: str) -> Problem:
    # Some servers answer 403 for what they do not have, so uv's own words belong to it.
    found = "the index refuses access (401)"
    if "returned a 403" in text:
        found = f"the index refuses access (403): {trimmed(text)}"
    return Problem(
        "lock.credentials",
        found,
        index,
        "a user name and password that it accepts",
        "Set whisperx_plan_index_username and whisperx_plan_index_password.",
    )


def _cause(text: str) -> str:
    causes = [line.split("cause:", 1)[1].strip() for line in text.splitlines() if "cause:" in line]
    return f" ({causes[-1]})" if causes else ""


def trimmed(text: str) -> str:
    """Return uv's explanation as one line, without its labels and warnings, at most _LONGEST characters."""
    kept = []
    for line in text.splitlines():
        line = re.sub(
            r"^(error: No solution found when resolving dependencies|error:|cause:|hint:)\s*",
            "",
            line.strip(),
        )
        if line and not line.startswith("warning:"):
            kept.append(line)
    whole = " ".join(kept)
    if len(whole) <= _LONGEST:
        return whole
    return whole[: _LONGEST * 2 // 3] + " … " + whole[-_LONGEST // 3 :]
