"""Services of a release in a container, in real podman on a host that a real systemd booted.

Start, kill -9 of the engine, a load during an upgrade, an ill release, a reboot, rollback, removal. The
images are small (service_container_host.py).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from systemd_lab import build, podman, wait_for_boot

from tests.attack.strength import FULL

ROOT = Path(__file__).resolve().parents[2]
NAME = f"whisperx-contained-{os.getpid()}"
IMAGE = "localhost/whisperx-lab:trixie-systemd-podman"
RECIPE = """\
FROM localhost/whisperx-lab:trixie-systemd
RUN export DEBIAN_FRONTEND=noninteractive && apt-get update -qq -o Acquire::Retries=3 \\
 && apt-get install -qq -y --no-install-recommends podman runc busybox-static >/dev/null \\
 && rm -rf /var/lib/apt/lists/*
"""
# A host that systemd booted in a container sees control groups that cannot be mounted once more.
RUNTIME = """\
#!/usr/bin/python3
import json, os, sys
words = sys.argv[1:]
if "--bundle" in words:
    path = os.path.join(words[words.index("--bundle") + 1], "config.json")
    with open(path) as stream:
        config = json.load(stream)
    config["mounts"] = [one for one in config["mounts"] if one["type"] != "cgroup"]
    with open(path, "w") as stream:
        json.dump(config, stream)
os.execv("/usr/sbin/runc", ["runc", *words])
"""
SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "lab"
cgroup_manager = "cgroupfs"
events_logger = "file"
[engine.runtimes]
lab = ["/usr/local/bin/runc-lab"]
"""
GROUPS = "for d in /sys/fs/cgroup/*; do mount -o remount,bind,rw $d 2>/dev/null; done; true"
STORE = '[storage]\ndriver = "vfs"\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers"\n'
FILES = {
    "/usr/local/bin/runc-lab": RUNTIME,
    "/etc/containers/containers.conf": SETTINGS,
    "/etc/containers/storage.conf": STORE,
}
SECRET = 's3 $x"'
TINY = {
    "command": ["tiny", "{port}"],
    "port": 7101,
    "health": {"command": ["python", "{port}"], "within": 20},
    "secrets": {"TINY_SECRET": SECRET},
}
ASKS = """\
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
while True:
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 3) as server:
            server.settimeout(3)
            told = server.makefile().read().strip()
    except OSError:
        told = ""
    if told or time.monotonic() >= end:
        break
    time.sleep(0.2)
print(told)
"""
pytestmark = pytest.mark.skipif(not FULL, reason="takes minutes and podman in a host; `make attack` runs it")


def host(*words: str, check: bool = True) -> str:
    return podman("exec", "--env", "PODMAN_IGNORE_CGROUPSV1_WARNING=1", NAME, *words, check=check)


def do(deed: str, services: Any = None, check: bool = False) -> dict[str, Any]:
    given = json.dumps({"deed": deed, "services": services, "check": check})
    program = "/srv/fleet/tests/integration/service_container_host.py"
    found: dict[str, Any] = json.loads(host("python3", program, given).splitlines()[-1])
    return found


def changed(services: Any, deed: str) -> dict[str, Any]:
    """Do what a dry run predicts; nothing is left to do afterwards."""
    predicted, done = do(deed, services, True), do(deed, services)
    assert predicted["actions"] == done["actions"], done
    assert do(deed, services, True)["actions"] == []
    return done


def asked(seconds: float = 0) -> str:
    """Return what the server says."""
    return host("python3", "-c", ASKS, "7101", str(seconds))


def booted() -> None:
    """Wait until the host has started, and let its engine make control groups."""
    wait_for_boot(NAME)
    host("sh", "-c", GROUPS)


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    """One booted host for all tests, in their order."""
    if os.getuid() != 0:
        pytest.skip("takes root")
    build("trixie")
    podman("build", "--quiet", "--network", "host", "--tag", IMAGE, "-", given=RECIPE)
    rights = ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "MKNOD", "SYS_CHROOT", "SETFCAP")
    podman(
        *("run", "--detach", "--name", NAME, "--systemd=always", "--network", "none"),
        *(f"--cap-add={right}" for right in rights),
        *("--security-opt", "unmask=ALL", "--security-opt", "seccomp=unconfined"),
        # It would set the builder's own kernel.
        *("--volume", "/dev/null:/etc/systemd/system/systemd-sysctl.service"),
        *("--volume", f"{ROOT}:/srv/fleet:ro", IMAGE),
    )
    try:
        booted()
        for path, text in FILES.items():
            host("mkdir", "-p", os.path.dirname(path))
            podman("exec", "--interactive", NAME, "sh", "-c", f"cat >{path}; chmod 755 {path}", given=text)
        yield
    finally:
        podman("rm", "--force", "--time", "1", NAME)


def test_a_service_starts_in_a_container_with_its_secret_and_its_state() -> None:
    done = changed({"tiny": TINY}, "1.0")
    assert "Started whisperx-tiny.service" in done["actions"]
    (row,) = done["services"]
    assert row == {
        **{"name": "tiny", "state": "active", "healthy": True, "release": "tiny-1.0-podman"},
        "restarted": True,
    }
    assert asked() == f"1.0 {SECRET}"
    assert host("cat", "/var/lib/whisperx-tiny/starts") == "1.0"
    assert host("systemd-analyze", "verify", "whisperx-tiny.service") == ""
    assert host("podman", "ps", "--format", "{{.Names}}") == "whisperx-tiny"


def test_an_engine_that_is_killed_leaves_no_container_in_the_way() -> None:
    before = host("systemctl", "show", "-P", "MainPID", "whisperx-tiny")
    host("kill", "-9", before)
    # Until the unit starts again, the container of the killed engine answers.
    for _ in range(60):
        time.sleep(1)
        if host("systemctl", "show", "-P", "MainPID", "whisperx-tiny") not in ("0", before):
            break
    time.sleep(2)
    assert asked(30) == f"1.0 {SECRET}"
    assert host("podman", "ps", "--all", "--format", "{{.Names}}").split() == ["whisperx-tiny"]


def test_an_upgrade_under_load_loses_the_requests_of_the_restart_alone() -> None:
    answers: list[tuple[float, str]] = []
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            answers.append((time.monotonic(), asked()))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        changed({"tiny": TINY}, "2.0")
    finally:
        over.set()
        asking.join()
    lost = [at for at, told in answers if not told]
    print(f"{len(answers)} requests during the upgrade, {len(lost)} lost")
    told = [one for _, one in answers if one]
    assert told[0].startswith("1.0") and told[-1].startswith("2.0") and len(answers) > 3
    # They are one gap: the restart.
    numbers = [number for number, (_, one) in enumerate(answers) if not one]
    assert not numbers or numbers[-1] - numbers[0] == len(numbers) - 1
    assert asked() == f"2.0 {SECRET}"


def test_a_release_whose_service_is_ill_takes_the_host_back() -> None:
    found = do("3.9", {"tiny": TINY})
    assert found["rule"] == "service.unhealthy" and "services are healthy there" in found["remedy"], found
    assert asked(5) == f"2.0 {SECRET}"
    assert host("podman", "ps", "--all", "--format", "{{.Names}}").split() == ["whisperx-tiny"]


def test_a_restarted_host_runs_its_services_again() -> None:
    """The host is a container: its restart ends every process, and systemd boots anew."""
    podman("restart", "--time", "20", NAME)
    booted()
    assert asked(60) == f"2.0 {SECRET}"


def test_a_rollback_takes_the_services_with_it() -> None:
    assert "Restarted whisperx-tiny.service" in do("rolled_back")["actions"]
    assert asked() == f"1.0 {SECRET}"


def test_what_a_container_cannot_have_is_refused_before_anything_changes() -> None:
    before = host("find", "/etc/systemd/system", "/opt/whisperx/services")
    for check in (True, False):
        assert do("1.0", {"tiny": {**TINY, "user": "root"}}, check)["rule"] == "service.runtime"
    assert host("find", "/etc/systemd/system", "/opt/whisperx/services") == before
    assert asked() == f"1.0 {SECRET}"


def test_a_removal_leaves_nothing() -> None:
    predicted, done = do("absent", check=True), do("absent")
    assert predicted["actions"] == done["actions"]
    places = ("/opt", "/etc/systemd/system", "/var/lib", "/var/log", "/usr/local/bin")
    left = host("find", *places, "-name", "journal", "-prune", "-o", "-name", "*whisperx*", "-print")
    assert [path for path in left.splitlines() if "/containers/storage/" not in path] == []
    assert host("podman", "ps", "--all", "--format", "{{.Names}}") == ""
