"""What a host's module returned is taken in the shape it should have."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.whisperx_fleet.results import transferred, wanted_files

LIES = ["{{ 1 }}", ["a"], {"a": "b"}, 3, None, True, [[]], [{"sha256": ["a"]}], [{"size": 1}]]


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_asks_for_nothing(lie: Any) -> None:
    assert wanted_files({"wanted_files": lie}) == set()


@pytest.mark.parametrize("lie", ["{{ 1 }}", ["a"], {"a": "b"}, None, -5])
def test_a_lie_brought_nothing(lie: Any) -> None:
    assert transferred({"bytes_brought": lie}) == 0


def test_what_is_there_is_taken() -> None:
    result = {"wanted_files": [{"sha256": "a", "size": 1}, "b", {"sha256": "c"}], "bytes_brought": 7}
    assert (wanted_files(result), transferred(result)) == ({"a", "c"}, 7)
