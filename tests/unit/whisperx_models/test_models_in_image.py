"""Hosts whose models are in the image of their class: nothing is placed on them, and one image serves all."""

from __future__ import annotations

import pytest

from module_utils.whisperx_image.models import Models
from module_utils.whisperx_models.hosts import Hosts
from module_utils.whisperx_models.lock import ModelsLock
from module_utils.whisperx_models.request import Request
from module_utils.whisperx_problem import Problem


def hosts(*requests: Request) -> Hosts:
    """Return a host of one class for each request."""
    names = [f"host{number}" for number in range(len(requests))]
    asked = {name: (one,) for name, one in zip(names, requests, strict=True)}
    return Hosts(asked, dict.fromkeys(names, "edge"), {"edge": {}}, in_image=frozenset(names))


def test_nothing_is_placed_on_the_host() -> None:
    sets, chosen = hosts(Request("whisper", "base"), Request("whisper", "tiny")).sets(ModelsLock())
    assert chosen == {"host0": "", "host1": ""}
    assert sets == {"": {"schema": 1, "models": []}}


def test_one_image_has_no_model_at_two_revisions() -> None:
    with pytest.raises(Problem) as raised:
        hosts(Request("whisper", "base"), Request("whisper", "base", "v2")).images(ModelsLock())
    assert raised.value.rule == "models.conflict"


def test_an_image_without_models_is_the_release_itself() -> None:
    assert (Models().identity, Models().mark) == ("", "")
