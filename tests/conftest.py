"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.attack.strength import amount

# The same examples in every run, so that a red run is the change's fault; HYPOTHESIS_PROFILE=default draws
# new ones. A busy machine is slow, which is no defect.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=amount(40, 100))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what kills copies of this process: each fork costs more after tests that left much in it."""
    items.sort(key=lambda item: "whisperx_release" not in item.path.parts)
