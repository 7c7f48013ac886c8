"""Of a library outside the environment the doctor says whose it is, and by what way the loader came to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from module_utils.whisperx_doctor import belongs, foreign
from module_utils.whisperx_doctor.page import lines
from module_utils.whisperx_doctor.records import Environment, Evidence, Found, Patient, Symptom
from tests.unit.whisperx_abi.elf_samples import CC, compile_library

NAME = "libcudnn.so.9"
NO_FACTS = dict.fromkeys(("os", "libc", "machine", "gpus"))


def put(root: Path, path: str, text: str = "") -> Path:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    return place


def environment(root: Path, **fields: object) -> Environment:
    site = root / "venv/lib/python3.11/site-packages"
    site.mkdir(parents=True, exist_ok=True)
    return Environment(str(root / "venv"), "venv", sites=(str(site),), **fields)  # type: ignore[arg-type]


def said(text: str, where: str = "") -> Symptom:
    return Symptom("check", "import ctranslate2", text, where)


def test_paths_of_libraries_are_read_out_of_messages() -> None:
    texts = [
        "ImportError: /opt/x/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /v/a.so)",
        "OSError: (/usr/lib/libc.so.6) /a/b.so.1.2.3, '/q/lib y.so'",
        "https://example.org/x.so and lib.so and /etc/ld.so.conf and /a/libx.socket",
    ]
    assert foreign.named([said(text) for text in texts]) == [
        "/opt/x/libstdc++.so.6", "/v/a.so", "/usr/lib/libc.so.6", "/a/b.so.1.2.3",
    ]  # fmt: skip
    assert foreign.named([Symptom("log", "log", texts[0])]) == []


def test_a_file_of_a_debian_package(tmp_path: Path) -> None:
    put(tmp_path, "/usr/lib/x86_64-linux-gnu/" + NAME)
    put(tmp_path, "/var/lib/dpkg/info/libcudnn9-cuda-12:amd64.list", f"/.\n/lib/x86_64-linux-gnu/{NAME}\n")
    put(tmp_path, "/var/lib/dpkg/info/other.list", f"/lib/x86_64-linux-gnu/{NAME}.1\n")
    put(
        tmp_path,
        "/var/lib/dpkg/status",
        "Package: other\nVersion: 1\n\nPackage: libcudnn9-cuda-12\nStatus: install ok installed\n"
        "Description: x\n Version: no\nVersion: 9.10.2.21-1\n\nPackage: z\nVersion: 2\n",
    )
    told = belongs.owner_of(f"/usr/lib/x86_64-linux-gnu/{NAME}", str(tmp_path))
    assert told == "the system's package libcudnn9-cuda-12:amd64 9.10.2.21-1"


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no dpkg here")
def test_dpkg_itself_says_the_same() -> None:
    path = next(path for path in foreign.libraries(os.uname().machine).cache.values() if "libc.so.6" in path)
    owners = set()
    for name in (path, os.path.realpath(path), path.removeprefix("/usr"), "/usr" + path):
        done = subprocess.run(["dpkg-query", "-S", name], check=False, capture_output=True, text=True)
        owners |= {line.rpartition(": ")[0] for line in done.stdout.splitlines()}
    assert owners and any(f"the system's package {owner} " in belongs.owner_of(path) for owner in owners)


@pytest.mark.parametrize(
    "record", [f"nvidia/cudnn/lib/{NAME},sha256=x,1\n", f'"nvidia/cudnn/lib/{NAME}",,\n']
)
def test_a_file_of_another_environment(tmp_path: Path, record: str) -> None:
    site = "/srv/other/lib/python3.11/site-packages"
    put(tmp_path, f"{site}/nvidia/cudnn/lib/{NAME}")
    put(tmp_path, f"{site}/nvidia_cudnn_cu12-9.1.0.70.dist-info/RECORD", "a,,\n" + record)
    put(tmp_path, f"{site}/other-1.dist-info/RECORD", f"x/{NAME},,\n")
    told = belongs.owner_of(f"{site}/nvidia/cudnn/lib/{NAME}", str(tmp_path))
    assert told == f"nvidia-cudnn-cu12 9.1.0.70 in {site}"


def test_a_file_of_conda(tmp_path: Path) -> None:
    put(tmp_path, "/opt/conda/lib/libstdc++.so.6")
    meta = json.dumps({"files": ["lib/libstdc++.so.6"]})
    put(tmp_path, "/opt/conda/conda-meta/libstdcxx-ng-13.2.0-h95.json", meta)
    told = belongs.owner_of("/opt/conda/lib/libstdc++.so.6", str(tmp_path))
    assert told == "conda's package libstdcxx-ng-13.2.0-h95 in /opt/conda"


@pytest.mark.parametrize(
    ("file", "text", "version"),
    [
        ("version.json", '{"cuda": {"version": "12.1.105"}}', "12.1.105"),
        ("version.txt", "CUDA Version 10.2.89\n", "10.2.89"),
        ("version.json", "{broken", "11.8"),
        ("README", "", "11.8"),
    ],
)
def test_a_file_of_a_cuda_toolkit(tmp_path: Path, file: str, text: str, version: str) -> None:
    put(tmp_path, "/usr/local/cuda-11.8/lib64/libcublas.so.12")
    put(tmp_path, f"/usr/local/cuda-11.8/{file}", text)
    told = belongs.owner_of("/usr/local/cuda-11.8/lib64/libcublas.so.12", str(tmp_path))
    assert told == f"the CUDA toolkit {version} in /usr/local/cuda-11.8"
    (tmp_path / "usr/local/cuda").symlink_to("cuda-11.8")
    assert version in belongs.owner_of("/usr/local/cuda/lib64/libcublas.so.12", str(tmp_path))


def test_a_file_of_nobody(tmp_path: Path) -> None:
    put(tmp_path, "/opt/rogue/libx.so")
    assert (
        belongs.owner_of("/opt/rogue/libx.so", str(tmp_path)) == "no package that is known here installed it"
    )


@pytest.mark.parametrize(
    ("path", "variables", "files", "way"),
    [
        ("/opt/r/libx.so", {"LD_LIBRARY_PATH": "/a::/opt/r/"}, {}, "came in by LD_LIBRARY_PATH (/opt/r/)"),
        ("/opt/r/libx.so", {"LD_PRELOAD": "/b.so /opt/r/libx.so"}, {}, "came in by LD_PRELOAD"),
        (
            "/opt/r/libx.so", {},
            {
                "/etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n",
                "/etc/ld.so.conf.d/cuda.conf": "# x\n/opt/r # y\n",
            },
            "came in by /etc/ld.so.conf.d/cuda.conf, by the cache of ldconfig",
        ),
        ("/usr/lib/x86_64-linux-gnu/libx.so", {}, {}, "lies in a default directory of the loader"),
        ("/opt/r/libx.so", {}, {"/etc/ld.so.conf": "include ld.so.conf\n"}, "is not known"),
    ],
)  # fmt: skip
def test_the_way(
    tmp_path: Path, path: str, variables: dict[str, str], files: dict[str, str], way: str
) -> None:
    put(tmp_path, path)
    for name, text in files.items():
        put(tmp_path, name, text)
    assert way in foreign.way_to(path, environment(tmp_path), variables, str(tmp_path))


@pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
def test_a_run_path_of_the_environment_leads_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "opt"
    outside.mkdir()
    library = compile_library(
        outside, "libout.so", "-Wl,-soname,libout.so", source="int o(void) { return 1; }\n"
    )
    patient = environment(tmp_path)
    options = ("-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN/../../../../opt", str(library))
    compile_library(
        Path(patient.sites[0]), "user.so", *options, source="int o(void); int u(void) { return o(); }\n"
    )
    told = foreign.way_to(str(library), patient, {"LD_LIBRARY_PATH": str(outside)})
    assert told == "it came in by RPATH of user.so"


def test_what_a_row_and_the_page_say(tmp_path: Path) -> None:
    rogue, own = put(tmp_path, "/rogue/libtorch.so"), environment(tmp_path)
    inside = put(tmp_path, "venv/lib/python3.11/site-packages/x.so")
    symptom = said(f"{rogue}: undefined symbol: x ({inside}), /gone/liby.so")
    outside = foreign.sentences([symptom], own, {"LD_LIBRARY_PATH": str(rogue.parent)})
    told = (
        f"{rogue} is not the environment's: no package that is known here installed it; "
        f"it came in by LD_LIBRARY_PATH ({rogue.parent})"
    )
    assert outside == {str(rogue): told}
    patient = Patient(own, {}, {}, "cpu", (symptom,))
    found = foreign.add(Found({}, (Evidence("check", "a"), Evidence("fact", "b")), (0,)), patient, outside)
    assert [item.text for item in found.evidence] == ["a", told, "b"]
    unexplained = [{"text": symptom.line(), "outside": foreign.among(symptom, outside)}]
    diagnosis = {
        "path": "/v", "kind": "venv", "verdict": "unfit", "facts": NO_FACTS,
        "packages": {}, "engine": "", "python_version": "", "device": "cpu", "level": "import", "objects": 0,
        "files": 0, "failures": [], "notes": [], "logs": [], "unexplained": unexplained,
    }  # fmt: skip
    assert "it came in by LD_LIBRARY_PATH" in " ".join(" ".join(lines(diagnosis)).split())
