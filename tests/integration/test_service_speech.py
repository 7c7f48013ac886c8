"""site.yml puts a real speech server on a booted host: wyoming-faster-whisper with OpenAI's base weights.

A real client of its protocol gets the right words, through an upgrade, a kill -9, a rollback and a removal.
Takes the package index; downloads are kept in LAB_SHARE.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from systemd_lab import build, podman, wait_for_boot

from tests.attack.strength import FULL
from tests.models import spoken, weights

ROOT = Path(__file__).resolve().parents[2]
NAME = f"whisperx-speech-{os.getpid()}"
WORDS = ("weather", "mountains", "books", "page")
OLD, NEW = "==3.8.0", ""


def host(*words: str, check: bool = True) -> str:
    return podman("exec", NAME, *words, check=check)


class Fleet:
    """An inventory of the one host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        share = Path(os.environ["LAB_SHARE"])
        self.speech = share / f"speech-{os.getpid()}"
        self.speech.mkdir(parents=True)
        spoken.speak(self.speech / "speech.wav")
        shutil.copy(ROOT / "tests/integration/service_client.py", self.speech)
        self.speech.chmod(0o755)
        self.client = ["service_client.py", str(self.port), "speech.wav", *WORDS]
        self.client = [
            f"/srv/whisperx/{self.speech.name}/{word}" if "." in word else word for word in self.client
        ]

    def run(self, playbook: str, version: str = NEW, *words: str, **variables: Any) -> str:
        """Run a playbook; return what it printed."""
        service = {
            "command": f"wyoming-faster-whisper --uri tcp://127.0.0.1:{self.port} --language en"
            " --local-files-only --model /srv/whisperx/weights/base --data-dir {state} --cpu-threads 1",
            "health": {"command": ["python", *self.client], "within": 600},
            # On a busy machine threads that spin for each other take minutes.
            "environment": {"OMP_WAIT_POLICY": "passive"},
        }
        given = {
            "ansible_connection": "lab",
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "whisperx_plan_packages": {"faster-whisper": ""},
            "whisperx_plan_extras": {"wyoming-faster-whisper": version},
            "whisperx_plan_lock_dir": str(self.folder / "locks"),
            "whisperx_report_dir": str(self.folder / "reports"),
            "whisperx_wheelhouse_mode": "connection",
            "whisperx_venv_ffmpeg": False,
            "whisperx_venv_cache": "/srv/whisperx/cache",
            "whisperx_services": {"wyoming": service},
            **variables,
        }
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {NAME: given}}}))
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            str(inventory),
            playbook,
            *words,
        ]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        return done.stdout

    def ask(self) -> str:
        """Return what the server hears, "" when no answer came."""
        return host("/opt/whisperx/current/launch/python", *self.client, check=False)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One booted host; the index is reached over the builder's network."""
    if os.getuid() != 0 or "LAB_SHARE" not in os.environ:
        pytest.skip("takes root, and tools/lab/with")
    build("trixie")
    weights.base()
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    authority = os.environ.get("LAB_CA")
    trusted = ["-v", f"{authority}:/etc/ssl/lab-ca.crt:ro", "-e", "SSL_CERT_FILE=/etc/ssl/lab-ca.crt"]
    podman(
        *(
            "run",
            "--detach",
            "--name",
            NAME,
            "--systemd=always",
            "--cap-add",
            "SYS_ADMIN",
            "--cap-add",
            "SYS_PTRACE",
        ),
        *("--volume", f"{os.environ['LAB_SHARE']}:/srv/whisperx", *(trusted if authority else [])),
        "localhost/whisperx-lab:trixie-systemd",
    )
    try:
        wait_for_boot(NAME)
        yield made
    finally:
        podman("rm", "--force", "--time", "1", NAME)
        shutil.rmtree(made.speech)


@pytest.mark.skipif(not FULL, reason="takes minutes; `make attack` runs it")
def test_a_speech_server_through_its_life(fleet: Fleet) -> None:
    predicted = fleet.run("site.yml", OLD, "--check")
    assert "start whisperx-wyoming.service" in predicted
    fleet.run("site.yml", OLD)
    wrong, of = spoken.word_errors(spoken.ELEVEN_SECONDS, fleet.ask())
    assert wrong <= of // 5
    assert "unchanged" in fleet.run("site.yml", OLD)

    host("systemctl", "kill", "--signal=KILL", "whisperx-wyoming.service")
    answers: list[str] = [""]
    for _ in range(30):
        answers = [fleet.ask()]
        if answers[0]:
            break
        time.sleep(1)
    assert "mountains" in answers[0]

    over = threading.Event()
    answers.clear()

    def keep_asking() -> None:
        while not over.is_set():
            answers.append(fleet.ask())
            over.wait(0.5)

    assert "restart whisperx-wyoming.service" in fleet.run("site.yml", NEW, "--check")
    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        fleet.run("site.yml", NEW)
    finally:
        over.set()
        asking.join()
    lost = [answer for answer in answers if "mountains" not in answer]
    print(f"{len(answers)} requests during the upgrade, {len(lost)} lost")
    assert "mountains" in answers[0] and len(lost) <= 6
    assert "mountains" in fleet.ask()

    new = host("readlink", "/opt/whisperx/current")
    fleet.run("playbooks/rollback.yml")
    assert host("readlink", "/opt/whisperx/current") != new and "mountains" in fleet.ask()

    fleet.run("site.yml", NEW, whisperx_venv_state="absent")
    left = host("find", "/opt", "/etc/systemd", "/var/lib", "/usr/local", "-name", "*whisperx*")
    assert not re.sub(r"^/var/lib/systemd.*$", "", left, flags=re.MULTILINE).strip()
