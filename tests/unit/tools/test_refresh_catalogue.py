"""The catalogue's tool against an index on localhost: what it writes, keeps, reports, and how it fails."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_measure.fatbin import gpu_code
from module_utils.whisperx_measure.packages import load_packages
from tests.unit.tools.index_server import FakeIndex, wheel
from tests.unit.whisperx_abi.elf_samples import write_library
from tools.catalogue.index import Index, default_index
from tools.refresh_catalogue import OUTPUT, PACKAGES, main

CT2 = "ctranslate2-9.1.0-cp{0}-cp{0}-manylinux_2_17_{1}.manylinux2014_{1}.whl"


def fatbin(*entries: tuple[int, int, int, int]) -> bytes:
    """A container with entries (kind, architecture, ISA major, ISA minor) of 16 bytes each."""
    rows = b"".join(
        struct.pack("<HHIQIIHHI", kind, 0, 64, 16, 0, 0, minor, major, arch).ljust(64, b"\0") + b"code" * 4
        for kind, arch, major, minor in entries
    )
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(rows)) + rows


def library(stack: int, **options: Any) -> bytes:
    code = fatbin((2, 53, 0, 0), (2, 86, 0, 0)) + b"\0" * 24 + fatbin((1, 86, 8, 7), (2, 120, 0, 0))
    names = b"\0libcublas.so.12\0libcudnn_ops.so.9\0/opt/libnccl.so.2\0libother.so.3\0"
    return write_library(stack=stack, **options) + names + code


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as served:
        versions = (("libc.so.6", (("GLIBC_2.9", False), ("GLIBC_2.17", False))),)
        main_library = library(7, versions=versions, needed=("libc.so.6", "libgomp-1.so", "libcuda.so.1"))
        members = {
            "ctranslate2.libs/libmain-77.so.9": main_library,
            "ctranslate2.libs/libgomp-1.so": write_library(soname="libgomp-1.so"),
            "ctranslate2/__init__.py": b"",
        }
        requires = ("numpy", "pyyaml (<7,>=5.3)", 'torch; extra == "gpu"', 'x; python_version < "3.9"')
        data = wheel("ctranslate2", "9.1.0", requires, members)
        arm = wheel("ctranslate2", "9.1.0", ("numpy",), {"ctranslate2/x.so": write_library(machine=183)})
        for python in ("39", "310", "313", "313t"):
            tag = CT2.format(python, "x86_64").replace("cp313t-cp313t", "cp313-cp313t")
            served.put("ctranslate2", tag, data if python == "310" else b"not read")
        served.put("ctranslate2", CT2.format("310", "aarch64"), arm)
        served.put("ctranslate2", "ctranslate2-9.1.0-cp310-cp310-macosx_11_0_x86_64.whl")
        served.put("ctranslate2", "ctranslate2-9.1.0-cp310-cp310-win_amd64.whl")
        served.put("ctranslate2", "ctranslate2-0.1.0-cp310-cp310-manylinux_2_17_x86_64.whl")
        served.put("ctranslate2", "ctranslate2-9.0.0.tar.gz", yanked="broken")
        served.put("lightning", "lightning-2.3.4-py3-none-any.whl", wheel("lightning", "2.3.4", ("a", "b>1")))
        yield served


def run(index: FakeIndex, output: Path, *arguments: str) -> int:
    return main(["--index-url", index.url, "--output", str(output), "--package", "ctranslate2", *arguments])


def releases(output: Path, package: str = "ctranslate2") -> dict[str, Any]:
    data = json.loads((output / f"{package}.json").read_text())
    assert (data["schema"], data["package"]) == (1, package)
    return {item["version"]: item for item in data["releases"]}


def test_what_is_written(index: FakeIndex, tmp_path: Path) -> None:
    assert run(index, tmp_path) == 0
    found = releases(tmp_path)
    assert list(found) == ["9.0.0", "9.1.0"]
    assert found["9.0.0"] == {
        "version": "9.0.0", "uploaded": "2026-01-02", "yanked": "broken", "requires_python": ">=3.9",
        "sdist_only": True, "wheels": [],
    }  # fmt: skip
    whole = found["9.1.0"]
    assert whole["requires_dist"] == ["numpy", "pyyaml<7,>=5.3", 'x; python_version < "3.9"']
    assert whole["requires_dist_aarch64"] == ["numpy"]
    assert [item["file"].split("-")[3] for item in whole["wheels"]] == [
        "cp310",
        "cp310",
        "cp313",
        "cp313t",
        "cp39",
    ]
    assert set(whole["wheels"][0]) == {"file", "sha256", "size"}
    assert whole["yanked"] is None
    assert whole["abi"]["x86_64"] == {
        "file": CT2.format("310", "x86_64"), "execstack": True, "execstack_in": ["libmain-77.so.9"],
        "glibc": "2.17", "needs": ["libcuda.so.1"], "provides": ["libgomp-1.so", "libwritten.so.1"],
        "opens": ["libcublas.so.12", "libcudnn_ops.so.9"], "sass": ["5.3", "8.6", "12.0"], "ptx": ["8.6"],
        "ptx_isa": "8.7",
    }  # fmt: skip
    assert whole["abi"]["aarch64"]["sass"] == []
    lines = (tmp_path / "ctranslate2.json").read_text().splitlines()
    assert len(lines) == 1 + len(found) + 1


def test_a_second_run_asks_for_the_listing_only_and_writes_nothing(index: FakeIndex, tmp_path: Path) -> None:
    run(index, tmp_path)
    before = (tmp_path / "ctranslate2.json").stat().st_mtime_ns
    index.requests.clear()
    assert run(index, tmp_path) == 0
    assert index.requests == ["/simple/ctranslate2/"]
    assert (tmp_path / "ctranslate2.json").stat().st_mtime_ns == before
    assert run(index, tmp_path, "--again") == 0
    assert len(index.requests) > 3


def test_a_run_that_was_cut_short_goes_on(index: FakeIndex, tmp_path: Path) -> None:
    assert run(index, tmp_path, "--skip-abi") == 0
    assert "abi" not in releases(tmp_path)["9.1.0"]
    index.put("ctranslate2", CT2.format("310", "aarch64"), b"damaged")
    assert run(index, tmp_path) == 2
    assert set(releases(tmp_path)["9.1.0"]["abi"]) == {"x86_64"}
    index.put("ctranslate2", CT2.format("310", "aarch64"), wheel("ctranslate2", "9.1.0"))
    assert run(index, tmp_path) == 0
    assert set(releases(tmp_path)["9.1.0"]["abi"]) == {"x86_64", "aarch64"}


def test_check_names_what_is_new_changed_and_gone(
    index: FakeIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(index, tmp_path)
    assert run(index, tmp_path, "--check") == 0
    assert "nothing new" in capsys.readouterr().out
    written = (tmp_path / "ctranslate2.json").read_bytes()
    index.put("ctranslate2", "ctranslate2-9.2.0-cp313-cp313-manylinux_2_28_x86_64.whl")
    index.put("ctranslate2", CT2.format("314", "x86_64"))
    del index.files["ctranslate2"]["ctranslate2-9.0.0.tar.gz"]
    assert run(index, tmp_path, "--check") == 1
    assert capsys.readouterr().out.splitlines() == [
        "ctranslate2 9.1.0: changed (wheels)",
        "ctranslate2 9.2.0: new",
        "ctranslate2 9.0.0: gone",
    ]
    assert (tmp_path / "ctranslate2.json").read_bytes() == written


def test_a_package_of_python_alone(index: FakeIndex, tmp_path: Path) -> None:
    data = index.files["lightning"]["lightning-2.3.4-py3-none-any.whl"][0]
    arguments = ["--index-url", index.url, "--output", str(tmp_path), "--package", "lightning"]
    assert main(arguments) == 0
    assert releases(tmp_path, "lightning")["2.3.4"] == {
        "version": "2.3.4", "uploaded": "2026-01-02", "yanked": None, "requires_python": ">=3.9",
        "requires_dist": ["a", "b>1"],
        "wheels": [
            {
                "file": "lightning-2.3.4-py3-none-any.whl",
                "sha256": sha256(data).hexdigest(),
                "size": len(data),
            }
        ],
    }  # fmt: skip


def test_a_cuda_library_is_listed_by_folder_and_its_source_stubs_are_not(
    index: FakeIndex, tmp_path: Path
) -> None:
    name = "nvidia-cudnn-cu13"
    file = "nvidia_cudnn_cu13-9.9.0-py3-none-manylinux_2_27_x86_64.whl"
    members = {
        "nvidia/cudnn/lib/libcudnn_ops.so.9": b"not read",
        "nvidia/cudnn/lib/libcudnn.so.9": b"",
        "nvidia/cudnn/include/cudnn.h": b"",
        "nvidia/cu13/lib/libother.so": b"",
    }
    index.put(name, file, wheel(name, "9.9.0", ("nvidia-cublas",), members))
    index.put(name, "nvidia_cudnn_cu13-9.9.1.tar.gz")
    assert main(["--index-url", index.url, "--output", str(tmp_path), "--package", name]) == 0
    assert list(releases(tmp_path, name)) == ["9.9.0"]
    found = releases(tmp_path, name)["9.9.0"]
    assert found["abi"]["x86_64"] == {
        "file": file,
        "libraries": {
            "nvidia/cu13/lib": ["libother.so"],
            "nvidia/cudnn/lib": ["libcudnn.so.9", "libcudnn_ops.so.9"],
        },
    }
    assert json.loads((tmp_path / f"{name}.json").read_text())["cuda"] == "13"


def test_what_the_extras_of_a_package_want_is_kept(index: FakeIndex, tmp_path: Path) -> None:
    wishes = (
        'nvidia-cublas==13.9.*; sys_platform == "linux" and extra == "cublas"',
        'nvidia-cublas==13.8.*; sys_platform == "win32" and extra == "cublas"',
        'nvidia-curand==10.4.*; extra == "curand"',
        "always",
    )
    data = wheel("cuda-toolkit", "13.9", wishes, extras=("cublas", "curand"))
    index.put("cuda-toolkit", "cuda_toolkit-13.9-py3-none-any.whl", data)
    arguments = ["--index-url", index.url, "--output", str(tmp_path), "--package", "cuda-toolkit"]
    assert main(arguments) == 0
    found = releases(tmp_path, "cuda-toolkit")["13.9"]
    assert found["requires_dist"] == ["always"]
    assert found["extras"] == {"cublas": ["nvidia-cublas==13.9.*"], "curand": ["nvidia-curand==10.4.*"]}
    assert main(arguments) == 0
    assert releases(tmp_path, "cuda-toolkit")["13.9"] == found


def test_check_looks_at_every_package(
    index: FakeIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The listing of each is asked for, and what is not in the files is new; nothing is written."""
    packages = [package.name for package in load_packages(PACKAGES)]
    for name in packages:
        file = f"{name.replace('-', '_')}-99.0-py3-none-any.whl"
        index.files[name] = {}
        index.put(name, file)
    index.requests.clear()
    assert main(["--index-url", index.url, "--output", str(tmp_path), "--check"]) == 1
    assert index.requests == [f"/simple/{name}/" for name in packages]
    told = capsys.readouterr().out.splitlines()
    assert told[: len(packages)] == [f"{name} 99.0: new" for name in packages]
    assert "drivers.yml, toolkits: no row for CUDA 99.0, which cuda-toolkit 99.0 is for" in told
    assert list(tmp_path.iterdir()) == []


def test_metadata_beside_the_wheel_is_preferred(index: FakeIndex, tmp_path: Path) -> None:
    name = "lightning-2.3.4-py3-none-any.whl"
    index.put("lightning", name, b"not read", **{"core-metadata": {"sha256": "0"}})
    index.put("lightning", name + ".metadata", b"Name: lightning\nRequires-Dist: c\n\n")
    assert main(["--index-url", index.url, "--output", str(tmp_path), "--package", "lightning"]) == 0
    assert releases(tmp_path, "lightning")["2.3.4"]["requires_dist"] == ["c"]


def test_passing_trouble_is_waited_out(index: FakeIndex) -> None:
    index.trouble = [503, 429]
    waits: list[float] = []
    client = Index(index.url, waits.append)
    assert client.files("lightning")[0].name.startswith("lightning")
    client.close()
    assert waits == [2.0, 4.0]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"ranges": False}, "part of a file"),
        ({"kind": "text/html"}, "text/html"),
        ({"files": {}}, "HTTP 404"),
        ({"files": {"ctranslate2": {}}}, "lists no file"),
    ],
)
def test_an_index_that_will_not_do_is_told_in_one_sentence(
    index: FakeIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], rule: str
) -> None:
    for name, value in change.items():
        setattr(index, name, value)
    assert run(index, tmp_path) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert rule in told and "wanted:" in told


def test_an_unknown_package_and_a_damaged_file(
    index: FakeIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--index-url", index.url, "--package", "ctranslate"]) == 2
    assert "ctranslate is not measured" in capsys.readouterr().err
    (tmp_path / "ctranslate2.json").write_text('{"schema": 7}')
    assert run(index, tmp_path) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_index_is_the_one_uv_and_pip_would_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert default_index().startswith("https://")
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple")
    assert default_index() == "https://pip.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    assert default_index() == "https://uv.example/simple"


def test_gpu_code_survives_damaged_containers() -> None:
    good = fatbin((2, 70, 0, 0), (1, 90, 9, 1))
    assert gpu_code(good).sass == {70: 1}
    assert gpu_code(good).isa == (9, 1)
    assert gpu_code(good[:20]).sass == {}
    endless = bytearray(good)
    struct.pack_into("<Q", endless, 8, 2**63)
    struct.pack_into("<Q", endless, 16 + 8, 0)
    assert gpu_code(bytes(endless)).sass == {70: 1}


def test_the_files_in_the_tree_hold_every_package_and_name_no_host() -> None:
    for package in load_packages(PACKAGES):
        path = OUTPUT / f"{package.name}.json"
        found = releases(OUTPUT, package.name)
        assert found and "://" not in path.read_text(encoding="utf-8")
        for version, record in found.items():
            assert record.get("sdist_only") or record["wheels"], (package.name, version)
            assert record.get("sdist_only") or "requires_dist" in record, (package.name, version)
            if package.members and "x86_64" in str(record["wheels"]):
                assert "abi" in record, (package.name, version)
