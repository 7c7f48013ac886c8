"""The state files of a root, each with its schema. Whatever is in them, they are read through these.

What a runtime alone writes into a release's record stands here too, because whoever reads a root, the audit
and the guard as well, need not know the runtime.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from ..whisperx_common import records
from ..whisperx_common.records import (
    Schema,
    each,
    flag,
    identifier,
    number,
    object_of,
    one_of,
    table,
    text,
    version,
    whole,
)

__all__ = ["FACT", "PLAN", "RECORD", "RELEASE", "ROLLBACK", "fact", "plan", "release", "rollback"]

# Written last: a release that has it was built, checked and verified to the end.
RECORD = "release.json"


def _anything(value: Any) -> bool:
    return True


_HOST = Schema({"glibc": version, "machine": text, "driver": version, "python": version})
_VERIFY = Schema(
    {
        "level": text,
        "device": text,
        "models": text,
        "seconds": number,
        "at": text,
        "warnings": each(text),
    }
)
_GATE = Schema({"objects": number, "glibc": version, "machine": text})
_SONAMES = Schema({"opens": each(text), "optional": each(text)})
_DRIVER = Schema({"minimum": version, "maximum": version})
_NEEDS = Schema(
    {
        "execstack_allowed": flag,
        "execstack_refused_from": version,
        "loader_paths": each(text),
        "sonames": object_of(_SONAMES),
        "driver": object_of(_DRIVER),
    }
)
_IMPORT = Schema({"package": text, "module": text, "optional": flag})
# What a release is verified by: of a venv it lies beside its probe, of a container in its record.
PLAN = Schema({"device": text, "imports": each(object_of(_IMPORT))})
_BASE = Schema({"name": text, "facts": table(_anything)})

RELEASE = Schema(
    {
        "schema": number,
        "id": identifier,
        "runtime": identifier,
        "wanted": text,
        "created": text,
        "serial": whole,
        "class": text,
        "lock_digest": text,
        "requested": each(text),
        "python": version,
        "python_path": text,
        "python_archive": table(_anything),
        "device": text,
        "torch_build": text,
        "versions": table(text),
        "environment": table(text),
        "scripts": each(identifier),
        "replaces": text,
        "system_packages": each(text),
        "needs": object_of(_NEEDS),
        "gate": object_of(_GATE),
        "verify": object_of(_VERIFY),
        "host": object_of(_HOST),
        "engine": one_of("podman", "docker"),
        "image": text,
        "image_id": text,
        "driver_minimum": version,
        "base": object_of(_BASE),
        "plan": object_of(PLAN),
    }
)
# Of the note that releases of this toolkit before this one left; today it is a link.
ROLLBACK = Schema({"from": text, "to": identifier, "at": text}, frozenset({"to"}))
# Whose root it is decides; all else is written anew from the record.
FACT = Schema({"root": text}, frozenset({"root"}))


def release(path: str) -> Optional[Dict[str, Any]]:
    """Return a record of a release, None for none."""
    return records.read(path, RELEASE)


def plan(path: str) -> Optional[Dict[str, Any]]:
    """Return what a release is verified by, None for none."""
    return records.read(path, PLAN)


def rollback(path: str) -> Optional[Dict[str, Any]]:
    """Return the note of a rollback, None for none."""
    return records.read(path, ROLLBACK)


def fact(path: str) -> Optional[Dict[str, Any]]:
    """Return the fact file's content, None for none."""
    return records.read(path, FACT)
