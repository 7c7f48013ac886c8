"""Services of a release in a container, in real podman and docker on hosts that a real systemd booted.

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
IMAGE = "localhost/whisperx-lab:trixie-systemd-"
RECIPE = """\
FROM localhost/whisperx-lab:trixie-systemd
RUN export DEBIAN_FRONTEND=noninteractive && apt-get update -qq -o Acquire::Retries=3 \\
 && apt-get install -qq -y --no-install-recommends {} runc busybox-static >/dev/null \\
 && rm -rf /var/lib/apt/lists/*
"""
PACKAGES = {"podman": "podman", "docker": "docker.io docker-cli"}
# A host that systemd booted in a container sees control groups that cannot be mounted once more, and may
# use fewer devices than docker's list allows.
RUNTIME = """\
#!/usr/bin/python3
import json, os, sys
words = sys.argv[1:]
if "--bundle" in words:
    path = os.path.join(words[words.index("--bundle") + 1], "config.json")
    with open(path) as stream:
        config = json.load(stream)
    config["mounts"] = [one for one in config["mounts"] if one["type"] != "cgroup"]
    config["linux"]["resources"].pop("devices", None)
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
DAEMON = """\
{
  "runtimes": {"lab": {"path": "/usr/local/bin/runc-lab"}},
  "default-runtime": "lab",
  "iptables": false,
  "bridge": "none",
  "storage-driver": "vfs"
}
"""
GROUPS = "for d in /sys/fs/cgroup/*; do mount -o remount,bind,rw $d 2>/dev/null; done; true"
STORE = '[storage]\ndriver = "vfs"\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers"\n'
FILES = {
    "/usr/local/bin/runc-lab": RUNTIME,
    "/etc/containers/containers.conf": SETTINGS,
    "/etc/containers/storage.conf": STORE,
    "/etc/docker/daemon.json": DAEMON,
}
SECRET = 's3 $x"'
TINY = {
    "command": ["tiny", "{port}"],
    "port": 7101,
    "memory": "200M",
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
pytestmark = pytest.mark.skipif(
    not FULL, reason="takes minutes and an engine in a host; `make attack` runs it"
)


class Host:
    """A booted host that has one engine."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.name = f"whisperx-{engine}-{os.getpid()}"

    def run(self, *words: str) -> str:
        """Run a command on the host; return what it prints."""
        return podman("exec", "--env", "PODMAN_IGNORE_CGROUPSV1_WARNING=1", self.name, *words)

    def do(self, deed: str, services: Any = None, check: bool = False) -> dict[str, Any]:
        """Let the engine of releases do a deed; return its result, or the record of a problem."""
        given = {"engine": self.engine, "deed": deed, "services": services, "check": check}
        program = "/srv/fleet/tests/integration/service_container_host.py"
        found: dict[str, Any] = json.loads(self.run("python3", program, json.dumps(given)).splitlines()[-1])
        return found

    def changed(self, services: Any, deed: str) -> dict[str, Any]:
        """Do what a dry run predicts; nothing is left to do afterwards."""
        predicted, done = self.do(deed, services, True), self.do(deed, services)
        assert predicted.get("actions") == done.get("actions", "none"), (predicted, done)
        assert self.do(deed, services, True)["actions"] == []
        return done

    def asked(self, seconds: float = 0) -> str:
        """Return what the server says."""
        return self.run("python3", "-c", ASKS, "7101", str(seconds))

    def main_pid(self) -> str:
        """Return the process of the service's unit: the engine's command."""
        return self.run("systemctl", "show", "-P", "MainPID", "whisperx-tiny")

    def restarted(self, before: str) -> None:
        """Wait until another process than ``before`` runs. Until then the old container may answer."""
        for _ in range(60):
            time.sleep(1)
            if self.main_pid() not in ("0", before):
                break
        time.sleep(2)

    def containers(self) -> list[str]:
        """Return the names of all containers, also of those that ended."""
        return self.run(self.engine, "ps", "--all", "--format", "{{.Names}}").split()

    def booted(self) -> None:
        """Wait until the host has started, and let its engine make control groups."""
        wait_for_boot(self.name)
        self.run("sh", "-c", GROUPS)


@pytest.fixture(scope="module", params=sorted(PACKAGES))
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """One booted host for all tests with an engine, in their order."""
    if os.getuid() != 0:
        pytest.skip("takes root")
    build("trixie")
    made = Host(request.param)
    image = IMAGE + made.engine
    recipe = RECIPE.format(PACKAGES[made.engine])
    podman("build", "--quiet", "--network", "host", "--tag", image, "-", given=recipe)
    rights = ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "MKNOD", "SYS_CHROOT", "SETFCAP")
    podman(
        *("run", "--detach", "--name", made.name, "--systemd=always", "--network", "none"),
        *(f"--cap-add={right}" for right in rights),
        *("--security-opt", "unmask=ALL", "--security-opt", "seccomp=unconfined"),
        # It would set the builder's own kernel.
        *("--volume", "/dev/null:/etc/systemd/system/systemd-sysctl.service"),
        *("--volume", f"{ROOT}:/srv/fleet:ro", image),
    )
    try:
        made.booted()
        for path, text in FILES.items():
            write = f"mkdir -p {os.path.dirname(path)}; cat >{path}; chmod 755 {path}"
            podman("exec", "--interactive", made.name, "sh", "-c", write, given=text)
        if made.engine == "docker":
            made.run("systemctl", "restart", "docker")
        yield made
    finally:
        podman("rm", "--force", "--time", "1", made.name)


def test_a_service_starts_in_a_container_with_its_secret_and_its_state(host: Host) -> None:
    done = host.changed({"tiny": TINY}, "1.0")
    assert "Started whisperx-tiny.service" in done["actions"]
    (row,) = done["services"]
    assert row == {
        **{"name": "tiny", "state": "active", "healthy": True, "release": f"tiny-1.0-{host.engine}"},
        "restarted": True,
    }
    assert host.asked() == f"1.0 {SECRET}"
    assert host.run("cat", "/var/lib/whisperx-tiny/starts") == "1.0"
    assert host.run("systemd-analyze", "verify", "whisperx-tiny.service") == ""
    assert host.containers() == ["whisperx-tiny"]
    memory = host.run(host.engine, "inspect", "--format", "{{.HostConfig.Memory}}", "whisperx-tiny")
    assert memory == str(200 << 20)


def test_an_engine_s_command_that_is_killed_leaves_no_container_in_the_way(host: Host) -> None:
    before = host.main_pid()
    host.run("kill", "-9", before)
    host.restarted(before)
    assert host.asked(30) == f"1.0 {SECRET}"
    assert host.containers() == ["whisperx-tiny"]


def test_a_daemon_that_is_killed_takes_its_services_along_and_back(host: Host) -> None:
    if host.engine != "docker":
        pytest.skip("has no daemon")
    before = host.main_pid()
    host.run("pkill", "-9", "dockerd")
    host.restarted(before)
    assert host.asked(30) == f"1.0 {SECRET}"
    assert host.containers() == ["whisperx-tiny"]


def test_an_upgrade_under_load_loses_the_requests_of_the_restart_alone(host: Host) -> None:
    answers: list[tuple[float, str]] = []
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            answers.append((time.monotonic(), host.asked()))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        host.changed({"tiny": TINY}, "2.0")
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
    assert host.asked() == f"2.0 {SECRET}"


def test_a_release_whose_service_is_ill_takes_the_host_back(host: Host) -> None:
    found = host.do("3.9", {"tiny": TINY})
    assert found["rule"] == "service.unhealthy" and "services are healthy there" in found["remedy"], found
    assert host.asked(5) == f"2.0 {SECRET}"
    assert host.containers() == ["whisperx-tiny"]


def test_a_restarted_host_runs_its_services_again(host: Host) -> None:
    """The host is a container: its restart ends every process, and systemd boots anew."""
    podman("restart", "--time", "20", host.name)
    host.booted()
    assert host.asked(60) == f"2.0 {SECRET}"


def test_a_rollback_takes_the_services_with_it(host: Host) -> None:
    assert "Restarted whisperx-tiny.service" in host.do("rolled_back")["actions"]
    assert host.asked() == f"1.0 {SECRET}"


def test_what_a_container_cannot_have_is_refused_before_anything_changes(host: Host) -> None:
    before = host.run("find", "/etc/systemd/system", "/opt/whisperx/services")
    for check in (True, False):
        assert host.do("1.0", {"tiny": {**TINY, "user": "root"}}, check)["rule"] == "service.runtime"
    assert host.run("find", "/etc/systemd/system", "/opt/whisperx/services") == before
    assert host.asked() == f"1.0 {SECRET}"


def test_a_removal_leaves_nothing(host: Host) -> None:
    predicted, done = host.do("absent", check=True), host.do("absent")
    assert predicted["actions"] == done["actions"]
    places = ("/opt", "/etc/systemd/system", "/var/lib", "/var/log", "/usr/local/bin")
    left = host.run("find", *places, "-name", "journal", "-prune", "-o", "-name", "*whisperx*", "-print")
    # Images are removed by the role.
    stored = ("/var/lib/containers/storage/", "/var/lib/docker/")
    assert [path for path in left.splitlines() if not path.startswith(stored)] == []
    assert host.containers() == []
