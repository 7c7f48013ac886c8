"""Models reach hosts from one download: real roles and hub library, on hosts that are directories."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wheelhouse_lab import Fleet

from module_utils.whisperx_common.files import sha256
from tests.models.hub import Hub
from tests.unit.whisperx_models.models_site import SPEECH, WHISPER, package_lock, sentences

UV = str(Path(sys.executable).parent / "uv")
REPOSITORY = "Systran/faster-whisper-base"
MODELS = [{"whisper": "base"}, {"align": "en"}]
# What site.yml does with models, without everything else.
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  vars_files: [vars.json]
  tasks:
    - ansible.builtin.import_role: {name: whisperx_models, tasks_from: lock}
    - ansible.builtin.import_role: {name: whisperx_models, tasks_from: store}
    - ansible.builtin.import_role: {name: whisperx_wheelhouse}
    - ansible.builtin.import_role: {name: whisperx_models}
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        running.add(REPOSITORY, WHISPER)
        running.file("/torchaudio/wav2vec2_fairseq_base_ls960_asr_ls960.pth", SPEECH)
        running.file("/nltk/tokenizers/punkt_tab.zip", sentences(english=b"en"))
        yield running


class Site:
    """Hosts with a store of models each."""

    def __init__(self, base: Path, hosts: int, hub: Hub, **variables: Any) -> None:
        self.fleet = Fleet(base / "fleet", hosts, "")
        self.base, self.hub, self.variables = self.fleet.base, hub, variables
        (self.base / "play.yml").write_text(PLAYBOOK)
        known = {
            name: {"ansible_connection": "elsewhere", "whisperx_models_dir": str(self.store(name))}
            for name in self.fleet.names
        }
        (self.base / "hosts.json").write_text(json.dumps({"all": {"hosts": known}}))
        self.lock = package_lock(base / "wheels") | {"uv": {"path": UV, "sha256": sha256(UV)}}

    def store(self, host: str) -> Path:
        return self.base / host / "models"

    def play(self, models: list[dict[str, str]], *arguments: str, fails: bool = False) -> str:
        plans = {name: {"verdict": "plan", "class": "lab"} for name in self.fleet.names}
        values = {
            "__whisperx_plan": {"hosts": plans, "wheels": []},
            "__whisperx_lock": {"locks": {"lab": self.lock}},
            "whisperx_plan_catalogue": "/nonexistent",
            "whisperx_plan_lock_dir": str(self.base / "locks"),
            "whisperx_plan_state": "locked",
            "whisperx_plan_cache_dir": str(self.base / "controller"),
            "whisperx_wheelhouse_mode": "connection",
            "whisperx_models": models,
            "whisperx_models_endpoint": self.hub.endpoint,
            "whisperx_models_torch_url": self.hub.endpoint + "/torchaudio",
            "whisperx_models_nltk_url": self.hub.endpoint + "/nltk",
            "whisperx_models_token": "hf_never_shown",
        } | self.variables
        (self.base / "vars.json").write_text(json.dumps(values))
        shown = self.fleet.play(*arguments, fails=fails)
        assert "hf_never_shown" not in shown
        return shown

    def weights(self, host: str) -> dict[str, str]:
        """Return the placed files of a host by the end of their names, with their digests."""
        found = (self.store(host) / "current").resolve().rglob("*")
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()}


def test_four_hosts_take_one_download(tmp_path: Path, hub: Hub) -> None:
    """The bytes from outside are those of the files, however many hosts there are."""
    hub.tokens.add("hf_never_shown")
    site = Site(tmp_path, 4, hub)
    shown = site.play(MODELS, "-vvvv")
    files = [WHISPER[name] for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.json")]
    payload = sum(map(len, files)) + len(SPEECH) + len(sentences(english=b"en"))
    assert sum(hub.sent.values()) == payload
    wanted = {hashlib.sha256(data).hexdigest() for data in (*files, SPEECH)}
    for host in site.fleet.names:
        assert wanted <= set(site.weights(host).values())
    placed = sum(map(len, files)) + len(SPEECH) + len(b"en" * 2 + b" context")
    assert shown.count(f"bytes_brought: {placed}\n") == 4


def test_over_http_hosts_take_only_what_they_lack_and_models_go(tmp_path: Path, hub: Hub) -> None:
    hub.tokens.add("hf_never_shown")
    site = Site(tmp_path, 2, hub, whisperx_wheelhouse_mode="http", whisperx_wheelhouse_address="127.0.0.1")
    assert "Placed the model whisper base" in site.play(MODELS[:1], "--check", "-v")
    assert not site.store("host00").exists() and not (site.base / "locks").exists()
    site.play(MODELS[:1])
    assert hub.sent[f"{REPOSITORY}/config.json"] == len(WHISPER["config.json"])
    hub.forget()
    assert site.play(MODELS[:1]).count("changed=0") == 2 and hub.requests == []
    moved = hub.add(REPOSITORY, WHISPER | {"model.bin": b"newer weights"})
    shown = site.play([{"whisper": "base", "revision": moved}], "-v")
    assert shown.count(f"bytes_brought: {len(b'newer weights')}") == 2
    assert site.weights("host01")["model.bin"] == hashlib.sha256(b"newer weights").hexdigest()
    assert "Removed the model whisper base" in site.play([], "-v")
    assert not site.store("host00").exists()


def test_a_gated_model_ends_the_run_before_any_host_changes(tmp_path: Path, hub: Hub) -> None:
    hub.tokens.add("hf_never_shown")
    hub.add("pyannote/pipeline", {"config.yaml": b"x: 1"}, gated=True)
    site = Site(tmp_path, 2, hub)
    shown = site.play([*MODELS, {"diarize": "pyannote/pipeline"}], fails=True)
    assert "has not accepted" in shown and f"{hub.endpoint}/pyannote/pipeline" in shown
    assert not site.store("host00").exists() and not (site.base / "locks").exists()
