"""Both sides: the one reader of records on disk. A record that is not as its schema says is no record.

A schema names the fields that are known and what each may hold; a field that is absent or null is "not
said", unless it is required. Fields that no schema names pass as they are: newer releases of the toolkit may
write them, and nobody here reads them.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, FrozenSet, Mapping, Optional

from .files import read_json

__all__ = [
    "Check",
    "Schema",
    "checked",
    "each",
    "flag",
    "identifier",
    "number",
    "object_of",
    "one_of",
    "read",
    "table",
    "text",
    "version",
    "whole",
]

# What opening says of something that is no file: a socket, a directory, a link to itself.
_NO_FILE = (errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENOENT)

Check = Callable[[Any], bool]

# What may become one component of a path, or a word of a command line.
_IDENTIFIER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}")
# Numbers of versions are compared as integers: no more digits than that takes.
_VERSION = re.compile(r"(?a:[\w.+~:-]{0,64})")


@dataclass(frozen=True)
class Schema:
    """Field -> what it may hold, and the fields without which there is no record."""

    fields: Mapping[str, Check]
    required: FrozenSet[str] = frozenset()


def read(path: str, schema: Schema) -> Optional[Dict[str, Any]]:
    """Return the record at ``path``; None when there is none, or what is there is not as the schema says.

    Raises OSError when the disk or the rights keep it from being read: then nobody knows what it says.
    """
    try:
        return checked(read_json(path), schema)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    except (ValueError, RecursionError):
        return None


def checked(value: Any, schema: Schema) -> Optional[Dict[str, Any]]:
    """Return ``value`` when it is a record of that schema, else None."""
    return value if object_of(schema)(value) else None


def object_of(schema: Schema) -> Check:
    """Return the check of an object of that schema."""

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not all(text(key) for key in value):
            return False
        if any(value.get(key) is None for key in schema.required):
            return False
        known = ((value.get(key), field) for key, field in schema.fields.items())
        return all(found is None or field(found) for found, field in known)

    return check


def text(value: Any) -> bool:
    """A string that can be part of a path or a file: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def identifier(value: Any) -> bool:
    """A string that can be a file's name: it leads nowhere else."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def version(value: Any) -> bool:
    """A version, "" included."""
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def whole(value: Any) -> bool:
    """An integer; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: Any) -> bool:
    """An integer or a finite fraction."""
    return whole(value) or (isinstance(value, float) and abs(value) < float("inf"))


def flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def one_of(*values: str) -> Check:
    """One of some strings."""
    return lambda value: isinstance(value, str) and value in values


def each(check: Check) -> Check:
    """A list of what ``check`` takes."""
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def table(check: Check) -> Check:
    """An object of what ``check`` takes, under any names."""
    return lambda value: isinstance(value, dict) and all(text(key) and check(value[key]) for key in value)
