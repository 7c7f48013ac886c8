"""What a boot finds before it runs anything: a release that this machine's loader would not take."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from module_utils.whisperx_firstboot.proof import prove
from module_utils.whisperx_firstboot.records import Image, Profile
from tests.unit.whisperx_abi.elf_samples import write_library

HERE = os.uname().machine
OLD = Profile("cpu", "ctranslate2-4.5.0-cpu-0", "cpu", HERE, "glibc", "2.36")


def release(base: Path, **record: object) -> Image:
    """Make a release as one baked for glibc 2.36 is: with a library that asks for an executable stack."""
    path = base / "releases" / OLD.release
    packages = path / "lib" / "python3.13" / "site-packages"
    packages.mkdir(parents=True)
    (path / "bin").mkdir()
    (path / "bin" / "python").symlink_to(sys.executable)
    machine = {"x86_64": 62, "aarch64": 183}[HERE]
    (packages / "libctranslate2.so").write_bytes(write_library(machine=machine, stack=7))
    (path / "release.json").write_text(json.dumps({"python": "3.13"} | record))
    return Image(str(base), "pipeline", (OLD,))


@pytest.mark.skipif(
    not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"),
    reason="executable stacks are glibc's matter",
)
def test_baked_for_a_glibc_that_allowed_executable_stacks(tmp_path: Path) -> None:
    # The glibc of whoever runs the test plays the newer one.
    image = release(tmp_path, needs={"execstack_refused_from": "2.2"})
    report = prove(image, OLD, "pipeline", 60.0)
    assert report["ok"] is False
    assert "libctranslate2.so" in report["findings"][0] and "stack" in report["findings"][0]


def test_a_release_that_is_not_on_the_image_is_named(tmp_path: Path) -> None:
    report = prove(Image(str(tmp_path), "import", (OLD,)), OLD, "import", 60.0)
    assert report["findings"] == [f"release {OLD.release} is not on this image"]


def test_an_interpreter_that_an_upgrade_took_away_is_named(tmp_path: Path) -> None:
    image = release(tmp_path, python_path="/usr/bin/python3.11")
    python = tmp_path / "releases" / OLD.release / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.11")
    report = prove(image, OLD, "import", 60.0)
    assert report["findings"] == ["its Python interpreter (/usr/bin/python3.11) is gone"]


def test_a_proof_that_says_nothing_fails_with_its_last_words(tmp_path: Path) -> None:
    image = release(tmp_path)
    path = tmp_path / "releases" / OLD.release
    (path / "launch").mkdir()
    (path / "launch" / "python").write_text("#!/bin/sh\necho out of luck\nexit 1\n")
    (path / "launch" / "python").chmod(0o755)
    assert prove(image, OLD, "import", 60.0)["findings"] == ["the verification itself failed: out of luck"]
