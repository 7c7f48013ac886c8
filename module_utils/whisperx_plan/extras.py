"""Further packages beside the catalogued set: what may be asked for.

Names and specifiers become lines of a requirements file, so nothing but a name and a version range passes:
no option, address, path, marker or extra in brackets. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..whisperx_common.wording import printable
from ..whisperx_libraries import InvalidSpecifier, InvalidVersion, SpecifierSet, Version, canonicalize_name
from ..whisperx_problem import Problem

__all__ = ["VARIABLE", "checked", "lines"]

VARIABLE = "whisperx_plan_extras"
# PEP 508, in ASCII; the longest name that an index takes is about a hundred characters.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_LONGEST = 300  # characters of a specifier


def checked(extras: Any) -> dict[str, str]:
    """Return canonical name -> canonical specifier, sorted by name. ``extras``: the value of the variable.

    Raises Problem "request.extras" for what is no mapping of names, "request.malformed-specifier" for a
    version range that is none.
    """
    if extras is None:
        return {}
    if not isinstance(extras, Mapping):
        wanted = "a mapping of package to specifier"
        raise _problem(f"extras is {_shown(extras)}", wanted, 'Write {nltk: ">=3.9"}')
    found: dict[str, str] = {}
    for name, text in extras.items():
        key = _name(name)
        if key in found:
            raise _problem(f"{key} is named twice", "each package once", "Remove one of the two")
        found[key] = _specifier(key, text)
    return dict(sorted(found.items()))


def lines(extras: Mapping[str, str]) -> list[str]:
    """Return the requirements of checked extras."""
    return [f"{name}{text}" for name, text in extras.items()]


def _name(name: Any) -> str:
    if isinstance(name, str) and _NAME.fullmatch(name.strip()):
        return canonicalize_name(name.strip())
    hint = "Write the name alone, as the index lists it, and the versions as its value"
    if isinstance(name, str) and "[" in name:
        hint = "Write the name alone, and name the packages that its extra adds as entries of their own"
    raise _problem(f"a package is named {_shown(name)}", "the name of a distribution (PEP 508)", hint)


def _specifier(name: str, text: Any) -> str:
    text = "" if text is None else text
    hint = f"Write {name}: '==1.2.3', '>=1.2,<2' or '' for the newest that fits"
    if isinstance(text, str) and len(text) <= _LONGEST and "===" not in text:
        try:
            return str(SpecifierSet(text))
        except InvalidSpecifier:
            pass
        try:
            hint = f"Write {name}: '=={Version(text)}' for exactly this version"
        except InvalidVersion:
            pass
    raise Problem(
        "request.malformed-specifier",
        f"the specifier of {name} is {_shown(text)}",
        VARIABLE,
        "a PEP 440 specifier: no marker, address, path or option, and no '==='",
        hint if isinstance(text, str) else "Write it as a text in quotes",
    )


def _shown(value: Any) -> str:
    text = printable(repr(value))
    return text if len(text) <= 120 else text[:117] + "..."


def _problem(found: str, wanted: str, remedy: str) -> Problem:
    return Problem("request.extras", found, VARIABLE, wanted, remedy)
