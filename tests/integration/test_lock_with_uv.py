"""Locks made by the real uv: from the real index (small classes only), from directories, from local servers.

Needs uv beside Python or on the PATH; `test_real_*` need the ordinary package index.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import importlib.util
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common.lockfile import parse
from module_utils.whisperx_lock.lock import LockResult, make, make_all
from module_utils.whisperx_lock.sources import Sources, make_sources
from module_utils.whisperx_lock.uv import find_uv
from module_utils.whisperx_lock.workshop import open_workshop
from module_utils.whisperx_problem import Problem

SETUPTOOLS = "062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922"
PLAN: dict[str, Any] = {
    "request": {"tiny": ""},
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.41"},
    "platform": "x86_64-manylinux_2_40",
    "python": "3.13",
    "device": "cpu",
    "torch_build": None,
    "default_torch_build": None,
    "pins": {"tiny": "1.1"},
    "constraints": {"tiny": ">=1.0"},
    "requirements": ["tiny==1.1"],
    "repairs": [],
    "catalogue": "abc",
}
CTRANSLATE2 = {
    **PLAN,
    "request": {"ctranslate2": ""},
    "pins": {"ctranslate2": "4.8.5"},
    "constraints": {"ctranslate2": ">=4.6.0"},
    "requirements": ["ctranslate2==4.8.5"],
}
TORCH = {
    **PLAN,
    "request": {"torch": ""},
    "torch_build": "cpu",
    "default_torch_build": "cu128",
    "pins": {"torch": "2.8.0"},
    "constraints": {"torch": "==2.8.0"},
    "requirements": ["torch==2.8.0"],
}


def wheel(folder: Path, name: str, version: str, *requires: str, content: str = "") -> Path:
    """Write a wheel of a few hundred bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}/__init__.py": content,
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {entry}\n" for entry in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


class Server:
    """Serves a directory as an index on 127.0.0.1, with a password if asked; remembers what was asked for."""

    def __init__(self, root: Path, credentials: str = "") -> None:
        self.root = root
        self.asked: list[tuple[str, int]] = []
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = "Basic " + base64.b64encode(credentials.encode()).decode()
                if credentials and self.headers.get("Authorization") != wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="index"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                else:
                    super().do_GET()

            do_HEAD = do_GET  # type: ignore[assignment]

            def log_message(self, *_arguments: object) -> None:
                return

            def log_request(self, code: int | str = 0, _size: int | str = 0) -> None:
                server.asked.append((self.path, int(code)))

        self.http = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(root))
        )
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Server]:
    """An index with tiny 1.0 and 1.1 and its dependency, which wants the password of "me"."""
    root = tmp_path / "index"
    wheel(root / "simple" / "tiny", "tiny", "1.0")
    wheel(root / "simple" / "tiny", "tiny", "1.1", "dep")
    wheel(root / "simple" / "dep", "dep", "2.0")
    server = Server(root, "me:s3cret/pass")
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(autouse=True)
def _own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if not request.node.name.startswith("test_real_"):
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")


def locked(
    tmp_path: Path,
    plan: dict[str, Any],
    sources: Sources,
    locks: dict[str, str] | None = None,
    state: str = "locked",
) -> LockResult:
    shop = open_workshop(sources, tmp_path / "locks", cache_dir=str(tmp_path / "cache"))
    return make("class", plan, locks or {}, state, shop)


def versions(result: LockResult) -> dict[str, str]:
    return result.lock.versions


def test_real_index_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = locked(tmp_path, CTRANSLATE2, Sources())
    assert versions(first)["ctranslate2"] == "4.8.5"
    assert all(package.size and package.origin == "index" for package in first.lock.packages)
    assert first.lock.header["bytes"].isdigit()
    assert "://" not in first.text
    assert first.notes == ()
    again = locked(tmp_path / "other", CTRANSLATE2, Sources(), {"class": first.text}, "upgrade")
    assert (again.text, again.changed) == (first.text, False)


def test_real_index_has_nothing_that_cannot_be(tmp_path: Path) -> None:
    plan = {**CTRANSLATE2, "requirements": ["ctranslate2==4.8.5", "numpy<1"]}
    with pytest.raises(Problem) as caught:
        locked(tmp_path, plan, Sources())
    assert caught.value.rule == "lock.unsatisfiable"
    assert "numpy" in caught.value.found


def test_real_uv_for_another_machine_is_fetched_once(tmp_path: Path) -> None:
    plan = {**CTRANSLATE2, "machine": "aarch64", "platform": "aarch64-manylinux_2_36"}
    first = locked(tmp_path, plan, Sources())
    assert Path(first.uv.path).is_relative_to(tmp_path / "cache")
    assert Path(first.uv.path).read_bytes()[18:20] == b"\xb7\x00"  # EM_AARCH64
    assert hashlib.sha256(Path(first.uv.path).read_bytes()).hexdigest() == first.uv.sha256
    assert "aarch64.whl" in first.text
    nowhere = make_sources("http://127.0.0.1:9/simple")
    assert locked(tmp_path, plan, nowhere, {"class": first.text}).uv == first.uv


def test_real_source_distributions_are_built_alike(tmp_path: Path) -> None:
    row = {
        "package": "docopt",
        "version": "0.6.2",
        "sdist_sha256": "49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491",
        "build_requires": [f"setuptools==80.9.0 --hash=sha256:{SETUPTOOLS}"],
    }
    plan = {**PLAN, "request": {"docopt": ""}, "pins": {}, "constraints": {}, "requirements": ["docopt"]}
    with pytest.raises(Problem) as caught:
        locked(tmp_path, plan, Sources())
    assert caught.value.rule == "lock.unsatisfiable"
    plan["built_from_sdist"] = [row]
    first = locked(tmp_path / "one", plan, Sources())
    (package,) = first.lock.packages
    (file,) = first.files
    assert (package.origin, file.sha256, file.file) == ("built", package.sha256, package.file)
    assert hashlib.sha256(Path(file.path).read_bytes()).hexdigest() == package.sha256
    # Another controller has the lock, but not the wheel: it makes the very same one.
    second = locked(tmp_path / "two", plan, Sources(), {"class": first.text})
    assert not second.changed
    assert second.files[0].sha256 == file.sha256
    assert Path(second.files[0].path).is_relative_to(tmp_path / "two")
    plan["built_from_sdist"] = [{**row, "sdist_sha256": "0" * 64}]
    with pytest.raises(Problem) as caught:
        locked(tmp_path / "three", plan, Sources())
    assert caught.value.rule == "lock.wrong-hash"


def test_real_wheels_are_repaired_alike(tmp_path: Path) -> None:
    plan = {
        **CTRANSLATE2,
        "python": "3.11",
        "pins": {"ctranslate2": "4.4.0"},
        "constraints": {"ctranslate2": "==4.4.0"},
        "requirements": ["ctranslate2==4.4.0"],
        "repairs": [{"package": "ctranslate2"}],
    }
    first = locked(tmp_path / "one", plan, Sources())
    (package,) = [entry for entry in first.lock.packages if entry.name == "ctranslate2"]
    assert (package.version, package.origin[:9]) == ("4.4.0+execstack0", "repaired:")
    (file,) = first.files
    assert hashlib.sha256(Path(file.path).read_bytes()).hexdigest() == package.sha256 != package.origin[9:]
    second = locked(tmp_path / "two", plan, Sources(), {"class": first.text})
    assert not second.changed
    assert Path(second.files[0].path).is_relative_to(tmp_path / "two")
    # A host that need not have it repaired does not keep this lock.
    third = locked(tmp_path / "one", {**plan, "repairs": []}, Sources(), {"class": first.text})
    assert third.lock.versions["ctranslate2"] == "4.4.0"
    assert "repaired are ctranslate2" in third.notes[0]


def test_credentials_open_the_index_and_show_nowhere(tmp_path: Path, index: Server) -> None:
    sources = make_sources(f"{index.url}/simple", username="me", password="s3cret/pass")
    result = locked(tmp_path, PLAN, sources)
    assert versions(result) == {"tiny": "1.1", "dep": "2.0"}
    assert "s3cret" not in repr(result) + repr(sources)
    assert "127.0.0.1" not in result.text
    assert any(code == 200 for _path, code in index.asked)


def test_credentials_in_the_address_do_as_well(tmp_path: Path, index: Server) -> None:
    url = index.url.replace("//", "//me:s3cret%2Fpass@") + "/simple"
    assert versions(locked(tmp_path, PLAN, make_sources(url)))["tiny"] == "1.1"


@pytest.mark.parametrize("password", ["", "wr0ng-pass"])
def test_wrong_credentials_are_said(tmp_path: Path, index: Server, password: str) -> None:
    sources = make_sources(f"{index.url}/simple", username="me" if password else "", password=password)
    with pytest.raises(Problem) as caught:
        locked(tmp_path, PLAN, sources)
    assert caught.value.rule == "lock.credentials"
    assert caught.value.where == f"{index.url}/simple"
    assert "wr0ng" not in caught.value.sentence()


def test_an_index_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        locked(tmp_path, PLAN, make_sources("http://me:s3cret@127.0.0.1:9/simple"))
    assert (caught.value.rule, caught.value.where) == ("lock.index", "http://127.0.0.1:9/simple")
    assert "s3cret" not in caught.value.sentence()


def test_what_a_directory_has_travels_with_the_run(tmp_path: Path, index: Server) -> None:
    mine = wheel(tmp_path / "wheels", "dep", "2.5", content="mine = True\n")
    sources = make_sources(
        f"{index.url}/simple", find_links=(str(tmp_path / "wheels"),), username="me", password="s3cret/pass"
    )
    result = locked(tmp_path, PLAN, sources)
    origins = {package.name: (package.origin, package.size) for package in result.lock.packages}
    assert origins == {"tiny": ("index", None), "dep": ("local", mine.stat().st_size)}
    assert [(file.file, file.path) for file in result.files] == [(mine.name, str(mine))]
    assert result.lock.bytes is None
    kept = locked(tmp_path, PLAN, sources, {"class": result.text})
    assert (kept.changed, kept.files) == (False, result.files)
    mine.write_bytes(b"another file")
    with pytest.raises(Problem) as caught:
        locked(tmp_path, PLAN, sources, {"class": result.text})
    assert caught.value.rule == "lock.local-file"


def test_an_extra_index_comes_first_and_need_not_have_all(tmp_path: Path, index: Server) -> None:
    wheel(tmp_path / "more" / "dep", "dep", "1.5")
    wheel(tmp_path / "more" / "tiny", "tiny", "0.9")
    extra = Server(tmp_path / "more")
    sources = make_sources(f"{index.url}/simple", (extra.url,), username="me", password="s3cret/pass")
    # Another port is another server: the password is not for it.
    assert sources.extra[0].password == ""
    assert versions(locked(tmp_path, PLAN, sources)) == {"tiny": "1.1", "dep": "1.5"}
    extra.http.shutdown()
    extra.http.server_close()


def test_upgrade_takes_what_locked_leaves(tmp_path: Path) -> None:
    links = tmp_path / "wheels"
    wheel(links, "tiny", "1.1", "dep")
    wheel(links, "dep", "1.0")
    sources = make_sources((tmp_path / "none").as_uri(), find_links=(str(links),))
    first = locked(tmp_path, PLAN, sources)
    assert versions(first) == {"tiny": "1.1", "dep": "1.0"}
    wheel(links, "dep", "2.0")
    locks = {"class": first.text}
    assert not locked(tmp_path, PLAN, sources, locks).changed
    upgraded = locked(tmp_path, PLAN, sources, locks, "upgrade")
    assert versions(upgraded) == {"tiny": "1.1", "dep": "2.0"}
    diff = upgraded.diff("x")
    assert (diff["before"], diff["after"]) == ("dep 1.0\ntiny 1.1\n", "dep 2.0\ntiny 1.1\n")
    # A host that can no longer run what is locked gets a new lock, and is told why.
    narrower = {**PLAN, "constraints": {"dep": "<2", "tiny": ">=1.1"}}
    renewed = locked(tmp_path, narrower, sources, {"class": upgraded.text})
    assert versions(renewed)["dep"] == "1.0"
    assert renewed.notes == ("the lock class no longer fits: dep 2.0: works on the host <2",)
    edited = upgraded.text.replace("dep==2.0", "dep==2.1")
    replaced = locked(tmp_path, PLAN, sources, {"class": edited}, "upgrade")
    assert (replaced.text, "had been edited" in replaced.notes[0]) == (upgraded.text, True)


@pytest.mark.parametrize("program", ["uv", "pip"])
def test_the_text_is_a_requirement_file(tmp_path: Path, program: str) -> None:
    links = tmp_path / "wheels"
    wheel(links, "tiny", "1.1", "dep")
    wheel(links, "dep", "1.0")
    result = locked(tmp_path, PLAN, make_sources((tmp_path / "none").as_uri(), find_links=(str(links),)))
    lock = tmp_path / "lock.txt"
    lock.write_text(result.text)
    command = [str(find_uv()), "pip"] if program == "uv" else [sys.executable, "-m", "pip"]
    command += ["install", "--no-deps", "--require-hashes", "--no-index", "--find-links", str(links)]
    command += ["--python", sys.executable] if program == "uv" else []
    command += ["-r", str(lock), "--target"]
    if program == "pip" and importlib.util.find_spec("pip") is None:
        pytest.skip("this Python has no pip")
    subprocess.run([*command, str(tmp_path / "site")], check=True, capture_output=True)
    assert {path.name for path in (tmp_path / "site").iterdir()} >= {"tiny", "dep"}
    sha256 = result.lock.packages[0].sha256
    lock.write_text(result.text.replace(sha256, sha256[::-1]))
    done = subprocess.run([*command, str(tmp_path / "other")], check=False, capture_output=True, text=True)
    assert (done.returncode != 0, sha256[::-1] in done.stderr) == (True, True)


def test_the_small_torch_comes_from_the_users_index(tmp_path: Path) -> None:
    root = tmp_path / "index"
    wheel(root / "simple" / "torch", "torch", "2.8.0", "dep")
    wheel(root / "simple" / "dep", "dep", "2.0")
    wheel(root / "whl" / "cpu" / "torch", "torch", "2.8.0+cpu", "dep")
    wheel(root / "whl" / "cpu" / "dep", "dep", "0.1")
    server = Server(root)
    main, whl = f"{server.url}/simple", f"{server.url}/whl"
    result = locked(tmp_path, TORCH, make_sources(main, torch_index=whl))
    assert versions(result) == {"torch": "2.8.0+cpu", "dep": "2.0"}
    assert (result.lock.header["torch-build"], result.lock.header["torch-backend"]) == ("cpu", "cpu")
    assert result.notes == ()
    with pytest.raises(Problem) as caught:
        locked(tmp_path, TORCH, make_sources(main, torch_index="http://127.0.0.1:9/whl"))
    assert (caught.value.rule, caught.value.where) == ("lock.torch-index", "http://127.0.0.1:9/whl")
    # An extra index that has this build needs no PyTorch index at all.
    result = locked(tmp_path, TORCH, make_sources(main, (f"{whl}/cpu",)))
    assert versions(result)["torch"] == "2.8.0+cpu"
    server.http.shutdown()
    server.http.server_close()


def test_without_a_way_to_pytorch_the_default_build_is_taken_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    links = tmp_path / "wheels"
    wheel(links, "torch", "2.8.0", "nvidia_thing")
    wheel(links, "nvidia_thing", "12.0", content="# " + "x" * 3_000_000)
    sources = make_sources((tmp_path / "none").as_uri(), find_links=(str(links),))
    shop = open_workshop(sources, tmp_path / "locks", cache_dir=str(tmp_path / "cache"))
    other = {**TORCH, "torch_build": "cu126"}
    results, problems = make_all({"a": TORCH, "b": TORCH, "c": other}, {}, "locked", shop)
    assert {name: problem.rule for name, problem in problems.items()} == {"c": "lock.torch-index"}
    for result in results.values():
        assert (result.lock.header["torch-build"], result.lock.header["torch-backend"]) == ("cu128", "")
        assert "taking torch's default cu128 build" in result.notes[0]
        assert "CUDA libraries that this host does not use" in result.notes[0]
    sized = {**TORCH, "torch_build_sizes": {"cpu": 184_000_000}}
    result = make("a", sized, {}, "locked", shop)
    assert result.notes[0].endswith("0.0 GB instead of about 0.2 GB")
    assert parse(result.text).versions == {"torch": "2.8.0", "nvidia-thing": "12.0"}


def test_no_uv_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem) as caught:
        open_workshop(Sources(), tmp_path, uv=str(tmp_path / "uv"))
    assert (caught.value.rule, "pip install uv" in caught.value.remedy) == ("lock.uv", True)
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\necho 'cannot run here' >&2; exit 1\n")
    broken.chmod(0o755)
    shop = open_workshop(Sources(), tmp_path, uv=str(broken), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(Problem) as caught:
        make("class", PLAN, {}, "locked", shop)
    assert (caught.value.rule, "cannot run here" in caught.value.found) == ("lock.uv", True)
