"""Services on a host that a real systemd booted: start, upgrade, an ill release, kill -9, rollback, removal.

The releases are small (service_host.py); a whole speech server runs in test_service_speech.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from systemd_lab import build, podman, wait_for_boot

ROOT = Path(__file__).resolve().parents[2]
NAME = f"whisperx-services-{os.getpid()}"
ASKS = """\
import json, socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 3) as server:
    server.settimeout(3)
    print(server.makefile().read())
"""
CHECK = "import socket, sys; s = socket.create_connection(('127.0.0.1', {port}), 3); sys.exit(not s.recv(9))"
NASTY = [
    "{port}",
    "a b",
    "100%",
    "%n",
    "$HOME",
    "${HOME}",
    "{state}",
    ";",
    '"',
    "'",
    "\\",
    "\\x41",
    "\n",
    "ä€",
    "",
]
SECRET = 'sw"o$rd`\\x\n2 %h #'
TINY = {
    "command": ["tiny", *NASTY],
    "port": 7101,
    "health": {"command": ["python", "-c", CHECK], "within": 8},
    "secrets": {"TINY_SECRET": SECRET},
    "memory": "512M",
}


def host(*words: str, check: bool = True) -> str:
    return podman("exec", NAME, *words, check=check)


def do(deed: str, services: Any = None, check: bool = False, metrics: str | None = None) -> dict[str, Any]:
    given = json.dumps({"deed": deed, "services": services, "check": check, "metrics": metrics})
    found: dict[str, Any] = json.loads(host("python3", "/srv/fleet/tests/integration/service_host.py", given))
    return found


def asked(port: int = 7101) -> list[Any]:
    found: list[Any] = json.loads(host("python3", "-c", ASKS, str(port)))
    return found


def active(unit: str) -> str:
    return host("systemctl", "is-active", unit, check=False)


def snapshot() -> str:
    places = ("/opt", "/etc/systemd/system", "/var/lib", "/var/log", "/usr/local/bin")
    return host("find", *places, "-name", "journal", "-prune", "-o", "-printf", "%p %s %l\\n")


def changed(services: Any, deed: str = "1.0", metrics: str | None = None) -> list[str]:
    """Return what a dry run predicts and the run then does."""
    predicted, done = do(deed, services, True, metrics), do(deed, services, False, metrics)
    assert predicted["actions"] == done["actions"]
    assert do(deed, services, True, metrics)["actions"] == []
    return list(done["actions"])


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    """One booted host for all tests, in their order."""
    if os.getuid() != 0:
        pytest.skip("takes root")
    build("trixie")
    podman(
        *("run", "--detach", "--name", NAME, "--systemd=always", "--network", "none"),
        *("--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--volume", f"{ROOT}:/srv/fleet:ro"),
        "localhost/whisperx-lab:trixie-systemd",
    )
    try:
        wait_for_boot(NAME)
        yield
    finally:
        podman("rm", "--force", "--time", "1", NAME)


@pytest.mark.parametrize(
    ("services", "rule"),
    [
        ({"tiny": {"command": "tinny 1"}}, "service.unknown-command"),
        ({"tiny": {"command": "tiny 1", "health": {"command": "/nonexistent"}}}, "service.unknown-command"),
        ({"tiny": {"command": "tiny 1", "user": "nobody-here"}}, "service.no-user"),
        ({"tiny": {"command": "tiny 1", "writable": "/nonexistent"}}, "service.no-directory"),
        ({"tiny": {"command": "tiny 1", "writable": "/home"}}, "service.unfit-directory"),
        ({"tiny": {"command": "tiny 1", "writable": "/opt"}}, "service.unfit-directory"),
        ({"tiny": {"command": "tiny 1", "instances": "gpu", "port": 1}}, "service.malformed"),
        ({"tiny": {"command": "tiny {port}", "instances": "gpu", "port": 1}}, "service.no-gpu"),
        ({"tiny": {"command": "tiny --port 7199"}}, "service.port-in-use"),
        ({"a": {"command": "tiny --port 1"}, "b": {"command": "tiny --port=1"}}, "service.port-in-use"),
        ({"foreign": {"command": "tiny 1"}}, "service.foreign-unit"),
        ({"masked": {"command": "tiny 1"}}, "service.foreign-unit"),
        ({"tiny": {"comand": "tiny 1"}}, "service.malformed"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(services: Any, rule: str) -> None:
    listens = "import socket, time; s = socket.create_server(('', 7199)); time.sleep(600)"
    if rule == "service.port-in-use" and "tiny" in services:
        host("systemd-run", "--unit=other", "python3", "-c", listens)
        host(
            "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do grep -q :1C1F /proc/net/tcp && exit; sleep 0.3; done"
        )
    host("sh", "-c", "printf '[Service]\\nExecStart=true\\n' >/etc/systemd/system/whisperx-foreign.service")
    host("ln", "-sf", "/dev/null", "/etc/systemd/system/whisperx-masked.service")
    before = snapshot()
    for check in (True, False):
        found = do("1.0", services, check)
        assert found.get("rule") == rule and found["remedy"], found
    assert snapshot() == before
    host(
        "sh",
        "-c",
        "rm -f /etc/systemd/system/whisperx-*; systemctl stop other.service; systemctl daemon-reload",
        check=False,
    )


def test_a_first_release_that_does_not_become_healthy_leaves_no_service() -> None:
    found = do("0.9", {"tiny": {**TINY, "health": {**TINY["health"], "within": 2}}})  # type: ignore[dict-item]
    assert found["rule"] == "service.unhealthy" and "services were removed" in found["remedy"]
    assert active("whisperx-tiny") == "inactive" and "whisperx" not in host("ls", "/etc/systemd/system")
    assert do("absent")["actions"]


def test_a_service_starts_with_its_arguments_as_they_were_written() -> None:
    actions = changed({"tiny": TINY})
    assert actions[-3:-1] == ["Wrote whisperx-tiny.service of service tiny", "Started whisperx-tiny.service"]
    release, arguments, secret = asked()
    told = [word.replace("{port}", "7101").replace("{state}", "/var/lib/whisperx-tiny") for word in NASTY]
    assert (arguments, secret) == (told, SECRET) and release.startswith("tiny-1.0")
    assert host(
        "stat", "-c", "%a %U", "/opt/whisperx/services/tiny.env", "/opt/whisperx/services/tiny.json"
    ) == ("600 root\n600 root")
    assert host("systemd-analyze", "verify", "whisperx-tiny.service") == ""
    level = float(host("systemd-analyze", "security", "whisperx-tiny.service").split()[-3])
    assert level < 2, level
    assert host("systemctl", "show", "-P", "DynamicUser", "whisperx-tiny") == "yes"


def test_a_killed_service_comes_again() -> None:
    before = host("systemctl", "show", "-P", "MainPID", "whisperx-tiny")
    host("kill", "-9", before)
    for _ in range(40):
        time.sleep(0.5)
        if active("whisperx-tiny") == "active" and host("ss", "-ltn", check=False) is not None:
            break
    assert host("systemctl", "show", "-P", "MainPID", "whisperx-tiny") != before
    time.sleep(0.5)
    assert asked()[0].startswith("tiny-1.0")


def test_an_upgrade_restarts_ours_and_what_a_site_wrote_itself() -> None:
    unit = "[Unit]\\nPartOf=whisperx.target\\n[Service]\\nExecStart=sleep 9999\\n"
    host("sh", "-c", f"printf '{unit}' >/etc/systemd/system/site.service")
    host("systemctl", "start", "site.service")
    before = host("systemctl", "show", "-P", "MainPID", "site.service")
    actions = changed({"tiny": TINY}, "2.0")
    assert "Restarted whisperx-tiny.service" in actions and "Restarted site.service" in actions
    assert asked()[0].startswith("tiny-2.0")
    assert host("systemctl", "show", "-P", "MainPID", "site.service") not in ("0", before)


def test_a_release_whose_service_is_ill_takes_the_host_back() -> None:
    links = host("readlink", "/opt/whisperx/current", "/opt/whisperx/previous")
    found = do("3.9", {"tiny": TINY})
    assert found["rule"] == "service.unhealthy" and "services are healthy there" in found["remedy"]
    assert host("readlink", "/opt/whisperx/current", "/opt/whisperx/previous") == links
    assert asked()[0].startswith("tiny-2.0")
    starts = [line[:8] for line in host("cat", "/var/lib/whisperx-tiny/starts").splitlines()]
    assert starts[-3:] == ["tiny-2.0", "tiny-3.9", "tiny-2.0"]
    assert do("2.0", {"tiny": TINY})["actions"][0].startswith("Removed release tiny-3.9")


def test_a_unit_that_is_ill_is_taken_back_alone() -> None:
    worse = {**TINY, "command": ["tiny", "no-number"]}
    found = do("2.0", {"tiny": worse})
    assert found["rule"] == "service.unhealthy" and "units are as they were" in found["remedy"], found
    # What it printed, which systemd's own lines of each attempt follow.
    assert "ValueError" in found["found"], found
    assert asked()[0].startswith("tiny-2.0") and do("2.0", {"tiny": TINY}, check=True)["actions"] == []


def test_another_check_restarts_nothing() -> None:
    before = host("systemctl", "show", "-P", "MainPID", "whisperx-tiny")
    other = {**TINY, "health": {"tcp": "127.0.0.1:{port}", "within": 9}}
    assert [action.split()[0] for action in changed({"tiny": other}, "2.0")] == ["Wrote", "Checked"]
    assert host("systemctl", "show", "-P", "MainPID", "whisperx-tiny") == before


def test_a_rollback_takes_the_services_with_it() -> None:
    changed(None, "rolled_back")
    assert asked()[0].startswith("tiny-1.0") and active("site.service") == "active"


def test_several_instances_have_ports_of_their_own() -> None:
    several = {"tiny": {**TINY, "instances": 2}}
    actions = changed(several)
    assert "Wrote whisperx-tiny@0.service, whisperx-tiny@1.service of service tiny" in actions
    assert [asked(port)[1][0] for port in (7101, 7102)] == ["7101", "7102"]
    assert active("whisperx-tiny.service") == "inactive"


def test_a_service_that_is_no_longer_named_goes_and_its_state_stays() -> None:
    changed({})
    assert active("whisperx-tiny@0.service") == "inactive"
    assert "whisperx" not in host("ls", "/etc/systemd/system")
    assert host("ls", "/var/lib/whisperx-tiny@0") == "starts"
    # A record of its state alone is no service that could be healthy again.
    found = do("1.0", {"tiny": {**TINY, "command": ["tiny", "no-number"]}})
    assert found["remedy"].endswith("The units are as they were; the services were removed."), found
    assert "whisperx" not in host("ls", "/etc/systemd/system")


def test_on_a_baked_machine_a_service_starts_after_a_good_verdict_only() -> None:
    """SIMULATED: the first boot's program, whose verdict a file gives. Its unit and ours are real."""
    changed({})
    verdict = "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=test -e /srv/fit\\n"
    path = "/etc/systemd/system/whisperx-firstboot.service"
    host("sh", "-c", f"printf '{verdict}' >{path}")
    service = {"tiny": {"command": "tiny {port}", "port": 7101}}
    assert do("bake", service)["actions"] == ["Wrote whisperx-tiny.service"]
    assert active("whisperx-tiny") == "inactive"
    host("systemctl", "daemon-reload")
    host("systemctl", "start", "whisperx.target")
    assert active("whisperx-firstboot") == "failed" and active("whisperx-tiny") == "inactive"
    host("touch", "/srv/fit")
    host("systemctl", "restart", "whisperx.target")
    assert active("whisperx-firstboot") == "active" and active("whisperx-tiny") == "active"
    assert asked()[0].startswith("tiny-1.0")
    host("rm", "/srv/fit")
    host("systemctl", "restart", "whisperx-firstboot", check=False)
    assert active("whisperx-tiny") == "inactive"
    host("rm", path)
    host("systemctl", "daemon-reload")
    assert "Removed service tiny" in changed({})
    host("systemctl", "reset-failed", check=False)


def test_metrics_are_written_by_a_run_and_by_the_timer() -> None:
    place = "/var/lib/prometheus/node-exporter"
    assert do("1.0", {}, metrics=place)["rule"] == "metrics.no-directory"
    host("mkdir", "-p", place)
    actions = changed({"tiny": TINY}, metrics=place)
    assert actions[-1] == f"Wrote whisperx_metrics.timer, which writes {place}/whisperx.prom"
    healthy = 'whisperx_service_healthy{service="tiny",unit="whisperx-tiny.service"} '
    assert healthy + "1" in host("cat", f"{place}/whisperx.prom")
    assert host("stat", "-c", "%a", f"{place}/whisperx.prom") == "644"
    assert active("whisperx_metrics.timer") == "active"
    host("systemctl", "stop", "whisperx-tiny.service")
    host("rm", f"{place}/whisperx.prom")
    host("systemctl", "start", "whisperx_metrics.service")
    told = host("cat", f"{place}/whisperx.prom")
    assert healthy + "0" in told and 'whisperx_failures{rule="audit.service"} 1' in told
    assert 'whisperx_condition{state="broken"} 1' in told
    assert "Started whisperx-tiny.service" in changed({"tiny": TINY}, metrics=place)


def test_a_removal_leaves_nothing() -> None:
    changed({"tiny": TINY})
    predicted, done = do("absent", check=True), do("absent")
    assert predicted["actions"] == done["actions"]
    assert "whisperx" not in snapshot().replace("/usr/share", "")
    assert active("whisperx-tiny") == "inactive"
