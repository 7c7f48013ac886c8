"""Models from the inventory to a user's words: site.yml, a hub, two distributions, one host off the network.

Real weights, real speech, faster-whisper with CTranslate2.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models import weights
from tests.models.hub import Hub
from tests.models.spoken import speak, word_errors

ROOT = Path(__file__).resolve().parents[2]
# Suite -> the network of its host.
SUITES = {"bookworm": "host", "trixie": "none"}
WORDS = "Please open your books and read the first page."
NAME = "Systran/faster-whisper-base"
TRANSCRIBE = """
import sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8")
print(" ".join(part.text for part in model.transcribe(sys.argv[2], language="en")[0]))
"""


class Site:
    """The hosts, their inventory, and the hub that the controller asks."""

    def __init__(self, base: Path, hub: Hub) -> None:
        self.base, self.hub = base, hub
        self.names = {suite: f"whisperx-models-{os.getpid()}-{suite}" for suite in SUITES}
        self.settings = os.environ | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tools/lab/connection"),
            "CONTAINERS_CONF": os.environ.get("CONTAINERS_CONF", str(ROOT / "tools/lab/containers.conf")),
        }
        known = {name: {"ansible_connection": "lab", "ansible_become": False} for name in self.names.values()}
        (base / "hosts.json").write_text(json.dumps({"all": {"hosts": known}}))

    def podman(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *words], env=self.settings, capture_output=True, text=True, check=False
        )

    def play(self, models: list[dict[str, Any]], *arguments: str) -> str:
        values = {
            "whisperx_plan_packages": {"faster-whisper": ""},
            "whisperx_plan_device": "cpu",
            "whisperx_plan_runtime": "venv",
            "whisperx_plan_lock_dir": str(self.base / "locks"),
            "whisperx_plan_cache_dir": str(self.base / "cache"),
            "whisperx_wheelhouse_mode": "connection",
            "whisperx_venv_ffmpeg": False,
            "whisperx_models": models,
            "whisperx_models_endpoint": self.hub.endpoint,
            "whisperx_report_dir": str(self.base / "reports"),
        }
        (self.base / "values.json").write_text(json.dumps(values))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "site.yml")]
        command += ["-i", str(self.base / "hosts.json"), "-e", f"@{self.base}/values.json", *arguments]
        done = subprocess.run(
            command, env=self.settings, cwd=self.base, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    def heard(self, suite: str, model: str) -> subprocess.CompletedProcess[str]:
        """Transcribe the sentence on a host, as a user who has nothing."""
        words = ["exec", "--user", "1000:1000", "--env", "HOME=/", self.names[suite]]
        return self.podman(
            *words, "/opt/whisperx/current/launch/python", "-c", TRANSCRIBE, model, "/srv/s.wav"
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.getuid() != 0 or not all(shutil.which(name) for name in ("podman", "runc", "mmdebstrap")):
        pytest.skip("takes root, podman, runc and mmdebstrap")
    built = subprocess.run([ROOT / "tools/lab/build_images", *SUITES], capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"no test hosts: {built.stderr[-300:]}")
    base = tmp_path_factory.mktemp("site")
    sound = speak(base / "s.wav", WORDS)
    sound.chmod(0o644)
    with Hub() as hub:
        hub.add(NAME, weights.base())
        made = Site(base, hub)
        for suite, network in SUITES.items():
            image = f"localhost/whisperx-lab:{suite}"
            options = [
                "--detach",
                "--network",
                network,
                "--name",
                made.names[suite],
                "--label",
                "whisperx-lab",
            ]
            options += ["--volume", f"{sound}:/srv/s.wav:ro"]
            done = made.podman("run", *options, image, "sleep", "infinity")
            assert done.returncode == 0, done.stderr
        yield made
        made.podman("rm", "--force", "--time", "0", *made.names.values())


def test_from_the_inventory_to_right_words_and_away_again(site: Site) -> None:
    size = sum(path.stat().st_size for path in weights.base().iterdir())
    site.play([{"whisper": "base"}])
    # Each byte came from the hub once, for both hosts.
    assert sum(site.hub.sent.values()) == size
    for suite in SUITES:
        done = site.heard(suite, "base")
        errors, _ = word_errors(WORDS, done.stdout)
        assert errors <= 2, done.stdout + done.stderr
        record = json.loads(
            site.podman("exec", site.names[suite], "cat", "/opt/whisperx/current/release.json").stdout
        )
        assert record["verify"]["level"] == "speech"
    site.hub.forget()
    again = site.play([{"whisper": "base"}])
    assert again.count("changed=0") >= len(SUITES) and site.hub.requests == []
    site.play([])
    for suite in SUITES:
        done = site.heard(suite, "base")
        assert done.returncode != 0
        assert site.podman("exec", site.names[suite], "ls", "/opt/whisperx/models/sets").returncode != 0
