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
# Suite -> the store of its host: the usual place, and another one.
STORES = {"bookworm": "/opt/whisperx/models", "trixie": "/srv/models"}
WORDS = "Please open your books and read the first page."
NAME = "Systran/faster-whisper-base"
TRANSCRIBE = """
import sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8")
parts, _ = model.transcribe(sys.argv[2], language="en", word_timestamps=True)
words = [word for part in parts for word in part.words]
assert all(0 <= word.start <= word.end < 10 for word in words), words
print("".join(word.word for word in words))
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
        known = {
            name: {
                "ansible_connection": "lab",
                "ansible_become": False,
                "whisperx_models_dir": STORES[suite],
            }
            for suite, name in self.names.items()
        }
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

    def proved(self, suite: str) -> str:
        """Return the revision that is placed on a host, once its release was verified with that very set."""
        record = json.loads(self.read(suite, "/opt/whisperx/current/release.json"))
        manifest = json.loads(self.read(suite, f"{STORES[suite]}/current/manifest.json"))
        active = self.podman("exec", self.names[suite], "readlink", f"{STORES[suite]}/current").stdout
        assert record["verify"]["level"] == "speech"
        assert active.strip() == f"sets/{record['verify']['models']}"
        return str(manifest["models"][0]["revision"])

    def read(self, suite: str, path: str) -> str:
        return self.podman("exec", self.names[suite], "cat", path).stdout


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
    """Placed, unchanged, moved to another revision and back, removed."""
    size = sum(path.stat().st_size for path in weights.base().iterdir())
    first = site.hub.repositories[NAME].refs["main"]
    site.play([{"whisper": "base"}])
    # Each byte came from the hub once, for both hosts.
    assert sum(site.hub.sent.values()) == size
    for suite in SUITES:
        done = site.heard(suite, "base")
        errors, _ = word_errors(WORDS, done.stdout)
        assert errors <= 2, done.stdout + done.stderr
        assert site.proved(suite) == first
    site.hub.forget()
    again = site.play([{"whisper": "base"}])
    assert again.count("changed=0") >= len(SUITES) and site.hub.requests == []
    # Also where the store is elsewhere, the facts say that nothing is to be done.
    assert "Assess which models have to change" not in again

    lock = site.base / "locks/models.txt"
    before, config = lock.read_text(), (weights.base() / "config.json").read_bytes()
    files = {path.name: path for path in weights.base().iterdir()}
    moved = site.hub.add(NAME, files | {"config.json": config + b"\n"})
    site.hub.forget()
    # Only the models change, and the release that was verified is verified with them.
    site.play([{"whisper": "base", "revision": moved}])
    assert [site.proved(suite) for suite in SUITES] == [moved, moved]
    assert f"{NAME}/model.bin" not in site.hub.sent
    lock.write_text(before)
    site.play([{"whisper": "base"}])
    assert [site.proved(suite) for suite in SUITES] == [first, first]

    site.play([])
    for suite in SUITES:
        done = site.heard(suite, "base")
        assert done.returncode != 0
        assert site.podman("exec", site.names[suite], "ls", f"{STORES[suite]}/sets").returncode != 0
