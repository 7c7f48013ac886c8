"""The document of a plan, once the classes are locked: the versions of further packages are known then."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ..whisperx_common.output import Output
from ..whisperx_problem import Problem
from .lock import LockResult

__all__ = ["complete"]

_OPTION = "whisperx_plan_output"


def complete(path: str, results: Mapping[str, LockResult]) -> None:
    """Add the extras that were locked to the pins of the hosts in a plan's JSON.

    Without extras, or a document, nothing is written. Raises Problem "plan.output", or
    "plan.untrusted-directory" for a file that others can change.
    """
    extras = {
        name: {extra.name: result.lock.versions[extra.name] for extra in result.lock.extras}
        for name, result in results.items()
    }
    if not any(extras.values()) or not os.path.isfile(path):
        return
    output = Output(_OPTION, path)
    output.check()
    try:
        with open(path, encoding="utf-8") as stream:
            document: dict[str, Any] = json.load(stream)
        for record in document["hosts"].values():
            if record.get("extras"):
                record["pins"].update(extras.get(record["class"], {}))
    except OSError as error:
        raise output.failed(error) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Problem(
            "plan.output",
            "it is not the JSON of a plan",
            path,
            "the document that the plan wrote",
            f"Run again: the plan writes the document again ({_OPTION})",
        ) from None
    output.write(json.dumps(document, indent=2, sort_keys=True) + "\n")
