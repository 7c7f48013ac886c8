"""Bad input and bad luck: each a clear failure, nothing switched, nothing of the old environment touched."""

from __future__ import annotations

import base64
import contextlib
import http.server
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from env_lab import Lab

from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_env.model import Carried, Sources, Wanted
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import building

SECRET = "s3cret-and-l0ng"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A host with release 1.0 in use."""
    lab = Lab(tmp_path)
    lab.present(lab.tiny("1.0"))
    return lab


@contextlib.contextmanager
def untouched(lab: Lab) -> Iterator[None]:
    """Assert that what is in use stays as it is, and that nothing half-made remains."""
    before = tree(lab)
    yield
    assert tree(lab) == before
    assert lab.says() == "tiny 1.0"


def tree(lab: Lab) -> list[tuple[str, str]]:
    """Return everything that matters below the root and where links lead.

    That a build was begun stays noted until one ends: what uv wrote meanwhile was not put on disk.
    """
    ignored = {"cache", "wheels", building.NAME}
    paths = [path for path in lab.base.rglob("*") if not ignored & set(path.parts)]
    return sorted((str(path), str(path.readlink()) if path.is_symlink() else "") for path in paths)


def fails(lab: Lab, wanted: Wanted, rule: str, **options: object) -> Problem:
    """Assert that applying fails by a rule and leaves everything alone; return the problem."""
    with untouched(lab), pytest.raises(Problem) as raised:
        lab.present(wanted, **options)
    problem = raised.value
    assert problem.rule == rule, problem.sentence()
    assert problem.found and problem.wanted and problem.remedy
    return problem


def from_index(lab: Lab, url: str, **sources: str) -> None:
    """Make an index the lab's only source."""
    lab.options = replace(lab.options, sources=Sources(index_url=url, **sources))


def test_a_file_with_another_hash(lab: Lab) -> None:
    wanted = lab.tiny("2.0")
    lab.wheel("tiny", "2.0", **{"more.py": "evil = True\n"})
    problem = fails(lab, wanted, "env.hash")
    assert "tiny" in problem.found


def test_half_a_download(lab: Lab) -> None:
    wanted = lab.tiny("2.0")
    wheel = lab.wheels / "tiny-2.0-py3-none-any.whl"
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[: len(whole) // 2])
    fails(lab, wanted, "env.install")
    wheel.write_bytes(whole)
    lab.present(wanted)
    assert lab.says() == "tiny 2.0"


def test_a_package_that_no_source_has(lab: Lab) -> None:
    wanted = lab.tiny("2.0")
    (lab.wheels / "tiny-2.0-py3-none-any.whl").unlink()
    fails(lab, wanted, "env.index")


def test_an_index_that_does_not_answer(lab: Lab) -> None:
    wanted = lab.tiny("2.0")
    from_index(lab, f"http://user:{SECRET}@127.0.0.1:9/simple", username="user", password=SECRET)
    problem = fails(lab, wanted, "env.index")
    assert "127.0.0.1:9" in problem.found and "127.0.0.1:9" in problem.where
    assert SECRET not in problem.sentence()


def test_credentials_reach_the_index_and_nothing_else(lab: Lab) -> None:
    wanted = lab.tiny("2.0")
    with index(lab) as (url, seen):
        from_index(lab, url, username="user", password="wrong-password")
        problem = fails(lab, wanted, "env.index")
        assert "wrong-password" not in problem.sentence()
        from_index(lab, url, username="user", password=SECRET)
        lab.present(wanted)
    assert lab.says() == "tiny 2.0"
    assert SECRET not in "".join(seen)
    for path in lab.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_file_of_the_same_name_from_an_extra_index_is_not_taken(lab: Lab) -> None:
    wanted = lab.tiny("2.0")
    other = Lab(lab.base / "other")
    other.wheel("tiny", "2.0", **{"more.py": "evil = True\n"})
    with index(lab, secret="") as (good, _), index(other, secret="") as (bad, _):
        lab.options = replace(lab.options, sources=Sources(index_url=good, extra_index_urls=(bad,)))
        fails(lab, wanted, "env.hash")


def test_a_repaired_wheel_wins_over_the_original_of_the_index(lab: Lab) -> None:
    repaired = lab.wheel("tiny", "2.0", **{"repaired.py": ""})
    kept = repaired.rename(lab.base / repaired.name)
    text = lab.lock(kept, origin="repaired:" + "0" * 64)
    lab.wheel("tiny", "2.0")
    carried = (*lab.options.carried, Carried(sha256(str(kept)), kept.name, str(kept)))
    with index(lab, secret="") as (url, _):
        from_index(lab, url)
        lab.present(lab.wanted(text), carried=carried)
    assert lab.says() == "tiny 2.0"
    assert list(lab.root.glob("current/lib/python*/site-packages/tiny/repaired.py"))


def test_a_disk_that_fills_up_while_installing(small: Callable[[str], Lab]) -> None:
    lab = small("size=250m")
    lab.present(lab.tiny("1.0"))
    # A wheel that is small, as the lock says, and unpacks to far more than anybody could expect.
    big = lab.wheel("tiny", "2.0", **{"zeros.txt": "0" * 250_000_000})
    with pytest.raises(Problem) as raised:
        lab.present(lab.wanted(lab.lock(big)))
    assert raised.value.rule == "env.disk-space" and "became full" in raised.value.found
    assert lab.says() == "tiny 1.0" and len(lab.releases()) == 1


def test_a_foreign_directory_is_not_touched(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.root.mkdir()
    (lab.root / "thesis.tex").write_text("")
    for deed in (lambda: lab.present(lab.tiny("1.0")), lab.rolled_back, lab.absent):
        with pytest.raises(Problem) as raised:
            deed()
        assert raised.value.rule == "env.foreign-directory" and "thesis.tex" in raised.value.found
    assert os.listdir(lab.root) == ["thesis.tex"]


def test_a_foreign_command_is_not_replaced(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    command = Path(lab.layout.command("tiny"))
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    for check in (True, False):
        with pytest.raises(Problem) as raised:
            lab.present(lab.tiny("1.0"), check=check)
        assert raised.value.rule == "env.foreign-command"
    assert not lab.root.exists()


def test_a_proof_that_fails(lab: Lab) -> None:
    wheel = lab.wheel("tiny", "2.0", **{"__init__.py": "raise ImportError('no such library')\n"})
    broken = lab.wanted(lab.lock(wheel))
    problem = fails(lab, broken, "env.verify")
    assert "no such library" in problem.found
    with pytest.raises(Problem):
        lab.present(broken)
    assert lab.events.count("build:sync") == 3


def test_a_shared_object_that_this_host_does_not_load(lab: Lab) -> None:
    elf = "\x7fELF\x02\x01\x01" + "\0" * 9 + "half a header"
    wanted = lab.wanted(lab.lock(lab.wheel("tiny", "2.0", **{"native.so": elf})))
    problem = fails(lab, wanted, "env.abi")
    assert "tiny/native.so" in problem.found


def test_a_command_that_no_package_brings(lab: Lab) -> None:
    wanted = lab.wanted(lab.lock(lab.wheel("tiny", "2.0")), scripts=["huge"])
    fails(lab, wanted, "env.command-missing")


def test_an_interpreter_that_is_not_there(lab: Lab) -> None:
    wanted = lab.wanted(lab.lock(lab.wheel("tiny", "2.0")), python_path="/nowhere/python")
    problem = fails(lab, wanted, "env.python")
    assert "/nowhere/python" in problem.found


def test_an_installation_that_takes_too_long(lab: Lab) -> None:
    wanted = lab.tiny("2.0")
    with index(lab, delay=30) as (url, _):
        from_index(lab, url, username="user", password=SECRET)
        fails(lab, wanted, "env.timeout", timeout=2)


def test_a_transfer_that_went_wrong(lab: Lab) -> None:
    wrong = Carried("0" * 64, "uv", lab.options.carried[0].path)
    fails(lab, lab.tiny("2.0"), "env.transfer", carried=(wrong,))


def test_files_that_have_to_travel_are_named_and_nothing_is_done(lab: Lab) -> None:
    wheel = lab.wheel("tiny", "2.0")
    text = lab.lock(wheel, origin="local")
    unknown = Carried("1" * 64, "uv")
    with untouched(lab):
        outcome = lab.present(lab.wanted(text), carried=(unknown,))
    assert [entry["file"] for entry in outcome.wanted_files] == ["uv", wheel.name]
    wheel_here = wheel.rename(lab.base / wheel.name)
    digest = outcome.wanted_files[1]["sha256"]
    brought = (*lab.options.carried, Carried(digest, wheel.name, str(wheel_here)))
    assert lab.present(lab.wanted(text), carried=brought).wanted_files == []
    assert lab.says() == "tiny 2.0"


@pytest.fixture
def small(tmp_path: Path, as_root: None) -> Iterator[Callable[[str], Lab]]:
    """A lab on a file system of its own, mounted with the given options; the argument is for mount's -o."""
    mounted = []

    def mount(options: str) -> Lab:
        place = tmp_path / "mounted"
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount here: {done.stderr.strip()}")
        mounted.append(place)
        lab = Lab(tmp_path)
        lab.layout = replace(lab.layout, root=str(place / "root"))
        return lab

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def test_a_disk_too_small_is_noticed_before_anything_is_fetched(small: Callable[[str], Lab]) -> None:
    lab = small("size=16m")
    for check in (True, False):
        with pytest.raises(Problem) as raised:
            lab.present(lab.tiny("1.0"), check=check)
        assert raised.value.rule == "env.disk-space"
        assert raised.value.found == "16 MiB free" and "129 MiB" in raised.value.wanted
    assert not lab.root.exists() and lab.events == []


def test_a_read_only_root(small: Callable[[str], Lab]) -> None:
    lab = small("ro")
    with pytest.raises(Problem) as raised:
        lab.present(lab.tiny("1.0"))
    assert raised.value.rule == "env.read-only"


def test_a_root_that_became_read_only(small: Callable[[str], Lab]) -> None:
    lab = small("size=200m")
    lab.present(lab.tiny("1.0"))
    subprocess.run(["mount", "-o", "remount,ro", lab.root.parent], check=True)
    assert lab.present(lab.tiny("1.0")).actions == []
    for deed in (lambda: lab.present(lab.tiny("2.0")), lab.absent):
        with pytest.raises(Problem) as raised:
            deed()
        assert raised.value.rule == "env.read-only"
    assert lab.says() == "tiny 1.0"


def test_a_mount_that_executes_nothing(small: Callable[[str], Lab]) -> None:
    lab = small("size=200m,noexec")
    with pytest.raises(Problem) as raised:
        lab.present(lab.tiny("1.0"))
    assert raised.value.rule == "env.no-exec"


@contextlib.contextmanager
def index(lab: Lab, secret: str = SECRET, delay: float = 0) -> Iterator[tuple[str, list[str]]]:
    """Serve the lab's wheels as an index that wants a password; yield its address and what was asked."""
    wanted = "Basic " + base64.b64encode(f"user:{secret}".encode()).decode()
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            time.sleep(delay)
            name = self.path.rsplit("/", 1)[-1]
            if secret and self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.end_headers()
                return
            wheels = sorted(lab.wheels.iterdir())
            links = {wheel.name: sha256(str(wheel)) for wheel in wheels}
            page = "".join(f'<a href="/{n}#sha256={d}">{n}</a>\n' for n, d in links.items()).encode()
            body = (lab.wheels / name).read_bytes() if name.endswith(".whl") else page
            self.send_response(200)
            self.send_header("Content-Type", "application/zip" if name.endswith(".whl") else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple", seen
    finally:
        server.shutdown()
        server.server_close()
