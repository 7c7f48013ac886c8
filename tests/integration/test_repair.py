"""The repair on a real wheel, of the CTranslate2 that WhisperX pinned for long; its library asks.

Downloads that wheel (about 40 MB) and, for the proof on a new glibc, the C library of a newer Debian.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from module_utils.whisperx_abi.audit import audit
from module_utils.whisperx_abi.repair import Repaired, clear_execstack
from module_utils.whisperx_problem import Problem
from tools.catalogue.index import Index, default_index
from tools.refresh_catalogue import OUTPUT

VERSION = "4.4.0"
REFUSING_SUITE, REFUSING_GLIBC = "trixie", "2.41"

# What a model of seeded random weights makes of seeded features, as JSON.
COMPUTE = """
import hashlib, json, sys, tempfile
sys.path.insert(0, sys.argv[1])
import ctranslate2, numpy as np
from module_utils.whisperx_verify.micro_model import PROMPT, make_features, make_model
with tempfile.TemporaryDirectory() as place:
    model = ctranslate2.models.Whisper(make_model(place), device="cpu", intra_threads=1)
    features = ctranslate2.StorageView.from_array(make_features())
    encoded = np.array(model.encode(features))
    found = model.generate(features, [PROMPT], beam_size=1, max_length=30, return_scores=True)[0]
print(json.dumps({"tokens": found.sequences_ids[0], "score": found.scores[0], "shape": encoded.shape,
                  "encoded": hashlib.sha256(encoded.tobytes()).hexdigest()}))
"""


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, downloaded and checked against the catalogue."""
    if platform.machine() != "x86_64":
        pytest.skip("only x86_64 wheels ask for an executable stack")
    tag = f"-cp{sys.version_info[0]}{sys.version_info[1]}-manylinux"
    data = json.loads((OUTPUT / "ctranslate2.json").read_text())
    asking = [
        wheel
        for release in data["releases"]
        if release["version"] == VERSION
        for wheel in release["wheels"]
        if tag in wheel["file"] and "x86_64" in wheel["file"]
    ]
    if not asking:
        pytest.skip(f"no such wheel for Python {platform.python_version()}")
    wanted = asking[0]
    index = None
    try:
        index = Index(default_index())
        url = next(item.url for item in index.files("ctranslate2") if item.name == wanted["file"])
        path = tmp_path_factory.mktemp("original") / wanted["file"]
        path.write_bytes(index.get(url))
    except Problem as problem:
        pytest.skip(f"the index cannot be reached: {problem}")
    finally:
        if index is not None:
            index.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wanted["sha256"]
    return path


@pytest.fixture(scope="session")
def repaired(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Repaired:
    return clear_execstack(str(original), str(tmp_path_factory.mktemp("repaired")))


def environment(uv: str, place: Path, *wanted: str) -> Path:
    """A virtual environment with these packages; returns its Python."""
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, place], check=True)
    python = place / "bin/python"
    # Old releases were built for numpy 1 and import setuptools' pkg_resources.
    command = [uv, "pip", "install", "-q", "--python", python, "numpy<2", "setuptools<81", *wanted]
    subprocess.run(command, check=True)
    return python


@pytest.fixture(scope="session")
def pair(uv: str, original: Path, repaired: Repaired, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pythons with the original and the repaired wheel."""
    place = tmp_path_factory.mktemp("environments")
    version = original.name.split("-")[1]
    found = environment(uv, place / "original", str(original))
    links = str(Path(repaired.path).parent)
    # As a package would require it: by the version, without the label.
    other = environment(uv, place / "repaired", f"ctranslate2=={version}", "--find-links", links)
    return [found, other]


def test_the_digests_are_those_of_the_files_and_the_bytes_are_stable(
    original: Path, repaired: Repaired, tmp_path: Path
) -> None:
    assert repaired.original_sha256 == hashlib.sha256(original.read_bytes()).hexdigest()
    assert repaired.sha256 == hashlib.sha256(Path(repaired.path).read_bytes()).hexdigest()
    assert clear_execstack(str(original), str(tmp_path)).sha256 == repaired.sha256
    assert Path(repaired.path).stat().st_size < original.stat().st_size * 1.02


def test_the_audit_refuses_the_original_and_takes_the_repaired(pair: list[Path]) -> None:
    found = [audit(str(python.parent.parent), "2.41", "x86_64", False, "2.41") for python in pair]
    assert [item.rule for item in found[0].findings] == ["abi.execstack"]
    assert found[1].findings == ()


def test_both_compute_the_same(pair: list[Path], root: Path) -> None:
    """On a glibc that takes both: the same tokens, the same score, the same encoder output to the bit."""
    name, version = platform.libc_ver()
    if name != "glibc" or tuple(map(int, version.split("."))) >= (2, 41):
        pytest.skip(f"{name} {version} does not load the original")
    one, other = (
        json.loads(subprocess.run([python, "-c", COMPUTE, root], check=True, capture_output=True).stdout)
        for python in pair
    )
    assert other == one
    assert one["tokens"]


@pytest.fixture(scope="session")
def newer_libc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with the C library of a Debian whose loader refuses executable stacks."""
    if shutil.which("mmdebstrap") is None or os.getuid() != 0:
        pytest.skip("takes mmdebstrap and root")
    place = tmp_path_factory.mktemp("libc") / "root"
    wanted = "--include=libc6,libstdc++6,libgcc-s1,zlib1g"
    command = ["mmdebstrap", "-q", "--variant=extract", wanted, REFUSING_SUITE, place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no {REFUSING_SUITE}: {done.stderr[-300:]}")
    return place


def test_the_new_loader_refuses_the_original_and_loads_the_repaired(
    pair: list[Path], newer_libc: Path
) -> None:
    libraries = newer_libc / "usr/lib/x86_64-linux-gnu"
    loader = libraries / "ld-linux-x86-64.so.2"
    told = []
    for python in pair:
        real = os.path.realpath(python)
        path = (
            f"{libraries}:{Path(real).parent.parent / 'lib'}:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu"
        )
        site = next(python.parent.parent.glob("lib/python*/site-packages"))
        code = f"import sys, os; sys.path.insert(0, {str(site)!r}); import ctranslate2; print(os.confstr(2))"
        command = [str(loader), "--library-path", path, real, "-c", code]
        told.append(subprocess.run(command, capture_output=True, text=True, check=False))
    assert "cannot enable executable stack" in told[0].stderr
    assert told[1].stdout.strip() == f"glibc {REFUSING_GLIBC}", told[1].stderr
