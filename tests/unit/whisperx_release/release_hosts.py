"""Hosts on which the engine of releases runs for real, with either runtime, in milliseconds.

SIMULATED: uv, the container engine and the interpreter are shell scripts that make and answer what the real
ones do as far as the engine looks at it. Directories, links, locks, processes and kills are real.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from module_utils.whisperx_common import lockfile
from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_container import apply as containers
from module_utils.whisperx_container.engine import Engine
from module_utils.whisperx_container.model import CURRENT, REPOSITORY
from module_utils.whisperx_container.model import Options as ImageOptions
from module_utils.whisperx_container.model import want as want_image
from module_utils.whisperx_env import apply as venvs
from module_utils.whisperx_env.model import Carried, Options, want
from module_utils.whisperx_env.venv import Venv
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Layout, Outcome

__all__ = ["HOSTS", "ContainerHost", "Host", "VenvHost", "when_free"]

BUSY = 75
REFUSED = 76
BROKEN = 77
UV = """#!/bin/sh
for last; do :; done
case "$1 $2" in
    "venv --quiet")
        mkdir -p "$last/bin" "$last/lib/python3.11/site-packages"
        printf '#!/bin/sh\\necho 3.11.2\\n' >"$last/bin/python"
        chmod 755 "$last/bin/python" ;;
    "pip sync")
        release=${last%/*}
        while read -r line _; do
            case $line in '#'* | '') continue ;; esac
            mkdir -p "$release/lib/python3.11/site-packages/${line%%=*}-${line##*=}.dist-info"
            printf '#!/bin/sh\\necho %s\\n' "${line##*=}" >"$release/bin/${line%%=*}"
            chmod 755 "$release/bin/${line%%=*}"
        done <"$last" ;;
esac
"""
DOCKER = """#!/bin/sh
case "$1 $2" in
    "images --quiet") sed -n 's/.*"Id": "\\([^"]*\\)".*/\\1/p' '{answers}' ;;
    "image inspect") cat '{answers}' ;;
    "--version ") echo "Docker version 20.10.24" ;;
esac
"""
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
PLAN = {
    "verdict": "plan",
    "class": "test",
    "device": "cpu",
    "python": "3.11",
    "request": {"tiny": ""},
    "scripts": ["tiny"],
    "imports": [],
}


class Host:
    """A root below ``base``. Each run is numbered, so that the clock of the records goes on."""

    runtime = ""

    def __init__(self, base: Path, keep: int = 2) -> None:
        self.base = base
        self.keep = keep
        base.mkdir(parents=True, exist_ok=True)
        self.layout = Layout(str(base / "root"), str(base / "bin"), str(base / "facts"))
        self.events: list[str] = []
        self.emit: Callable[[str], None] = self.events.append
        self.fails = False

    @property
    def root(self) -> Path:
        """The root as a Path."""
        return Path(self.layout.root)

    @property
    def hooks(self) -> Hooks:
        """Hooks with a quick proof; nothing is synced, for nobody cuts the power here."""
        return Hooks(self.prove, lambda event: self.emit(event), self.now, settle=lambda paths: None)

    def now(self) -> str:
        """Return a time that is later with each call, in whatever process."""
        clock = self.base / "clock"
        ticks = int(clock.read_text()) + 1 if clock.exists() else 1
        # Killed half-way, it is no empty file.
        (self.base / "clock.next").write_text(str(ticks))
        os.replace(self.base / "clock.next", clock)
        return f"2026-11-23T00:{ticks // 60:02d}:{ticks % 60:02d}Z"

    def prove(self, path: str, wanted: Any, options: Any) -> dict[str, Any]:
        """Prove a release by nothing but its being there."""
        assert os.access(os.path.join(path, "launch", "tiny"), os.X_OK)
        if self.fails:
            raise Problem("env.verify", "found", path, "wanted", "remedy")
        return {"level": options.verify_level, "device": "cpu", "seconds": 1.0, "warnings": []}

    def present(self, version: str, check: bool = False) -> Outcome:
        """Make a version the active one."""
        raise NotImplementedError

    def rolled_back(self, release: str = "", check: bool = False) -> Outcome:
        """Go back."""
        raise NotImplementedError

    def absent(self, check: bool = False) -> Outcome:
        """Remove everything."""
        raise NotImplementedError

    def do(self, deed: str, check: bool = False) -> Outcome:
        """Do what a word says: "rolled_back", "absent", or a version to make active."""
        if deed == "rolled_back":
            return self.rolled_back(check=check)
        return self.absent(check) if deed == "absent" else self.present(deed, check)

    def says(self) -> str:
        """Return the version that the command runs, "" for no command that runs."""
        raise NotImplementedError

    def current(self) -> str:
        """Return the version that `current` leads to, "" for none."""
        return self._version(self.layout.current)

    def previous(self) -> str:
        """Return the version that `previous` leads to, "" for none."""
        return self._version(self.layout.previous)

    def _version(self, link: str) -> str:
        with contextlib.suppress(OSError, ValueError):
            record = json.loads(Path(link, "release.json").read_text(encoding="utf-8"))
            return str(record["versions"]["tiny"])
        return ""

    def fact(self) -> dict[str, Any]:
        """Return the fact file, {} for none."""
        path = Path(self.layout.fact)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def releases(self) -> list[str]:
        """Return the names below releases/."""
        directory = self.root / "releases"
        return sorted(os.listdir(directory)) if directory.is_dir() else []

    def whole(self, version: str) -> None:
        """Assert that the host is as after an undisturbed run that ended with ``version``."""
        assert (self.current(), self.says()) == (version, version)
        assert self.fact()["versions"] == {"tiny": version} and self.fact()["root"] == self.layout.root
        assert all((self.root / "releases" / name / "release.json").is_file() for name in self.releases())
        assert not [path for path in self.root.rglob("*") if path.name.endswith((".new", ".going"))]

    def gone(self) -> None:
        """Assert that nothing is left."""
        assert not os.path.lexists(self.layout.root)
        for directory in (self.layout.bin_dir, self.layout.facts_dir):
            assert not os.path.isdir(directory) or os.listdir(directory) == []

    def killed_at(self, deed: str, number: int, change: bool = False) -> bool:
        """Do ``deed`` in a process that gets SIGKILL at its event ``number``; False when it ended before.

        With ``change``, right before its change of that number on the disk.
        """
        pid = self.start(deed, kill_before=number) if change else self.start(deed, number)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
        return os.WIFSIGNALED(status)

    def start(self, deed: str, kill_at: int = 0, wait: str = "", kill_before: int = 0) -> int:
        """Do ``deed`` in a process of its own; return its id. It exits with 0, BUSY, REFUSED or BROKEN.

        It waits at its first event until the file ``wait`` is there.
        """
        pid = os.fork()
        if pid:
            return pid
        code = BROKEN
        try:
            seen = [0]

            def emit(event: str) -> None:
                seen[0] += 1
                if seen[0] == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            self.emit = emit
            if kill_before:
                _kill_before(kill_before)
            while wait and not os.path.exists(wait):
                pass
            self.do(deed)
            code = 0
        except Problem as problem:
            code = BUSY if problem.rule == "env.busy" else REFUSED
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)


# What Python itself reports before it changes something on a disk, or lets a program do so.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.utime"}
CHANGES |= {"os.truncate", "subprocess.Popen"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _kill_before(number: int) -> None:
    """Let this process get SIGKILL before its change of that number."""
    left = number

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event == "open" and (set(arguments[1] or "") & set("wax+") or (arguments[2] or 0) & WRITES)
        if writes or event in CHANGES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


class VenvHost(Host):
    """Releases are environments."""

    runtime = "venv"

    def __init__(self, base: Path, keep: int = 2) -> None:
        super().__init__(base, keep)
        uv = base / "uv"
        uv.write_text(UV, encoding="utf-8")
        uv.chmod(0o755)
        carried = (Carried(sha256(str(uv)), "uv", str(uv)),)
        self.options = Options(keep=keep, verify_level="import", carried=carried)

    def wanted(self, version: str) -> Any:
        """Return an environment of one package."""
        values = {"whisperx-fleet-lock": "1", "class": "test", "request": '{"tiny":""}', "platform": "x"}
        values |= {"python": "3.11", "device": "cpu", "uv": "0"}
        wheel = f"tiny-{version}-py3-none-any.whl"
        package = lockfile.LockedPackage("tiny", version, lockfile.digest(version), wheel, 1000, "index")
        return want(PLAN | {"runtime": "venv"}, lockfile.render(lockfile.Lock(values, (package,))))

    def present(self, version: str, check: bool = False) -> Outcome:
        return venvs.present(self.layout, self.wanted(version), self.options, self.hooks, check)

    def rolled_back(self, release: str = "", check: bool = False) -> Outcome:
        return venvs.rolled_back(self.layout, release, self.options, self.hooks, check)

    def absent(self, check: bool = False) -> Outcome:
        return venvs.absent(self.layout, self.options, self.hooks, check)

    def says(self) -> str:
        command = self.layout.command("tiny")
        if not os.access(command, os.X_OK):
            return ""
        return subprocess.run([command], capture_output=True, text=True, check=True).stdout.strip()


class ContainerHost(Host):
    """Releases are images, of which the engine has those of ``images``."""

    runtime = "container"

    def __init__(self, base: Path, keep: int = 2) -> None:
        super().__init__(base, keep)
        answers = base / "images.json"
        program = base / "docker"
        program.write_text(DOCKER.format(answers=answers), encoding="utf-8")
        program.chmod(0o755)
        self.engine = Engine("docker", str(program))
        self.answers = answers
        self.options = ImageOptions(keep=keep, verify_level="import")
        self.images("1.0", "2.0", "3.0", "4.0", current="4.0")

    def images(self, *versions: str, current: str = "") -> None:
        """Set which images the engine has."""
        records = [
            {
                "Id": f"id-{version}",
                "RepoTags": [f"{REPOSITORY}:tiny-{version}"] + ([CURRENT] if version == current else []),
                "Architecture": MACHINE,
                "Config": {
                    "Labels": {"whisperx-fleet.release": f"tiny-{version}", "whisperx-fleet.schema": "1"}
                },
            }
            for version in versions
        ]
        self.answers.write_text(json.dumps(records, indent=1), encoding="utf-8")

    def wanted(self, version: str) -> Any:
        """Return an image of one package."""
        labels = {"whisperx-fleet.versions": json.dumps({"tiny": version}), "whisperx-fleet.lock": "l"}
        plan = PLAN | {"runtime": "container", "container": {"engine": "docker"}}
        return want_image(plan, {"release": f"tiny-{version}", "labels": labels, "bytes": 1000}, "")

    def other(self) -> Venv:
        """Return the runtime of releases that are no image."""
        return Venv(self.layout, Options(), self.hooks)

    def present(self, version: str, check: bool = False) -> Outcome:
        wanted = self.wanted(version)
        return containers.present(self.layout, self.engine, self.options, wanted, self.hooks, check)

    def rolled_back(self, release: str = "", check: bool = False) -> Outcome:
        def find(name: str) -> Engine:
            return self.engine

        other = self.other()
        return containers.rolled_back(self.layout, release, self.options, find, self.hooks, check, other)

    def absent(self, check: bool = False) -> Outcome:
        def find(name: str) -> Engine:
            return self.engine

        return containers.absent(self.layout, self.options, find, "docker", self.hooks, check, self.other())

    def says(self) -> str:
        command = self.layout.command("tiny")
        if not os.access(command, os.X_OK):
            return ""
        image = re.search(r"whisperx-fleet:tiny-([0-9.]+)'", Path(command).read_text(encoding="utf-8"))
        return image.group(1) if image else ""


HOSTS = {"venv": VenvHost, "container": ContainerHost}


def waited(pids: list[int]) -> Iterator[int]:
    """Yield the exit codes of processes."""
    for pid in pids:
        yield os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def when_free(deed: Callable[[], object]) -> None:
    """Do something once the lock is free: a program that a killed run had started has it until it ends."""
    for _ in range(100):
        try:
            deed()
            return
        except Problem as problem:
            assert problem.rule == "env.busy"
            time.sleep(0.1)
    raise AssertionError("the lock is never free")
