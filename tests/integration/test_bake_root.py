"""Releases beside one another, and a mounted root that is entered without leaving a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from env_lab import Lab

ROOT = Path(__file__).resolve().parents[2]
IN_ROOT = ROOT / "roles" / "whisperx_bake" / "files" / "in_root"
# What the machine's own shell needs, seen from a root that has nothing else.
SHARED = ("bin", "lib", "lib64", "usr", "sbin")


def test_a_release_is_made_ready_and_nothing_is_put_to_use(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    first, second = lab.tiny("1.0"), lab.tiny("2.0")
    assert lab.present(first, check=True, activate=False).actions
    assert not lab.root.exists()
    for wanted in (first, second):
        outcome = lab.present(wanted, activate=False)
        assert outcome.release == wanted.name and outcome.actions
    assert lab.releases() == sorted([first.name, second.name])
    assert (lab.current(), lab.says()) == ("", "")
    assert not Path(lab.layout.fact).exists()
    assert lab.present(first, activate=False).actions == lab.present(second, activate=False).actions == []


def test_a_release_made_ready_is_switched_to_without_being_built(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    wanted = lab.tiny("1.0")
    lab.present(wanted, activate=False)
    assert not [action for action in lab.present(wanted).actions if action.startswith("Built")]
    assert lab.says() == "tiny 1.0"


def test_what_is_in_use_stays_when_another_is_made_ready(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.present(lab.tiny("1.0"))
    lab.present(lab.tiny("2.0"), activate=False)
    assert lab.says() == "tiny 1.0" and len(lab.releases()) == 2


@pytest.fixture
def tree(tmp_path: Path, as_root: None) -> Path:
    """A root whose programs are this machine's."""
    for name in ("proc", "sys", "dev", "run", "etc"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc" / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    return tmp_path


def enter(tree: Path, script: str) -> list[str]:
    """Return the command that runs a script in the root, with the machine's programs in it for that time."""
    binds = "".join(
        f'[ ! -d /{name} ] || {{ mkdir -p "{tree}/{name}"; mount --bind "/{name}" "{tree}/{name}"; }}; '
        for name in SHARED
    )
    return ["unshare", "--mount", "sh", "-ec", f'{binds} exec "{IN_ROOT}" "{tree}" sh -c "$1"', "sh", script]


def remains(tree: Path) -> str:
    """Return the mounts in the tree and the processes in it, "" when there are none."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {tree}" in line]
    processes = [path.name for path in Path("/proc").glob("[0-9]*") if in_tree(path, tree)]
    return "\n".join(mounts + processes)


def in_tree(process: Path, tree: Path) -> bool:
    try:
        return (process / "root").readlink() == tree or str(tree) in (process / "cmdline").read_text()
    except OSError:
        return False


def test_a_command_sees_no_gpu_and_no_module_of_the_builder(tree: Path) -> None:
    script = "ls /dev /sys/module /proc/1/comm; cat /etc/resolv.conf /run/beneath/etc/resolv.conf; printenv"
    done = subprocess.run(
        enter(tree, script), capture_output=True, text=True, check=True, env=os.environ | {"MINE": "1"}
    )
    said = done.stdout
    assert "nvidia" not in said and "MINE" not in said
    assert "null" in said and "nameserver 192.0.2.1" in said
    assert remains(tree) == ""
    assert (tree / "etc" / "resolv.conf").read_text() == "nameserver 192.0.2.1\n"


def test_a_failing_command_keeps_its_exit_code_and_leaves_nothing(tree: Path) -> None:
    done = subprocess.run(enter(tree, "sleep 30 & exit 7"), check=False)
    assert done.returncode == 7 and remains(tree) == ""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_killed_leaves_neither_mounts_nor_processes(tree: Path, end: signal.Signals) -> None:
    # As Ansible does: it starts the command and waits for it.
    command = enter(tree, "sleep 30 & touch /started; sleep 30")
    child = subprocess.Popen(["sh", "-c", '"$@"; true', "sh", *command])
    deadline = time.monotonic() + 20
    while not (tree / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tree / "started").exists()
    child.send_signal(end)
    child.wait()
    while remains(tree) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert remains(tree) == ""
