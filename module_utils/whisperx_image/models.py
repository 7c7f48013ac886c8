"""Models in an image: the store that a host would have, laid with the same code, as one layer of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..whisperx_common.models import USUAL
from ..whisperx_models_host import place
from ..whisperx_models_host.model import Layout, want
from ..whisperx_problem import Problem
from . import filesystem
from .layer import Entry

__all__ = ["WHAT", "Models", "entries"]

# What the layer holds, in words.
WHAT = "models"
# Sets share these files by links, of which an image has one set only.
_LEFT_OUT = ("files",)
_SHOWN = 8  # characters of a set's name


@dataclass(frozen=True)
class Models:
    """The models of an image: a manifest of whisperx_models, and SHA-256 to file on this machine."""

    manifest: Mapping[str, Any] = field(default_factory=lambda: {"schema": 1, "models": []})
    files: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """The name of the set, "" for no models."""
        return want(dict(self.manifest)).identity

    @property
    def mark(self) -> str:
        """What the set adds to the name of a release: an image with other models is another release."""
        return f".models-{self.identity[:_SHOWN]}" if self.identity else ""


def entries(models: Models, directory: str) -> list[Entry]:
    """Lay the models in a new directory, and return them as they shall lie in an image.

    Every file is compared with its digest. Raises Problem "image.models", "models.transfer".
    """
    layout, wanted = Layout(directory), want(dict(models.manifest))
    os.makedirs(directory)
    place.claim(layout)
    for name in sorted(wanted.contents):
        source = models.files.get(name, "")
        if not os.path.isfile(source):
            raise Problem(
                "image.models",
                f"a file of a model is not on the machine that builds, SHA-256 {name}",
                source or "option models",
                "the files that role whisperx_models, tasks_from store, downloads",
                "Run site.yml.",
            )
        place.take(layout, name, source)
    place.place(layout, wanted, lambda _event: None)
    return list(filesystem.walk(directory, USUAL.strip("/"), _LEFT_OUT))
