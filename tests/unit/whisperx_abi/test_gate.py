"""The gate before a switch: a finding is an error with file, fact, rule and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.whisperx_env import gate
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_abi.elf_samples import CC, compile_library

pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
NEEDS = {"sonames": {"opens": [], "optional": ["libcuda.so.*"]}}
INNER = "int inner(void) { return 1; }\n"
USER = "int inner(void); int user(void) { return inner(); }\n"


def environment(site: Path, soname: str = "libinner.so") -> Path:
    """Packages of which one needs a library of the other; return the library."""
    for name in ("inner.libs", "user"):
        (site / name).mkdir(parents=True)
    library = compile_library(site / "inner.libs", soname, f"-Wl,-soname,{soname}", source=INNER)
    options = ["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN/../inner.libs", str(library)]
    compile_library(site / "user", "_core.abi3.so", *options, source=USER)
    return library


def test_a_whole_environment_passes(tmp_path: Path) -> None:
    environment(tmp_path)
    assert gate.check(str(tmp_path), NEEDS)["objects"] == 2


def test_a_deleted_library_stops_the_switch(tmp_path: Path) -> None:
    environment(tmp_path).unlink()
    with pytest.raises(Problem) as caught:
        gate.check(str(tmp_path), NEEDS)
    told = caught.value
    assert told.rule == "env.abi" and told.where == str(tmp_path)
    assert "user/_core.abi3.so needs libinner.so" in told.found and "(abi.missing)" in told.found
    assert told.wanted and told.remedy.endswith(".")


def test_what_the_plan_calls_optional_does_not(tmp_path: Path) -> None:
    environment(tmp_path, "libcuda.so.1").unlink()
    gate.check(str(tmp_path), NEEDS)


def test_a_record_of_before_does_not_know_what_is_optional(tmp_path: Path) -> None:
    environment(tmp_path).unlink()
    gate.check(str(tmp_path), {"execstack_refused_from": "2.41"})


def test_a_library_to_be_opened_is_looked_for_on_the_loader_path(tmp_path: Path) -> None:
    environment(tmp_path)
    needs = {"sonames": {"opens": ["libinner.so", "libnobody.so.1"], "optional": []}}
    with pytest.raises(Problem) as caught:
        gate.check(str(tmp_path), {**needs, "loader_paths": ["inner.libs"]})
    assert "libnobody.so.1" in caught.value.found and "libinner.so is opened" not in caught.value.found
