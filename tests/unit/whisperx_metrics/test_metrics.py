"""Metrics of real directories, and Debian's promtool over them, over the alert rules and the dashboard.

SIMULATED: what systemd says of a unit. The check of a service is real.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_metrics import main
from module_utils.whisperx_metrics.collect import families
from module_utils.whisperx_metrics.samples import FILE, Family, render
from module_utils.whisperx_service import records
from module_utils.whisperx_service.systemd import Systemd
from tests.unit.whisperx_release.release_hosts import VenvHost

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs/monitoring"
UNIT = "whisperx-one.service"
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is missing: tools/lab/packages installs it"
)


class Told(Systemd):
    def __init__(self, state: str) -> None:
        super().__init__()
        self.state = state

    def is_there(self) -> bool:
        return True

    def show(self, units: Any) -> dict[str, dict[str, str]]:
        return {unit: {"ActiveState": self.state, "NRestarts": "2"} for unit in units}


@pytest.fixture
def host(tmp_path: Path) -> VenvHost:
    made = VenvHost(tmp_path / "host")
    made.present("1.0")
    made.present("2.0")
    return made


def service(host: VenvHost, port: int) -> None:
    (host.root / "services").mkdir()
    given = {"command": "tiny", "health": {"tcp": f"127.0.0.1:{port}"}}
    record = {"schema": 1, "name": "one", "service": given, "units": [UNIT], "healthy": True}
    write_json(records.path(host.layout, "one"), record)


def text_of(host: VenvHost, state: str = "active") -> str:
    return render(families(str(host.root), Told(state)))


def values(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))  # type: ignore[arg-type]


def test_a_host_says_its_release_condition_and_services(host: VenvHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        service(host, server.getsockname()[1])
        found = values(text_of(host))
        assert found[f'whisperx_service_healthy{{service="one",unit="{UNIT}"}}'] == "1"
        assert found[f'whisperx_service_restarts{{service="one",unit="{UNIT}"}}'] == "2"
        stopped = values(text_of(host, "failed"))
        assert stopped[f'whisperx_service_healthy{{service="one",unit="{UNIT}"}}'] == "0"
    # It runs, and its check fails.
    assert values(text_of(host))[f'whisperx_service_healthy{{service="one",unit="{UNIT}"}}'] == "0"
    assert (
        sum(float(found[f'whisperx_condition{{state="{one}"}}']) for one in ("healthy", "drifted", "broken"))
        == 1
    )
    assert any(name.startswith("whisperx_release_info{") and 'release="tiny-2.0' in name for name in found)
    assert sum(name.startswith("whisperx_release_size_bytes{") for name in found) == 2
    assert found['whisperx_verify_level{level="import"}'] == "1"


def test_a_host_without_an_environment_says_so(tmp_path: Path) -> None:
    found = values(render(families(str(tmp_path / "none"), Told("active"))))
    assert found['whisperx_condition{state="absent"}'] == "1"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/file").touch()
    found = values(render(families(str(tmp_path / "foreign"), Told("active"))))
    assert (
        found['whisperx_failures{rule="env.foreign-directory"}'] == "1"
        if "whisperx_failures" in found
        else True
    )


def test_labels_are_escaped() -> None:
    text = render([Family("a", "gauge", 'say "x"\n', (({"b": 'a"\\\n'}, 1.5),))])
    assert text == '# HELP a say "x"\\n\n# TYPE a gauge\na{b="a\\"\\\\\\n"} 1.5\n'


def test_the_file_is_readable_whatever_the_umask(host: VenvHost, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        main.main([str(host.root), str(tmp_path)])
    finally:
        os.umask(old)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path).count(FILE) == 1
    assert main.main([str(host.root), str(tmp_path / "none")]) == 1


@needs_promtool
def test_prometheus_takes_the_file(host: VenvHost) -> None:
    service(host, 9)
    text = text_of(host)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert not re.search(r"} \S+ \d+$", text, re.MULTILINE), "node_exporter rejects times of samples"


@needs_promtool
def test_alerts_and_dashboard_work_on_the_real_file(host: VenvHost, tmp_path: Path) -> None:
    service(host, 9)  # nobody listens there
    found = values(text_of(host))
    found["whisperx_audit_timestamp_seconds"] = "0"
    series = [{"series": name, "values": f"{value}+0x200"} for name, value in found.items()]
    labels = {"service": "one", "unit": UNIT, "severity": "critical"}
    expected = [
        {"eval_time": "30m", "alertname": "WhisperXServiceUnhealthy", "exp_alerts": [{"exp_labels": labels}]},
        {"eval_time": "10m", "alertname": "WhisperXServiceUnhealthy", "exp_alerts": []},
        {"eval_time": "50m", "alertname": "WhisperXNotAudited", "exp_alerts": []},
        {
            "eval_time": "70m",
            "alertname": "WhisperXNotAudited",
            "exp_alerts": [{"exp_labels": {"severity": "warning"}}],
        },
    ]
    rules = yaml.safe_load((DOCS / "rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert {"summary", "description"} == set(rule.pop("annotations"))
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    whole: dict[str, Any] = {"rule_files": ["rules.yml"], "evaluation_interval": "1m"}
    whole["tests"] = [{"interval": "1m", "input_series": series, "alert_rule_test": expected}]
    (tmp_path / "test.yml").write_text(yaml.safe_dump(whole))
    promtool(tmp_path, "test", "rules", "test.yml")
    promtool(DOCS, "check", "rules", "rules.yml")

    # Each query of the dashboard returns something: compared with what it says of itself.
    queries = [
        target["expr"]
        for panel in json.loads((DOCS / "dashboard.json").read_text())["panels"]
        for target in panel["targets"]
    ]
    record = [{"record": f"query{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": record}]}))
    counts = [
        {
            "expr": f"count(count(query{number})) or vector(0)",
            "eval_time": "5m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for number in range(len(queries))
    ]
    whole = {"rule_files": ["queries.yml"], "evaluation_interval": "1m"}
    whole["tests"] = [{"interval": "1m", "input_series": series, "promql_expr_test": counts}]
    (tmp_path / "test.yml").write_text(yaml.safe_dump(whole))
    promtool(tmp_path, "test", "rules", "test.yml")


def promtool(directory: Path, *words: str) -> None:
    done = subprocess.run(["promtool", *words], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
