"""What hand-kept rows lack is told from measured rows and the index; a gap that is known is not told."""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.tools.index_server import FakeIndex, wheel
from tools.catalogue.drift import OLD_DAYS, Tables, cuda_of, drift, read_tables
from tools.refresh_catalogue import GAPS, OUTPUT, main

ROWS = OUTPUT.parent


@pytest.fixture(scope="module")
def tables() -> Tables:
    return read_tables(ROWS)


def stored(name: str) -> list[dict[str, Any]]:
    return list(json.loads((OUTPUT / f"{name}.json").read_text(encoding="utf-8"))["releases"])


def without(tables: Tables, file: str, table: str, **fields: str) -> Tables:
    """The tables without the rows that have these fields."""
    files = copy.deepcopy(dict(tables.files))
    rows = files[file][table]
    files[file] = {**files[file], table: [row for row in rows if not fields.items() <= row.items()]}
    assert len(files[file][table]) < len(rows)
    return Tables(files)


def test_the_committed_tables_lack_nothing_but_known_gaps() -> None:
    """Of the measured releases beside them: a row that is added to packages/ brings what it implies."""
    names = [path.stem for path in OUTPUT.glob("*.json")]
    assert drift(read_tables(ROWS, GAPS), {name: stored(name) for name in names}) == []


def test_every_known_gap_would_be_told(tables: Tables) -> None:
    names = ("cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "torch", "ctranslate2")
    told = drift(tables, {name: stored(name) for name in names})
    assert set(read_tables(ROWS, GAPS).gaps) <= set(told), "a gap that was filled: remove it from gaps.yml"


@pytest.mark.parametrize(
    ("package", "version"),
    [("cuda-toolkit", "13.6.0"), ("nvidia-cuda-runtime", "13.6.21"), ("nvidia-cuda-runtime-cu12", "12.10.5")],
)
def test_a_toolkit_that_is_out(tables: Tables, package: str, version: str) -> None:
    cuda = ".".join(version.split(".")[:2])
    told = drift(tables, {package: [{"version": version}]})
    assert f"drivers.yml, toolkits: no row for CUDA {cuda}, which {package} {version} is for" in told
    if cuda == "13.6":
        assert [line.partition(":")[0] for line in told] == [
            "drivers.yml, toolkits",
            "drivers.yml, branches",
            "drivers.yml, ptx",
        ]


def test_a_new_major_has_no_floor(tables: Tables) -> None:
    told = drift(tables, {"cuda-toolkit": [{"version": "14.0.0"}]})
    assert "drivers.yml, floors: no row for CUDA 14, which cuda-toolkit 14.0.0 is for" in told


@pytest.mark.parametrize("version", ["13.6.0rc1", "0.0.0a0", "10.2.89", "not-a-version"])
def test_what_is_no_toolkit_of_interest(tables: Tables, version: str) -> None:
    assert drift(tables, {"cuda-toolkit": [{"version": version}]}) == []


@pytest.mark.parametrize(
    ("requires", "cuda"),
    [
        (["numpy", "cuda-toolkit[cublas,nvrtc]==13.4.1; platform_system == 'Linux'"], "13.4"),
        (["cuda-toolkit==13.4.*"], "13.4"),
        (["nvidia-cuda-runtime-cu12==12.8.90; platform_machine == 'x86_64'"], "12.8"),
        (["nvidia-cudnn-cu13==9.1", "cuda-bindings<14,>=13.0", "broken ==", "cuda-toolkit>=13"], None),
    ],
)
def test_the_cuda_of_a_torch_wheel(requires: list[str], cuda: str | None) -> None:
    assert cuda_of(requires) == cuda


def torch(version: str, cuda: str | None = None, **abi: Any) -> dict[str, Any]:
    wheels = [{"file": f"torch-{version}-cp311-cp311-manylinux_2_28_{machine}.whl"} for machine in abi]
    return {
        "version": version,
        "wheels": wheels or [{"file": f"torch-{version}-cp311-cp311-manylinux_2_28_x86_64.whl"}],
        "requires_dist": [f"cuda-toolkit=={cuda}.0"] if cuda else [],
        "abi": abi,
    }


def test_a_torch_for_a_cuda_that_nobody_knows(tables: Tables) -> None:
    told = drift(
        without(tables, "drivers.yml", "toolkits", cuda="13.4.1"), {"torch": [torch("2.16.0", "13.4")]}
    )
    assert "drivers.yml, toolkits: no row for CUDA 13.4, which torch 2.16.0 is for" in told
    assert "torch_builds.yml: no row for torch 2.16 on x86_64" in told


def test_a_default_build_that_is_another_one(tables: Tables) -> None:
    abi = {"cuda": "13.3", "sass": ["7.5", "13.0"], "ptx": ["12.0"]}
    told = drift(tables, {"torch": [torch("2.15.1", None, x86_64=abi)]})
    assert told[0] == "torch_builds.yml: the default of torch 2.15.1 on x86_64 is CUDA 13.2, its wheel 13.3"
    assert [line.partition(" of ")[0] for line in told[1:3]] == [
        "torch_builds.yml: sass",
        "torch_builds.yml: ptx",
    ]
    assert told[3] == "gpus.yml, generations: no row for 13.0, which torch 2.15 has code for"


def test_a_patch_release_and_a_yanked_one_are_no_news(tables: Tables) -> None:
    listed = [
        torch("2.15.1", "13.2"),
        torch("2.16.0", "13.9") | {"yanked": "broken"},
        torch("2.17.0rc1", "13.9"),
    ]
    assert [line for line in drift(tables, {"torch": listed}) if line.startswith("torch_builds")] == []


def test_ptx_that_no_row_knows(tables: Tables) -> None:
    release = {"version": "5.0.0", "abi": {"x86_64": {"ptx_isa": "9.9"}}}
    told = drift(tables, {"ctranslate2": [release]})
    assert told == ["drivers.yml, ptx: no row for PTX 9.9, which ctranslate2 5.0.0 carries"]


def test_sources_that_nobody_has_read_for_long(tables: Tables) -> None:
    day = datetime.date(2026, 11, 30)
    assert drift(tables, {}, day) == []
    late = drift(tables, {}, day + datetime.timedelta(days=OLD_DAYS + 1))
    assert any(line.startswith("drivers.yml: source release-notes was read on 2026-11-") for line in late)
    assert any(line.startswith("torch_builds.yml: source wheels was read on") for line in late)
    # What was measured stays as it is.
    assert not [line for line in late if "source nvrtc" in line]


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as served:
        requires = ("cuda-toolkit[cublas]==13.7.0; platform_system == 'Linux'",)
        data = wheel("torch", "2.99.0", requires)
        served.put("torch", "torch-2.99.0-cp311-cp311-manylinux_2_28_x86_64.whl", data)
        yield served


def test_check_reads_of_a_new_torch_which_cuda_it_is_for(
    index: FakeIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--index-url", index.url, "--output", str(tmp_path), "--package", "torch", "--check"]
    assert main(arguments) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "torch 2.99.0: new"
    assert "drivers.yml, toolkits: no row for CUDA 13.7, which torch 2.99.0 is for" in told
    assert list(tmp_path.iterdir()) == []


def test_check_says_what_is_missing_where_releases_are_known(
    index: FakeIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--index-url", index.url, "--output", str(tmp_path), "--package", "torch"]
    assert main([*arguments, "--skip-abi"]) == 0
    assert main([*arguments, "--check"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert "torch 2.99.0: new" not in told and "torch_builds.yml: no row for torch 2.99 on x86_64" in told


def test_the_scheduled_job_runs_the_check_and_opens_a_change() -> None:
    job = yaml.safe_load(
        (Path(__file__).parents[3] / ".github/workflows/catalogue.yml").read_text(encoding="utf-8")
    )
    assert job["on"]["schedule"] and job["permissions"] == {"contents": "read"}
    script = "".join(step.get("run", "") for step in job["jobs"]["refresh"]["steps"])
    assert "tools/refresh_catalogue.py --check" in script and "gh pr create" in script
