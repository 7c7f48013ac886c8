"""The rows of bases.yml: what images stand on and are made of, and what engines need of a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import Fields

__all__ = [
    "ContainerRows",
    "Engine",
    "KnownBase",
    "read_engine",
    "read_installer",
    "read_known",
    "read_layer",
]


@dataclass(frozen=True)
class KnownBase:
    """A base image and the facts of what is in it. The first in ``order`` is the default.

    ``digest``: what the reference stood for when the row was written, such as "sha256:7824…"; "" if unknown.
    """

    order: int
    reference: str
    facts: Mapping[str, Any] = field(compare=False)
    source: str = ""
    digest: str = ""

    @property
    def pinned(self) -> str:
        """The reference with its digest, where that is known."""
        return f"{self.reference}@{self.digest}" if self.digest else self.reference


@dataclass(frozen=True)
class Engine:
    """An engine in order of preference.

    ``package`` installs it, ``gpu`` is how it hands GPUs on, for which the CDI ``kind`` has to be there,
    which ``toolkit`` makes.
    """

    order: int
    name: str
    package: str
    gpu: str
    kind: str
    toolkit: str


@dataclass(frozen=True)
class ContainerRows:
    """All rows of the file. ``installers``: os id -> commands. ``layers``: order, name and patterns."""

    bases: tuple[KnownBase, ...] = ()
    installers: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    layers: tuple[tuple[int, str, tuple[str, ...]], ...] = ()
    engines: tuple[Engine, ...] = ()


def read_known(row: Fields, source: str) -> KnownBase:
    """Read a base."""
    facts = row.child("facts")
    return KnownBase(
        order=int(row.needed("order", row.whole("order"))),
        reference=str(row.needed("reference", row.text("reference"))),
        facts=dict(row.needed("facts", facts).data),
        source=source,
        digest=_digest(row),
    )


def _digest(row: Fields) -> str:
    digest = row.text("digest") or ""
    if digest and not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise row.problem("digest", digest, "sha256: and 64 hexadecimal digits")
    return digest


def read_installer(row: Fields, source: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Read how packages are installed on some distributions: their ids, and the commands."""
    commands = []
    for command in row.items("commands"):
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise row.problem("commands", command, "a list of texts")
        commands.append(tuple(command))
    return row.texts("systems"), tuple(commands)


def read_layer(row: Fields, source: str) -> tuple[int, str, tuple[str, ...]]:
    """Read which packages share a layer."""
    return (
        int(row.needed("order", row.whole("order"))),
        str(row.needed("what", row.text("what"))),
        row.texts("packages"),
    )


def read_engine(row: Fields, source: str) -> Engine:
    """Read what an engine needs."""
    words = {
        key: str(row.needed(key, row.text(key))) for key in ("name", "package", "gpu", "kind", "toolkit")
    }
    return Engine(order=int(row.needed("order", row.whole("order"))), **words)
