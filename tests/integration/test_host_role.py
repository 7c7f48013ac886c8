"""The role whisperx_host: a described host is never contacted, a probed one is read in one module run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "roles": ["whisperx_host"],
        "tasks": [
            {
                "name": "Write down what the plan would see",
                "ansible.builtin.copy": {
                    "content": "{{ ansible_facts.whisperx_host | to_json }}",
                    "dest": "{{ seen }}",
                    "mode": "0600",
                },
                "delegate_to": "localhost",
                "check_mode": False,
            }
        ],
    }
]
# 192.0.2.1 is an address of documentation (RFC 5737): who contacts it fails.
FAR = {"ansible_host": "192.0.2.1", "whisperx_host_source": "assume"}
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
DRIVER = {"version": "570.124.06", "cuda": "12.8", "state": "running"}
DESCRIBED = {"libc": {"family": "glibc", "version": "2.41"}, "nvidia_driver": DRIVER, "tegra": None}


def play(folder: Path, host: dict[str, Any], *options: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """Run the role on one host; return the run and the fact as later tasks see it."""
    (folder / "play.yml").write_text(yaml.safe_dump(PLAYBOOK))
    hosts = {"one": {"seen": str(folder / "seen"), **host}}
    controller = {"hosts": {"localhost": HERE}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}, "controller": controller}))
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        str(folder / "hosts.yml"),
        "-l",
        "one",
    ]
    command += [*options, str(folder / "play.yml")]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
        "ANSIBLE_TIMEOUT": "3",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seen = folder / "seen"
    return done, json.loads(seen.read_text()) if seen.exists() else None


class TestDescribedHost:
    def test_is_never_contacted(self, tmp_path: Path) -> None:
        done, seen = play(tmp_path, {**FAR, "whisperx_host_assume": DESCRIBED})
        assert done.returncode == 0, done.stdout
        assert seen == {"schema": 1, **DESCRIBED}

    @pytest.mark.parametrize(
        ("assume", "words"),
        [
            ({"glibc": "2.41"}, "glibc"),
            ({"nvidia_driver": {"state": "fine"}}, "running, absent, mismatch, unusable"),
            ({"pythons": [{"path": "/usr/bin/python3.13"}]}, "missing required arguments: version"),
        ],
    )
    def test_bad_descriptions_are_refused(self, tmp_path: Path, assume: dict[str, Any], words: str) -> None:
        done, seen = play(tmp_path, {**FAR, "whisperx_host_assume": assume})
        assert done.returncode != 0
        assert seen is None
        assert words in " ".join(done.stdout.split() + done.stderr.split())


class TestProbedHost:
    @pytest.mark.parametrize("option", ["--diff", "--check"])
    def test_is_read(self, tmp_path: Path, option: str) -> None:
        done, seen = play(tmp_path, {**HERE, "whisperx_host_assume": {"nvidia_driver": DRIVER}}, option)
        assert done.returncode == 0, done.stdout
        assert seen["kernel"]["release"]
        assert seen["nvidia_driver"] == DRIVER
        assert seen["sources"]["nvidia_driver"] == "assumed"

    def test_costs_one_module_run(self, tmp_path: Path) -> None:
        done, _seen = play(tmp_path, HERE, "-vvv")
        runs = [
            line for line in done.stdout.splitlines() if "EXEC" in line or "Pipelining is enabled" in line
        ]
        modules = [line for line in done.stdout.splitlines() if "Using module file" in line]
        assert runs
        assert [line.rpartition("/")[2] for line in modules if "whisperx" in line] == [
            "whisperx_host_facts.py"
        ]
