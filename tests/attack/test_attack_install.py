"""An installation under attack: hostile indexes, full disks, several runs at once, a clock years off.

Whatever happens, what was in use works, nothing lies outside of the root, and the next run completes.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import env_lab
import pytest
from env_lab import Lab
from odd_server import MANNERS
from strength import amount

from module_utils.whisperx_env.model import Sources
from module_utils.whisperx_problem import Problem

ROOT = Path(__file__).resolve().parents[2]
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A host with release 1.0 in use."""
    lab = Lab(tmp_path)
    lab.present(lab.tiny("1.0"))
    return lab


def whole_releases(lab: Lab) -> None:
    """Assert that every release is a whole one."""
    for name in lab.releases():
        assert (lab.root / "releases" / name / "release.json").is_file(), name


# -- Indexes ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def index(lab: Lab, manner: str) -> Iterator[str]:
    """Serve the lab's wheels as an index whose files come in an odd manner."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rstrip("/").rpartition("/")[2]
            if name.endswith(".whl"):
                with contextlib.suppress(OSError):
                    MANNERS[manner](self.connection, (lab.wheels / name).read_bytes(), over)
                self.close_connection = True
                return
            links = "".join(f'<a href="/files/{one.name}">{one.name}</a>' for one in lab.wheels.iterdir())
            body = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def everything(top: Path) -> int:
    """Return the bytes of all files below a directory."""
    return sum(path.lstat().st_size for path in top.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("manner", sorted(MANNERS))
def test_a_hostile_index_while_a_host_installs(lab: Lab, manner: str) -> None:
    wanted = lab.tiny("2.0")
    outside = sorted(path for path in lab.base.iterdir())
    before = everything(lab.root)
    with index(lab, manner) as url:
        lab.options = replace(lab.options, sources=Sources(index_url=url))
        try:
            lab.present(wanted, timeout=3)
        except Problem as problem:
            assert problem.rule in ("env.index", "env.hash", "env.install", "env.timeout"), problem.rule
            assert problem.remedy and manner != "whole"
            assert lab.says() == "tiny 1.0"
        else:
            assert lab.says() == "tiny 2.0"
    assert sorted(lab.base.iterdir()) == outside
    # What came of an endless file does not stay.
    assert everything(lab.root) < before + (8 << 20)
    whole_releases(lab)
    lab.options = replace(lab.options, sources=Sources(find_links=(str(lab.wheels),), offline=True))
    lab.present(wanted)
    assert lab.says() == "tiny 2.0"


# -- Disks ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(place: Path, options: str) -> Iterator[None]:
    """Mount a file system of its own; its size can be changed by mounting it anew."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def resize(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def used(place: Path) -> tuple[int, int]:
    """Return the bytes and the inodes in use."""
    said = os.statvfs(place)
    return (said.f_blocks - said.f_bfree) * said.f_frsize, said.f_files - said.f_ffree


@only_root
@pytest.mark.parametrize("deed", ["present", "rolled_back", "absent"])
@pytest.mark.parametrize("kind", ["bytes", "inodes"])
def test_the_disk_is_full_at_every_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, kind: str
) -> None:
    """The disk has room for so much more and no more: none, a little, nearly enough."""
    # The look at the room beforehand would refuse most of these.
    monkeypatch.setattr("module_utils.whisperx_env.room.check_free", lambda *_, **__: None)
    chance = random.Random(7)
    with small_disk(tmp_path / "disk", "size=400m,nr_inodes=100k,mode=755"):
        lab = Lab(tmp_path / "disk" / "lab")
        lab.present(lab.tiny("1.0"))
        lab.present(lab.tiny("1.1"))
        for number in range(amount(3, 40)):
            version = f"2.{number}"
            wanted, before = lab.tiny(version), lab.says()
            size, inodes = used(tmp_path / "disk")
            room = 0 if number == 0 else int(chance.uniform(0, 300 if kind == "inodes" else 3 << 20))
            limit = f"nr_inodes={inodes + room}" if kind == "inodes" else f"size={size + room}"
            resize(tmp_path / "disk", limit)
            if deed == "rolled_back":
                lab.rolled_back()  # switching needs no room
                assert lab.says() != before
            elif deed == "absent":
                lab.absent()  # nor does a removal
                assert not lab.root.exists()
            else:
                with contextlib.suppress(Problem, OSError):
                    lab.present(wanted)
                assert lab.says() in (before, f"tiny {version}")
            resize(tmp_path / "disk", "size=400m,nr_inodes=100k")
            lab.present(wanted)
            assert lab.says() == f"tiny {version}"
            whole_releases(lab)
            if deed == "absent":
                lab.present(lab.tiny("1.0"))


# -- Several runs at once ---------------------------------------------------------------------------------


def start(lab: Lab, deed: str, version: str = "0", clock: str = "") -> subprocess.Popen[str]:
    """Start a run in a process of its own, which sees another clock if told."""
    path = os.pathsep.join([str(ROOT), str(Path(env_lab.__file__).parent)])
    command = [sys.executable, env_lab.__file__, str(lab.base), deed, version, "0"]
    if clock:
        command = ["faketime", "-f", clock, *command]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


# What a run may say of the other: it is at work, or it took away what there was to go back to.
EXPECTED = ("another run (process", "no release other than the current one")


def test_runs_at_once_end_or_name_the_other(tmp_path: Path) -> None:
    seed = int(os.environ.get("LAB_SEED") or time.time())
    print(f"LAB_SEED={seed}")
    chance = random.Random(seed)
    lab = Lab(tmp_path)
    lab.present(lab.tiny("0.1"))
    lab.present(lab.tiny("0.2"))
    for number in range(amount(3, 60)):
        lab.wheel("tiny", f"1.{number}")
        deeds = [
            ("present", f"1.{number}"),
            (chance.choice(["present", "rolled_back", "absent"]), f"1.{number}"),
        ]
        runs = []
        for deed, version in deeds:
            runs.append(start(lab, deed, version))
            time.sleep(chance.uniform(0, 0.6))
        for run in runs:
            _, complaint = run.communicate(timeout=120)
            assert run.returncode == 0 or any(words in complaint for words in EXPECTED), complaint
        whole_releases(lab) if lab.root.exists() else None
        lab.present(lab.tiny(f"1.{number}"))
        assert lab.says() == f"tiny 1.{number}"
        lab.present(lab.tiny("0.2"))


# -- The clock --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("faketime"), reason="the package faketime is not installed")
@pytest.mark.parametrize("clocks", [("-20y", "+20y", "-20y"), ("+20y", "-20y", "+0"), ("+0", "-30y", "+60y")])
def test_a_clock_that_is_years_off(tmp_path: Path, clocks: tuple[str, ...]) -> None:
    lab = Lab(tmp_path)
    for number, clock in enumerate(clocks):
        run = start(lab, "present", f"1.{number}", clock)
        _, complaint = run.communicate(timeout=120)
        assert run.returncode == 0, complaint
        assert lab.says() == f"tiny 1.{number}"
        again = start(lab, "present", f"1.{number}", "-1y")
        assert again.communicate(timeout=120)[0].strip() == "0", "the clock alone changes nothing"
    # The one before is the one that was in use before, whatever the dates in the records say.
    run = start(lab, "rolled_back", "0", "-40y")
    _, complaint = run.communicate(timeout=120)
    assert run.returncode == 0, complaint
    assert lab.says() == f"tiny 1.{len(clocks) - 2}"
    lab.absent()
    assert not lab.root.exists()
