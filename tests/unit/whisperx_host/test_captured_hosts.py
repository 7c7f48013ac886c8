"""Captured hosts: from a planted fixture the probe reads what it read on the host; its name says the gist.

``tools/capture_host.py`` makes a fixture and tells how it becomes a test.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.distro import LinuxDistribution

from module_utils.whisperx_host.model import Host
from tests.unit.whisperx_host.host_trees import HostTree, debian, plant, replayed
from tools.capture_host import capture

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = sorted((ROOT / "tests" / "fixtures" / "trees").glob("*.json"))


def name_of(facts: dict[str, Any]) -> str:
    """Return the gist of a host, the name of its fixture: debian-13-glibc-2.41-x86_64-running."""
    identity, libc = facts["os"], facts["libc"]
    parts = [identity["id"], identity["version"] or identity["codename"], libc["family"], libc["version"]]
    return "-".join(str(part) for part in [*parts, facts["machine"], facts["nvidia_driver"]["state"]])


def test_there_are_fixtures() -> None:
    assert FIXTURES


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
class TestFixture:
    def test_the_name_is_the_expected_answer(self, path: Path) -> None:
        facts = json.loads(path.read_text())["facts"]
        assert path.stem == name_of(facts) or path.stem.startswith(name_of(facts) + "-")

    def test_the_probe_reads_the_same(self, path: Path, tmp_path: Path) -> None:
        fixture = json.loads(path.read_text())
        host = plant(fixture["tree"], tmp_path / "root")
        assert host.probe(replayed(fixture["live"])).to_dict() == fixture["facts"]

    def test_it_has_every_fact(self, path: Path) -> None:
        assert set(json.loads(path.read_text())["facts"]) == set(Host().to_dict())


class TestCapture:
    def test_what_is_captured_can_be_replayed(self, tmp_path: Path) -> None:
        host = debian(tmp_path / "root").driver("570.124.06").gpu("0000:19:00.0", "2330", "nvidia")
        host.file("/etc/cdi/x.yaml", "kind: nvidia.com/gpu\n").elf("/usr/bin/podman").elf(
            "/usr/bin/python3.11"
        )
        host.elf("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", [b"3.11.9"], loader=None)
        host.file("/var/lib/dpkg/status", "Package: podman\nStatus: install ok installed\nVersion: 5.4.2-1\n")
        for number in range(200):
            host.file(f"/usr/bin/tool{number}")
        (host.root / "root").mkdir(mode=0o700)
        fixture = json.loads(json.dumps(capture(str(host.root), 5, LinuxDistribution)))
        again = plant(fixture["tree"], tmp_path / "again").probe(replayed(fixture["live"]))
        assert again.to_dict() == fixture["facts"] == host.probe().to_dict()
        assert fixture["facts"]["pythons"][0]["version"] == "3.11.9"
        assert "/usr/bin/tool7" not in fixture["tree"]

    def test_this_host_can_be_captured_and_replayed(self, tmp_path: Path) -> None:
        fixture = json.loads(json.dumps(capture("/", 20, LinuxDistribution)))
        again = plant(fixture["tree"], tmp_path / "again").probe(replayed(fixture["live"]))
        assert again.to_dict() == fixture["facts"]

    def test_secrets_stay_behind(self, tmp_path: Path) -> None:
        host = HostTree(tmp_path / "root").file("/proc/1/environ", "TOKEN=abc\0container=lxc\0")
        host.file("/var/lib/dpkg/status", "Package: secret\nVersion: 1\n\nPackage: podman\nVersion: 1\n")
        host.elf("/usr/bin/podman")
        text = json.dumps(capture(str(host.root), 5, LinuxDistribution))
        assert "TOKEN" not in text
        assert "Package: secret" not in text
        assert "container=lxc" in text

    def test_the_command(self, tmp_path: Path) -> None:
        command = [sys.executable, str(ROOT / "tools" / "capture_host.py"), "--root"]
        done = subprocess.run([*command, str(debian(tmp_path / "root").root)], capture_output=True, text=True)
        assert json.loads(done.stdout)["facts"]["os"]["id"] == "debian"
        done = subprocess.run([*command, str(tmp_path / "no")], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert "no such directory" in done.stderr
