"""What a lock notes of further packages: what was asked for, their modules and their commands.

Standard library only, Python 3.8: the same file runs on the controller and on the targets.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Sequence, Tuple

from ..whisperx_problem import Problem

__all__ = ["COMMAND", "Extra", "chosen", "commands", "imports", "read", "write"]

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
# The name of a command that may be linked, whole.
COMMAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Extra:
    """One further package. ``modules`` are imported to verify it, ``commands`` are linked for users."""

    name: str
    specifier: str = ""
    modules: Tuple[str, ...] = ()
    commands: Tuple[str, ...] = ()


def read(text: str) -> Tuple[Extra, ...]:
    """Return what ``write`` wrote, () for "". Raises ValueError for anything else."""
    try:
        records = json.loads(text) if text else {}
        found = tuple(_one(str(name), dict(record)) for name, record in sorted(records.items()))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("no map of name to specifier, modules and commands") from error
    if text and (not found or write(found) != text):
        raise ValueError("not as it was written")
    return found


def write(extras: Iterable[Extra]) -> str:
    """Return extras as one line of JSON, "" for none."""
    records = {
        one.name: {"commands": list(one.commands), "modules": list(one.modules), "specifier": one.specifier}
        for one in extras
    }
    return json.dumps(records, sort_keys=True, separators=(",", ":")) if records else ""


def imports(extras: Iterable[Extra]) -> List[Dict[str, Any]]:
    """Return what to import, in the form of a plan's ``imports``."""
    return [
        {"package": one.name, "module": module, "optional": False} for one in extras for module in one.modules
    ]


def commands(extras: Iterable[Extra]) -> List[str]:
    """Return the commands of all of them."""
    return [name for one in extras for name in one.commands]


def chosen(known: Sequence[str], wanted: Sequence[str], option: str) -> Tuple[str, ...]:
    """Return the commands that ``wanted`` chooses of those that are known, () for all.

    Raises Problem "env.unknown-command" for one that is not known; ``option`` is the variable that names it.
    """
    unknown = sorted({str(name) for name in wanted} - set(known))
    if unknown:
        raise Problem(
            "env.unknown-command",
            "no package of the set has the command {}".format(", ".join(unknown)),
            option,
            "commands of the set: {}".format(", ".join(known) or "none"),
            "Correct the name, or add the package that has it to whisperx_plan_extras.",
        )
    return tuple(name for name in known if name in wanted) if set(wanted) != set(known) else ()


def _one(name: str, record: Dict[str, Any]) -> Extra:
    extra = Extra(
        name,
        str(record["specifier"]),
        _texts(record["modules"], _MODULE),
        _texts(record["commands"], COMMAND),
    )
    if not _NAME.fullmatch(name):
        raise ValueError("'{}' is no name in its normal form".format(name))
    return extra


def _texts(values: Any, pattern: re.Pattern[str]) -> Tuple[str, ...]:
    if not isinstance(values, list) or not all(
        isinstance(value, str) and pattern.fullmatch(value) for value in values
    ):
        raise ValueError("a module or command that is none")
    return tuple(values)
