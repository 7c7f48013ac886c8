"""Texts for people: names that are too many, and what would steer a page or a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["hosts_in_words", "named", "printable", "versions_of"]


def printable(text: str) -> str:
    """Return a text without what would steer a terminal or a page: control and formatting characters."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text
    )


def hosts_in_words(number: int) -> str:
    """Return a number of hosts for people: `1 host`, `2 hosts`."""
    return f"{number} host" if number == 1 else f"{number} hosts"


def named(names: Sequence[str], shown: int) -> str:
    """Return so many names for people, and how many more there are: `a, b and 17 more`."""
    told = ", ".join(names[:shown])
    return f"{told} and {len(names) - shown} more" if len(names) > shown else told


def versions_of(versions: Mapping[str, str]) -> str:
    """Return packages and their versions for people: `whisperx 3.8.6, torch 2.8.0`."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())
