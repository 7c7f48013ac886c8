"""Units as texts, ports, checks: real files, sockets and processes, and systemd's own check."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.followers import Followed
from module_utils.whisperx_release.model import Layout
from module_utils.whisperx_service import contained, health, listeners, records, survey, units
from module_utils.whisperx_service.model import services_of

PLACE = units.Place("/opt/whisperx", "/opt/whisperx/current/launch", "/opt/whisperx/services")
FOLLOWED = Followed("r1", ("python", "serve"), "cpu")


def one(**values: Any) -> Any:
    (found,) = services_of({"one": {"command": "serve", **values}})
    return found


def text_of(gpu: bool = False, **values: Any) -> str:
    service = one(**values)
    return units.unit_text(service, units.units_of(service, ["GPU-1"])[0], PLACE, gpu)


def test_a_unit_never_forbids_generated_code_and_hides_no_gpu() -> None:
    for gpu in (False, True):
        text = text_of(gpu)
        assert "MemoryDenyWriteExecute" not in text
        assert ("PrivateDevices=yes" in text) is not gpu and ("DeviceAllow=char-nvidia" in text) is gpu
        assert (
            "ProtectSystem=strict" in text and "NoNewPrivileges=yes" in text and "DevicePolicy=closed" in text
        )
        assert 'ExecStart="/opt/whisperx/current/launch/serve"' in text and "PartOf=whisperx.target" in text


def test_a_user_replaces_the_dynamic_one() -> None:
    assert "User=whisper\n" in text_of(user="whisper") and "DynamicUser" not in text_of(user="whisper")
    assert "DynamicUser=yes\n" in text_of() and "MemoryMax=2G\n" in text_of(memory="2G")


def test_instances_have_numbers_ports_and_gpus() -> None:
    service = one(command=["serve", "{port}", "{instance}", "{state}", "{other}"], port=7000, instances="gpu")
    found = units.units_of(service, ["GPU-a", "GPU-b"])
    assert [(unit.name, unit.port, unit.gpu) for unit in found] == [
        ("whisperx-one@0.service", 7000, "GPU-a"),
        ("whisperx-one@1.service", 7001, "GPU-b"),
    ]
    text = units.unit_text(service, found[1], PLACE, True)
    assert '"7001" "1" "/var/lib/whisperx-one@1" "{other}"' in text
    assert '"CUDA_VISIBLE_DEVICES=GPU-b"' in text


def test_gpus_are_read_in_the_order_of_the_bus(tmp_path: Path) -> None:
    for bus, number in (("0000:81:00.0", 2), ("0000:01:00.0", 1)):
        (tmp_path / bus).mkdir()
        told = f"Model: x\nGPU UUID: \t GPU-{number:08d}-0000-0000-0000-000000000000\n"
        (tmp_path / bus / "information").write_text(told)
    assert [name[4:12] for name in survey.gpus(str(tmp_path))] == ["00000001", "00000002"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    words = ["serve", "a b", "100%", "$HOME", "\n", '"', "\\", "ä", ";"]
    for gpu in (False, True):
        path = tmp_path / "whisperx-one.service"
        path.write_text(text_of(gpu, command=words, memory="2G", writable=["/tmp/a%b"]).replace(
            PLACE.launch + "/serve", "/bin/true"
        ))  # fmt: skip
        done = subprocess.run(
            ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False
        )
        ours = [line for line in done.stderr.splitlines() if "whisperx-one.service:" in line]
        assert done.returncode == 0 and ours == [], done.stderr


def test_ports_are_those_of_the_command_and_of_the_check() -> None:
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({"command": "serve --uri tcp://127.0.0.1:10300 --model base"}, [10300]),
        ({"command": "serve --port=81 --mqtt tcp://127.0.0.1:1883"}, [81]),
        ({"command": "serve --uri unix:///run/x"}, []),
        ({"command": "serve {port}", "port": 5}, [5]),
        ({"command": "serve", "health": {"tcp": "127.0.0.1:9"}}, [9]),
        ({"command": "serve", "health": {"http": "http://localhost/x"}}, [80]),
        ({"command": "serve", "health": {"http": "https://elsewhere.example/"}}, []),
        ({"command": "serve --port 0"}, []),
    ]
    for values, ports in cases:
        service = one(**values)
        assert listeners.ports_of(service, units.units_of(service, [])[0]) == ports, values


def jobs(tmp_path: Path, **values: Any) -> list[survey.Job]:
    return [survey.job_of(Layout(str(tmp_path), "", ""), one(**values), FOLLOWED, {})]


def test_a_port_in_use_is_named_with_its_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Problem) as caught:
            survey.check_jobs(jobs(tmp_path, command=f"serve --port {port}"), FOLLOWED, {}, "/opt/x", set())
        assert caught.value.rule == "service.port-in-use" and str(os.getpid()) in caught.value.found
    survey.check_jobs(jobs(tmp_path, command=f"serve --port {port}"), FOLLOWED, {}, "/opt/x", set())


def test_an_unknown_command_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    for values in ({"command": "sreve"}, {"health": {"command": "sreve"}}):
        with pytest.raises(Problem) as caught:
            survey.check_jobs(jobs(tmp_path, **values), FOLLOWED, {}, "/opt/x", set())
        assert caught.value.rule == "service.unknown-command" and "'serve'" in caught.value.remedy


def test_units_of_others_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.service"
    other.write_text("[Service]\n")
    for state in ({"FragmentPath": str(other)}, {"LoadState": "masked"}):
        with pytest.raises(Problem) as caught:
            survey.check_jobs(jobs(tmp_path), FOLLOWED, {"whisperx-one.service": state}, "/opt/x", set())
        assert caught.value.rule == "service.foreign-unit"
    assert units.is_ours(text_of(), "/opt/whisperx") and not units.is_ours(text_of(), "/opt/whisper")


def check(**values: Any) -> str:
    service = one(health={"within": 5, **values})
    return health.once(service, units.units_of(service, [])[0], "/usr/bin", {"A": "1"}, 2)


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/ok": 200, "/moved": 302}.get(self.path, 503))
        self.send_header("Location", "/ok")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_http_is_asked_for_its_status_and_follows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert check(http=base + "/ok") == ""
        assert check(http=base + "/moved", status=302) == ""
        assert "503" in check(http=base + "/other") and "302" in check(http=base + "/moved")
        server.shutdown()
    assert "refused" in check(http=base + "/ok")


def test_tcp_is_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "127.0.0.1:{}".format(server.getsockname()[1])
        assert check(tcp=address) == ""
    assert address in check(tcp=address)


def test_a_command_succeeds_fails_or_does_not_end() -> None:
    python = "python3"
    assert check(command=[python, "-c", "import os; assert os.environ['A'] == '1'"]) == ""
    assert "exit wrong" in check(command=[python, "-c", "raise SystemExit('exit wrong \\x1b[31m')"])
    assert "does not end" in check(command=[python, "-c", "import time; time.sleep(60)"])
    assert "cannot be run" in check(command=["/nonexistent/program"]) or os.geteuid() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_a_check_is_never_root_and_leaves_nothing() -> None:
    code = "import os; open(os.environ['HOME'] + '/x', 'w'); print(os.getuid(), os.getgroups()); exit(1)"
    told = check(command=["/usr/bin/python3", "-c", code])
    assert told.endswith(": 65534 []"), told
    assert not [name for name in os.listdir("/tmp") if name.startswith("whisperx-check-")]


def test_records_lead_to_no_units_of_others(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path), "", "")
    (tmp_path / "services").mkdir()
    good = {"name": "one", "service": {}, "units": ["whisperx-one.service", "whisperx-one@12.service"]}
    for number, change in enumerate(
        (
            {},
            {"units": ["ssh.service"]},
            {"units": ["whisperx-one@../a.service"]},
            {"name": "two"},
            {"units": "x"},
        )
    ):
        write_json(records.path(layout, "one"), {**good, **change})
        assert bool(records.all_of(layout)) is (number == 0), change


IN_CONTAINER = """\
# Made by whisperx-fleet for /opt/whisperx; changes are overwritten, drop-ins (systemctl edit) are kept.
[Unit]
Description=WhisperX service one@0
PartOf=whisperx.target
Wants=network-online.target
After=network-online.target
After=docker.service
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart="/opt/whisperx/current/launch/serve" "7000"
Environment="CUDA_VISIBLE_DEVICES=" "HOME=/var/lib/whisperx-one@0" \
"WHISPERX_CONTAINER_NETWORK=host" "WHISPERX_CONTAINER_OPTIONS=--name=whisperx-one.0 \
--env=WHISPERX_SERVICE=whisperx-one@0.service --env=A --env=TOKEN --volume=/srv/a:/srv/a --memory=2048g" \
"XDG_CACHE_HOME=/var/lib/whisperx-one@0/.cache"
EnvironmentFile=/opt/whisperx/services/one.env
Restart=always
RestartSec=2
TimeoutStopSec=30
StateDirectory=whisperx-one@0
LogsDirectory=whisperx-one@0
RuntimeDirectory=whisperx-one@0
WorkingDirectory=/var/lib/whisperx-one@0
ExecStartPre=-"/usr/bin/env" "WHISPERX_CONTAINER_REMOVE=whisperx-one.0" "/opt/whisperx/current/launch/serve"
ExecStopPost=-"/usr/bin/env" "WHISPERX_CONTAINER_REMOVE=whisperx-one.0" "/opt/whisperx/current/launch/serve"
KillMode=mixed
SuccessExitStatus=143
UMask=0077

[Install]
WantedBy=whisperx.target
"""
CONTAINED: dict[str, Any] = {
    "command": "serve {port}",
    "port": 7000,
    "instances": 2,
    "memory": "2T",
    "gpu": False,
    "writable": "/srv/a",
    "environment": {"A": "b c"},
    "secrets": {"TOKEN": "x"},
}


def test_a_unit_of_a_release_in_a_container_hands_everything_to_the_launch_script() -> None:
    service = one(**CONTAINED)
    text = units.unit_text(service, units.units_of(service, [])[0], PLACE, False, "container")
    assert text == IN_CONTAINER


@pytest.mark.parametrize(
    ("size", "told"), [("1048577", "1048577b"), ("800M", "800m"), ("2G", "2g"), ("2000K", "2000k")]
)
def test_engines_get_sizes_as_they_write_them(size: str, told: str) -> None:
    assert contained.environment(one(memory=size), "u", "n")[contained.OPTIONS].endswith(f"--memory={told}")


def test_what_a_container_cannot_have_is_refused_by_name() -> None:
    for key, value in (("user", "root"), ("writable", "/srv/a b"), ("writable", "/srv/a:b")):
        found = contained.refusal(one(**{key: value}))
        assert found is not None and found.rule == "service.runtime" and found.where.endswith(f"one.{key}")
    assert contained.refusal(one(**CONTAINED)) is None


def test_what_listens_in_a_container_is_known_by_its_mark() -> None:
    code = "import socket as s, time; l = s.create_server(('127.0.0.1', 0))"
    code += "; print(l.getsockname()[1], flush=True); time.sleep(60)"
    with subprocess.Popen(
        ["python3", "-c", code],
        env={contained.MARK: "whisperx-one.service"},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        (owner,) = listeners.owners(listeners.listening()[port])
        child.kill()
    assert owner == (child.pid, owner[1], "whisperx-one.service")
