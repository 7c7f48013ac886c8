"""The doctor on environments that really fail, made of the real packages; what is a stand-in says so.

Those that take gigabytes (torch) are tried by tools/doctor_proof.py. Needs uv and the package index; the
last class needs root, podman and mmdebstrap as well.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doctor_lab import CONTAINERS, ROOT, Lab, ask, listing

# Releases that need no numpy newer or older than the one beside them.
GOOD = ("ctranslate2==4.6.0", "numpy==2.2.6", "pyyaml", "setuptools<81")


@pytest.fixture(scope="module")
def lab(uv: str) -> Iterator[Lab]:
    """A place of this file's own, which other users can reach."""
    place = Path(tempfile.mkdtemp(prefix="whisperx-doctor-test-"))
    place.chmod(0o755)
    yield Lab(place, uv)
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def good(lab: Lab) -> Path:
    return lab.here("good", *GOOD)


@pytest.fixture
def sick(good: Path, lab: Lab) -> Iterator[Path]:
    """A copy of the good environment to be harmed."""
    copy = lab.place / "sick"
    shutil.copytree(good, copy, symlinks=True)
    yield copy
    shutil.rmtree(copy)


def site(venv: Path) -> Path:
    return next((venv / "lib").glob("python*")) / "site-packages"


def ids(told: dict[str, Any], part: str = "failures") -> list[str]:
    """Return the ids of the rows that were named for the one environment."""
    (environment,) = told["environments"]
    return [item["id"] for item in environment[part]]


def evidence(told: dict[str, Any]) -> str:
    return " | ".join(item["text"] for row in told["environments"][0]["failures"] for item in row["evidence"])


class TestHere:
    def test_an_environment_that_works_is_left_as_it_is(
        self, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        before = listing(good)
        code, told = ask(str(good))
        assert (code, told["verdict"]) == (0, "fit"), told["page"]
        assert told["environments"][0]["level"] == "pipeline"
        assert any(check["name"] == "kernels cpu int8" for check in told["environments"][0]["checks"])
        assert listing(good) == before
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("named", ["bin/python", "site-packages", "."])
    def test_an_environment_is_named_in_several_ways(self, good: Path, named: str) -> None:
        path = site(good) if named == "site-packages" else good / named
        code, told = ask(str(path), "--level", "import")
        assert code == 0
        assert told["environments"][0]["packages"]["ctranslate2"] == "4.6.0"

    def test_a_gpu_without_a_driver(self, good: Path) -> None:
        if Path("/dev/nvidiactl").exists():
            pytest.skip("this machine has a GPU")
        code, told = ask(str(good), "--device", "cuda", "--level", "kernels")
        assert code == 1
        assert ids(told) == ["failure.no-driver"]
        assert "CUDA driver version is insufficient" in evidence(told)
        assert "nvidia_driver.state is absent" in evidence(told)

    def test_a_deleted_library(self, sick: Path) -> None:
        library = next((site(sick) / "ctranslate2.libs").glob("libctranslate2*"))
        library.unlink()
        before = listing(sick)
        code, told = ask(str(sick))
        assert code == 1
        assert ids(told)[0] == "failure.file-missing"
        assert f"{library.name}: cannot open shared object file" in evidence(told)
        assert "it belongs to ctranslate2 4.6.0" in evidence(told)
        assert told["environments"][0]["unexplained"] == []
        assert listing(sick) == before

    def test_a_file_overwritten_by_a_colliding_package(self, sick: Path) -> None:
        """The other package is a stand-in: one that carries a file of CTranslate2's."""
        text = "from ctranslate2 import of_another_time\n"
        (site(sick) / "ctranslate2/__init__.py").write_text(text)
        info = site(sick) / "collider-1.0.dist-info"
        info.mkdir()
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        (info / "RECORD").write_text(f"ctranslate2/__init__.py,sha256={digest},{len(text)}\n")
        code, told = ask(str(sick), "--level", "import")
        assert code == 1
        assert "failure.collision" in ids(told)
        assert "ctranslate2/__init__.py belongs to" in evidence(told)
        assert "collider 1.0" in evidence(told) and "ctranslate2 4.6.0" in evidence(told)

    def test_an_extension_that_crashes(self, lab: Lab) -> None:
        """The extension is a stand-in under the name of one that is imported; the crash is real."""
        if shutil.which("gcc") is None:
            pytest.skip("takes gcc")
        venv = lab.here("crash")
        package = site(venv) / "onnxruntime"
        package.mkdir()
        (package / "__init__.py").write_text("from . import native\n")
        (site(venv) / "onnxruntime-1.0.dist-info").mkdir()
        source = lab.place / "crash.c"
        source.write_text("void *PyInit_native(void) { *(volatile int *)0 = 1; return 0; }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", package / "native.so", source], check=True)
        code, told = ask(str(venv))
        assert code == 1
        assert ids(told) == ["failure.crash"]
        assert "SIGSEGV" in evidence(told) and "onnxruntime/__init__.py:1" in evidence(told)

    def test_numpy_of_another_time(self, lab: Lab) -> None:
        venv = lab.here(
            "numpy", "onnxruntime==1.17.3", "numpy==2.2.6", "flatbuffers", "protobuf", "packaging"
        )
        code, told = ask(str(venv))
        assert code == 1
        assert ids(told) == ["failure.numpy-abi"]
        assert "NumPy 1.x" in evidence(told)

    def test_an_interpreter_that_is_gone(self, lab: Lab) -> None:
        venv = lab.here("gone")
        (venv / "bin/python").unlink()
        (venv / "bin/python").symlink_to("/usr/bin/python3.0")
        code, told = ask(str(venv))
        assert code == 1
        assert ids(told) == ["failure.interpreter-gone"]

    def test_what_belongs_to_a_user_is_run_as_that_user(self, good: Path, lab: Lab, as_root: None) -> None:
        venv = lab.place / "users"
        shutil.copytree(good, venv, symlinks=True)
        told = f"import os; open('{lab.place}/seen/uid', 'a').write(str(os.getuid()) + chr(10))\n"
        (site(venv) / "tell.pth").write_text(told)
        (lab.place / "seen").mkdir(mode=0o777)
        (lab.place / "seen").chmod(0o777)
        subprocess.run(["chown", "-R", "65534:65534", venv], check=True)
        code, _ = ask(str(venv), "--level", "kernels")
        assert code == 0
        assert set((lab.place / "seen/uid").read_text().split()) == {"65534"}

    def test_the_oldest_python_runs_it_too(self, good: Path) -> None:
        python = os.environ.get("WHISPERX_FLEET_OLDEST_PYTHON")
        if not python:
            pytest.skip("WHISPERX_FLEET_OLDEST_PYTHON names no Python 3.8")
        assert ask(str(good), "--level", "import", python=python)[0] == 0


@pytest.fixture(scope="module")
def images() -> None:
    """The test hosts of three Debian releases."""
    lacking = [tool for tool in ("podman", "runc", "mmdebstrap") if shutil.which(tool) is None]
    if lacking or os.getuid() != 0:
        pytest.skip(f"takes root and {', '.join(lacking) or 'podman'}")
    command = [str(ROOT / "tools/lab/build_images"), "bullseye", "bookworm", "trixie"]
    done = subprocess.run(
        command, env={**os.environ, **CONTAINERS}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no test hosts: {done.stderr[-300:]}")


@pytest.fixture(scope="module")
def older_python(images: None, lab: Lab) -> Path:
    """Debian 12's Python 3.11, to stand in Debian 13 as it does after an upgrade in place."""
    return lab.interpreter("bookworm", "3.11")


class TestOnAnotherDebian:
    """glibc 2.41 with the Python that a Debian 12 still has after its upgrade to 13; glibc 2.31."""

    @pytest.mark.parametrize(
        ("packages", "row"),
        [
            (("ctranslate2==4.4.0", "numpy==1.26.4", "pyyaml", "setuptools<81"), "failure.execstack"),
            (("ctranslate2==4.5.0", "numpy==1.26.4", "pyyaml", "setuptools<81"), "failure.execstack"),
            (("onnxruntime==1.16.3", "numpy==1.26.4"), "failure.execstack-onnxruntime"),
        ],
        ids=lambda value: value[0] if isinstance(value, tuple) else "",
    )
    def test_an_executable_stack(
        self, lab: Lab, older_python: Path, packages: tuple[str, ...], row: str
    ) -> None:
        venv = lab.elsewhere(packages[0], "3.11", "x86_64-manylinux_2_28", *packages)
        before = listing(venv)
        code, told = lab.ask_in("trixie", older_python, venv)
        assert code == 1
        assert ids(told) == [row]
        assert "cannot enable executable stack as shared object requires: Invalid argument" in evidence(told)
        assert "asks for an executable stack" in evidence(told)
        (failure,) = told["environments"][0]["failures"]
        assert failure["toolkit"]["applies"] == "beside" and failure["confidence"] == "measured"
        assert told["environments"][0]["unexplained"] == []
        assert listing(venv) == before

    def test_the_tunable_lets_it_through(self, lab: Lab, older_python: Path) -> None:
        venv = lab.place / "ctranslate2==4.4.0"
        if not venv.exists():
            pytest.skip("made by the test before")
        code, told = lab.ask_in(
            "trixie", older_python, venv, "--set", "GLIBC_TUNABLES=glibc.rtld.execstack=2"
        )
        assert code == 0, told["page"]

    def test_the_mounted_tree_of_such_a_host_is_judged_without_running_it(
        self, lab: Lab, older_python: Path, as_root: None
    ) -> None:
        venv = lab.place / "ctranslate2==4.4.0"
        if not venv.exists():
            pytest.skip("made by a test before")
        tree = lab.place / "tree"
        (tree / "srv").mkdir(parents=True)
        (tree / "etc").mkdir()
        (tree / "etc/os-release").write_text('ID=debian\nVERSION_ID="13"\n')
        # This machine's C library, with another version in its banner.
        libraries = tree / "usr/lib/x86_64-linux-gnu"
        libraries.mkdir(parents=True)
        names = ("ld-linux-x86-64.so.2", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1")
        for name in (*names, "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"):
            shutil.copy(f"/lib/x86_64-linux-gnu/{name}", libraries)
        library = Path("/lib/x86_64-linux-gnu/libc.so.6").read_bytes()
        library = re.sub(rb"release version \d\.\d\d", b"release version 2.41", library)
        (libraries / "libc.so.6").write_bytes(library)
        shutil.copytree(venv, tree / "srv/app", symlinks=True)
        before = listing(tree)
        code, told = ask("--root", str(tree), "--find")
        assert code == 1
        assert told["environments"][0]["path"] == "/srv/app"
        assert ids(told) == ["failure.execstack"]
        assert told["environments"][0]["checks"] == []
        assert listing(tree) == before

    def test_a_wheel_whose_glibc_floor_is_above_the_hosts(self, lab: Lab, images: None) -> None:
        venv = lab.elsewhere(
            "floor", "3.9", "x86_64-manylinux_2_34", "cryptography==47.0.0", "cffi", "typing_extensions"
        )
        python = lab.interpreter("bullseye", "3.9")
        code, told = lab.ask_in("bullseye", python, venv)
        assert code == 1
        assert "failure.glibc-floor" in ids(told)
        assert "version `GLIBC_2.3" in evidence(told) and "needs symbols of glibc 2.34" in evidence(told)
