"""The guard with the real apt of a Debian 12 that becomes 13; NVIDIA's packages are empty stand-ins."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from guard_lab import Box

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("podman"), reason="takes root and podman: it makes a test host"
)

HOOK = "/usr/local/lib/whisperx-guard"
# A package of no importance to anybody.
OTHER = "hostname"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    host = Box(tmp_path_factory.mktemp("guard"))
    try:
        host.guard()
        host.shell("sed -i s/bookworm/trixie/g /etc/apt/sources.list")
        host.apt("update")
        yield host
    finally:
        host.remove()


def libc(box: Box) -> str:
    return box.shell("dpkg-query -W -f '${Version}' libc6")


def driver(box: Box, name: str, version: str) -> str:
    """Make a package that is called like one of NVIDIA's and is empty; return its path."""
    where = f"/tmp/{name}"
    control = (
        f"Package: {name}\\nVersion: {version}\\nArchitecture: amd64\\nMaintainer: lab\\nDescription: lab\\n"
    )
    box.shell(f"mkdir -p {where}/DEBIAN && printf '{control}' > {where}/DEBIAN/control")
    box.shell(f"dpkg-deb --build {where} {where}.deb")
    return f"{where}.deb"


def test_a_second_run_changes_nothing_and_check_mode_writes_nothing(box: Box) -> None:
    assert box.guard()["actions"] == []
    before = box.shell(f"cat {HOOK}/guard.json")
    assert box.guard(mode="warn", hold=["libc"], check=True)["actions"] == [
        "Renewed the guard",
        "Put libc6:amd64 on hold",
    ]
    assert box.shell(f"cat {HOOK}/guard.json") == before and box.run("apt-mark", "showhold") == ""


# What a person downloads may be called anything; apt hands the name to the hook as it is.
HOSTILE = ("a b", "$(touch pwned)", "`touch pwned`", "x;touch pwned;", "quote'\"")
# With these apt ends by itself, before it asks anybody.
REFUSED = ("two\nlines", "x\nlibc6 2.36 amd64 same = 2.36 amd64 same **CONFIGURE**\nx", "\x1b[2J", "V\n\nx")


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_with_a_name_of_several_lines_installs_nothing(box: Box, name: str) -> None:
    path = f"/tmp/{name}.deb"
    box.run("cp", driver(box, "harmless", "1"), path)
    before = box.shell("dpkg-query -W")
    box.apt("install", path, "libc6", code=100)
    assert box.shell("dpkg-query -W") == before
    box.run("rm", path)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_with_a_hostile_name_hides_no_other_package(box: Box, name: str) -> None:
    path = f"/tmp/{name}.deb"
    box.run("cp", driver(box, "harmless", "1"), path)
    before = box.shell("dpkg-query -W")
    said = box.apt("install", path, "libc6", code=100)
    assert "guard.libc" in said and "stopped before anything was changed" in said
    assert box.shell("dpkg-query -W") == before
    assert box.shell("find / -xdev -name 'pwned*'") == ""
    # Alone it is of no importance.
    assert "guard." not in box.apt("install", path)
    box.apt("purge", "harmless")
    box.run("rm", path)


def test_it_stops_the_libc_that_would_not_load_the_release(box: Box) -> None:
    before = box.shell("dpkg-query -W")
    said = box.apt("install", "libc6", code=100)
    assert "whisperx-guard: stopped before anything was changed." in said
    assert "guard.libc: libc6 2.41" in said and "tiny/stack.so of tiny-1 does not load" in said
    assert "whisperx_host_override" in said and "WHISPERX_GUARD=off" in said
    assert box.shell("dpkg-query -W") == before


def test_it_stops_nothing_else(box: Box) -> None:
    said = box.apt("install", "--reinstall", OTHER)
    assert "whisperx-guard" not in said


def test_it_stops_the_removal_of_the_interpreter(box: Box) -> None:
    said = box.apt("remove", "python3.11-minimal", code=100)
    assert "guard.interpreter: python3.11-minimal" in said and "is removed" in said


def test_drivers_simulated(box: Box) -> None:
    box.apt("install", driver(box, "libnvidia-compute-570", "570.124.06-0ubuntu1"))
    # Older than the plan's minimum, newer than the last for the GPU, and within.
    said = box.apt("install", driver(box, "nvidia-driver-535", "535.183.01-0ubuntu1"), code=100)
    assert "guard.driver: " in said and "wanted: driver 550 or newer" in said
    said = box.apt("install", driver(box, "nvidia-kernel-dkms", "1:590.44.01-1"), code=100)
    assert "installs NVIDIA driver 590.44.01" in said and "driver 580 at most" in said
    said = box.apt("install", driver(box, "nvidia-dkms-560", "560.35.05-0ubuntu1"))
    assert "whisperx-guard" not in said
    said = box.apt("remove", "libnvidia-compute-570", code=100)
    assert "guard.driver-gone" in said
    # Another branch takes its place in the same run.
    said = box.apt(
        "install", driver(box, "libnvidia-compute-580", "580.95.05-0ubuntu1"), "libnvidia-compute-570-"
    )
    assert "whisperx-guard" not in said


def test_a_hold_is_kept_visible_and_released(box: Box) -> None:
    box.run("apt-mark", "hold", OTHER)
    assert box.guard(hold=["libc", "driver"])["held"] == {
        "driver": ["libnvidia-compute-580:amd64", "nvidia-dkms-560:amd64"],
        "libc": ["libc6:amd64"],
    }
    assert box.guard(hold=["libc", "driver"])["actions"] == []
    assert "libc6" in box.run("apt-mark", "showhold")
    assert "Held packages were changed" in box.apt("install", "libc6", code=100)
    box.guard()
    # An administrator's own hold is not ours to release.
    assert box.run("apt-mark", "showhold").split() == [OTHER]
    box.run("apt-mark", "unhold", OTHER)


@pytest.mark.parametrize(
    "broken", ["hook", "guard.py", "guard.json", "code_of_fleet/whisperx_guard/judge.py"]
)
def test_it_fails_open(box: Box, broken: str) -> None:
    box.shell(f"mv {HOOK}/{broken} /tmp/broken")
    box.apt("install", "--reinstall", OTHER)
    box.shell(f"mv /tmp/broken {HOOK}/{broken}")


def test_without_a_python_the_run_goes_on_with_a_warning(box: Box) -> None:
    box.shell("chmod a-x /usr/bin/python3.11")
    said = box.apt("install", "--reinstall", OTHER)
    box.shell("chmod a+x /usr/bin/python3.11")
    assert "no Python starts, so this run was not checked" in said


def test_told_to_it_only_warns_and_then_has_nothing_more_to_say(box: Box) -> None:
    said = box.apt("-o", "WhisperX::Guard=off", "install", "libc6")
    assert "this run continues (the guard is off), but:" in said and "guard.libc" in said
    assert libc(box).startswith("2.41")
    # What does not load today either is no reason to stop the next run.
    assert "whisperx-guard" not in box.apt("install", "--reinstall", "libc6")


def test_it_leaves_nothing(box: Box) -> None:
    box.guard(hold=["libc"])
    assert "Removed the guard" in box.guard(state="absent")["actions"]
    assert box.guard(state="absent")["actions"] == []
    assert box.run("apt-mark", "showhold") == ""
    assert box.shell(f"ls -d {HOOK} /etc/apt/apt.conf.d/*guard* 2>/dev/null", code=None) == ""


_REMOVE = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, "/checkout")
from module_utils.whisperx_env.model import Options
from module_utils.whisperx_env.venv import Venv
from module_utils.whisperx_guard import install
from module_utils.whisperx_release import engine
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Layout
layout = Layout("/opt/whisperx", "/usr/local/bin", "/etc/ansible/facts.d")
for check in (True, False):
    outcome = engine.absent(layout, [Venv(layout, Options(), Hooks())], Hooks(), check)
    print(outcome.actions + install.forget(install.Places(), "/opt/whisperx", check))
"""


def test_the_environment_s_removal_takes_it_and_leaves_the_host_as_before(box: Box) -> None:
    listing = "find / -xdev -not -path '/proc/*' -not -path '/tmp/*' -not -path '/opt/whisperx*' | sort"
    box.guard(state="absent")
    before = box.shell(listing)
    box.guard(hold=["libc"])
    assert box.shell(listing) != before
    foreseen, done = box.run("python3", "-c", _REMOVE).splitlines()
    assert foreseen == done and "Removed /opt/whisperx" in done and "Removed the guard" in done
    assert box.shell(listing) == before
    assert box.run("apt-mark", "showhold") == "" and box.shell("ls /opt").strip() == ""
