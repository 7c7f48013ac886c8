"""What METADATA says of a package: its name and version, its interpreters, what it requires."""

from __future__ import annotations

from email.parser import HeaderParser

from ..whisperx_libraries import InvalidRequirement, Requirement

__all__ = ["extras_of", "field_of", "requires_dist"]


def field_of(metadata: str, name: str) -> str | None:
    """Return one field, without white space around it; None where it is missing."""
    value = HeaderParser().parsestr(metadata).get(name)
    return str(value).strip() or None if value is not None else None


def requires_dist(metadata: str) -> list[str]:
    """The requirements that hold without any extra, in METADATA's order, each written canonically."""
    found: list[str] = []
    for line in HeaderParser().parsestr(metadata).get_all("Requires-Dist", []):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            found.append(" ".join(line.split()))
            continue
        if requirement.marker is None or "extra" not in str(requirement.marker):
            found.append(str(requirement))
    return found


def extras_of(metadata: str) -> dict[str, list[str]]:
    """What each extra adds, on Linux, each list in METADATA's order and without its markers."""
    message = HeaderParser().parsestr(metadata)
    wishes = [Requirement(line) for line in message.get_all("Requires-Dist", [])]
    found: dict[str, list[str]] = {}
    for extra in message.get_all("Provides-Extra", []):
        context = {"extra": extra, "sys_platform": "linux", "platform_system": "Linux"}
        found[extra] = [
            f"{wish.name}{wish.specifier}"
            for wish in wishes
            if wish.marker is not None and "extra" in str(wish.marker) and wish.marker.evaluate(context)
        ]
    return found
