"""CUDA libraries as NVIDIA's wheels carry them: who brings one, where it lies, what shares its folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from packaging.requirements import Requirement

from module_utils.whisperx_catalogue.catalogue import Catalogue, Package, load
from module_utils.whisperx_catalogue.release import Release, canonical, requirement, version
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.gpu.cuda_libraries import family, providers
from module_utils.whisperx_plan.gpu.torch_builds import brings, occupied, series_of
from module_utils.whisperx_plan.model import Request
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE, catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu


def paths(name: str, machine: str = "x86_64") -> set[str]:
    return {
        f"{folder}/{library}"
        for release in catalogue().packages[name].releases
        for abi in [release.abi.get(machine)]
        if abi is not None
        for folder, names in abi.libraries.items()
        for library in names
    }


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("soname", "package", "wanted", "folder"),
    [
        ("libcublas.so.12", "nvidia-cublas-cu12", ">=12,<13", "nvidia/cublas/lib"),
        ("libcublasLt.so.13", "nvidia-cublas", ">=13,<14", "nvidia/cu13/lib"),
        ("libcudart.so.13", "nvidia-cuda-runtime", ">=13,<14", "nvidia/cu13/lib"),
        ("libnvrtc.so.12", "nvidia-cuda-nvrtc-cu12", ">=12,<13", "nvidia/cuda_nvrtc/lib"),
    ],
)
def test_who_brings_a_library_and_where_it_lies(machine, soname, package, wanted, folder):
    (found,) = providers(soname, machine, catalogue())
    assert (found.package, found.range, found.path) == (package, wanted, folder)


def test_one_soname_may_be_brought_for_two_cuda_majors():
    found = providers("libcudnn.so.9", "x86_64", catalogue())
    assert [(row.package, row.cuda) for row in found] == [
        ("nvidia-cudnn-cu12", 12),
        ("nvidia-cudnn-cu13", 13),
    ]
    (old,) = providers("libcudnn.so.8", "x86_64", catalogue())
    assert (old.package, old.range) == ("nvidia-cudnn-cu12", ">=8,<9")
    assert providers("libcublas.so.11", "x86_64", catalogue()) == ()


def test_which_packages_of_two_cuda_majors_write_the_same_files():
    """Read in the wheels: these pairs overwrite each other, the unsuffixed packages leave the rest alone."""
    known = load(CATALOGUE)
    clashing = {
        (older.name, newer.name)
        for older in family(12, known)
        for newer in family(13, known)
        if not paths(older.name).isdisjoint(paths(newer.name))
    }
    assert clashing == {
        (f"nvidia-{name}-cu12", f"nvidia-{name}-cu13") for name in ("cudnn", "cusparselt", "nccl", "nvshmem")
    }


def wishes(release: Release, machine: str) -> Iterator[Requirement]:
    """Yield the NVIDIA packages that a torch release pins, those behind the extras of cuda-toolkit too."""
    rows = json.loads((CATALOGUE / "packages" / "cuda-toolkit.json").read_text())["releases"]
    for entry in release.requirements(machine):
        if entry.name == "cuda-toolkit":
            behind = next(row["extras"] for row in rows if entry.specifier.contains(row["version"]))
            yield from (requirement(text) for extra in entry.extras for text in behind[extra])
        elif entry.name.startswith("nvidia-"):
            yield entry


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_library_of_a_default_torch_build_is_measured(machine):
    known, seen = load(CATALOGUE), 0
    for release in known.packages["torch"].releases:
        series = series_of(release, machine, known.rows)
        cuda = series.builds[0].cuda if series else None
        if cuda is None or not family(cuda[0], known):
            continue
        for entry in wishes(release, machine):
            package = known.packages[canonical(entry.name)]
            fitting = package.members(package.mask(str(entry.specifier)))
            assert fitting, (release.subject, str(entry))
            assert package.cuda == cuda[0]
            assert all(row.abi[machine].libraries for row in fitting)
            seen += 1
    assert seen > 80


def test_a_build_of_cuda_13_leaves_room_for_cublas_12_and_not_for_cudnn_12():
    known = catalogue()
    newest = known.packages["torch"].members(known.packages["torch"].mask("<2.16"))[0]
    series = series_of(newest, "x86_64", known.rows)
    assert series is not None
    build = series.builds[0]
    assert build.cuda is not None and build.cuda[0] == 13
    (cublas,) = providers("libcublas.so.12", "x86_64", known)
    older, newer = providers("libcudnn.so.9", "x86_64", known)
    assert occupied(build, [cublas, older], "x86_64", known) == [older]
    assert not brings(build, cublas, "x86_64", known)
    assert brings(build, newer, "x86_64", known)
    assert brings(build, providers("libcusolver.so.12", "x86_64", known)[0], "x86_64", known)


def test_a_build_whose_libraries_were_not_measured_may_lie_anywhere():
    known = catalogue()
    first = series_of(known.packages["torch"].releases[0], "x86_64", known.rows)
    assert (
        first is not None and first.builds[0].cuda is not None and not family(first.builds[0].cuda[0], known)
    )
    (cublas,) = providers("libcublas.so.12", "x86_64", known)
    assert occupied(first.builds[0], [cublas], "x86_64", known) == [cublas]
    assert occupied(None, [cublas], "x86_64", known) == []


def next_ctranslate2(known: Catalogue) -> Catalogue:
    """Return the catalogue with a ctranslate2 that is made for the libraries of CUDA 13."""
    package = known.packages["ctranslate2"]
    abi = package.releases[-1].abi
    moved = {
        machine: replace(row, opens=tuple(name.replace(".so.12", ".so.13") for name in row.opens))
        for machine, row in abi.items()
    }
    made = Release(
        "ctranslate2",
        "99.0",
        version("99.0"),
        None,
        ">=3.9",
        (requirement("numpy"),),
        package.releases[-1].wheels,
        moved,
    )
    made.index, made.bit = len(package.releases), 1 << len(package.releases)
    grown = Package("ctranslate2", (*package.releases, made))
    return Catalogue({**known.packages, "ctranslate2": grown}, known.rows, known.digest + "x")


def test_a_ctranslate2_of_cuda_13_needs_its_row_and_nothing_else():
    host = with_gpu(facts("2.39", ("3.12.3",)), "8.9", ("595.58.03", "13.2"))
    known = next_ctranslate2(catalogue())
    alone = decide({"h": host}, Request.make({"ctranslate2": "==99.0"}), known).hosts["h"]
    assert alone["verdict"] == "plan", alone["reasons"]
    assert alone["requirements"] == ["ctranslate2==99.0", "nvidia-cublas>=13,<14"]
    assert alone["loader_paths"] == ["nvidia/cu13/lib"]
    beside = decide({"h": host}, Request.make({"ctranslate2": "==99.0", "torch": ""}), known).hosts["h"]
    assert re.fullmatch(r"cu13\d", beside["torch_build"])
    assert not [line for line in beside["requirements"] if line.startswith("nvidia-")]
    assert beside["loader_paths"] == ["nvidia/cu13/lib"]
