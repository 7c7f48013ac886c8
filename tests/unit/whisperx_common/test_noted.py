"""What was read once is kept by what it was read from, and never believed for anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common.noted import noted

RECIPE = {"kind": "root", "sha256": "0" * 64}


def reading(times: list[int]) -> Any:
    def read() -> dict[str, Any]:
        times.append(1)
        return {"times": len(times)}

    return read


def test_it_is_read_once_for_each_recipe(tmp_path: Path) -> None:
    times: list[int] = []
    cache = str(tmp_path / "cache")
    assert [noted(cache, RECIPE, reading(times)) for _ in "ab"] == [{"times": 1}, {"times": 1}]
    assert noted(cache, {**RECIPE, "sha256": "1" * 64}, reading(times)) == {"times": 2}


OTHERS = [{"recipe": RECIPE}, {"recipe": RECIPE, "record": 7}, {"recipe": {}, "record": {"times": 9}}]
BROKEN = ["", "{", "[]", "7", "null", "{}", '"recipe"', '{"recipe": 1}', "[" * 100000, "\udcff"]


@pytest.mark.parametrize("text", [*BROKEN, *map(json.dumps, OTHERS)], ids=range(13))
def test_a_file_that_is_no_record_of_it_is_read_anew(tmp_path: Path, text: str) -> None:
    times: list[int] = []
    noted(str(tmp_path), RECIPE, reading(times))
    (file,) = (tmp_path / "known").iterdir()
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert [noted(str(tmp_path), RECIPE, reading(times)) for _ in "ab"] == [{"times": 2}, {"times": 2}]


def test_a_folder_that_cannot_be_made_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    times: list[int] = []
    assert noted(str(tmp_path / "file" / "cache"), RECIPE, reading(times)) == {"times": 1}
    assert noted(str(tmp_path / "file" / "cache"), RECIPE, reading(times)) == {"times": 2}
