"""Locking and fetching models: the real huggingface_hub against the stand-in of a hub."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from models_site import ALIGN, GERMAN, SPEECH, VERSIONS, WHISPER, Site, sentences

from module_utils.whisperx_models.lock import parse, render
from module_utils.whisperx_models.manifest import contents, manifest
from module_utils.whisperx_models.request import Request
from module_utils.whisperx_models_host.model import want
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_wheelhouse import bundle, listing
from module_utils.whisperx_wheelhouse.house import House
from tests.models.hub import Hub

BASE, EN, DE = {"whisper": "base"}, {"align": "en"}, {"align": "de"}
REPOSITORY = "Systran/faster-whisper-base"
COMMUNITY = "pyannote/speaker-diarization-community-1"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        running.add(REPOSITORY, WHISPER)
        running.file("/torchaudio/wav2vec2_fairseq_base_ls960_asr_ls960.pth", SPEECH)
        running.file("/torchaudio/wav2vec2_voxpopuli_base_10k_asr_de.pt", GERMAN)
        running.file("/nltk/tokenizers/punkt_tab.zip", sentences(english=b"en", german=b"de", czech=b"cs"))
        yield running


@pytest.fixture
def site(tmp_path: Path, hub: Hub) -> Site:
    tmp_path.chmod(0o755)
    return Site(tmp_path, hub)


def requests(*models: dict[str, str]) -> list[Request]:
    kinds = ("whisper", "align", "diarize")
    return [
        Request(kind, one[kind], one.get("revision", ""), one.get("path", ""))
        for one in models
        for kind in kinds
        if kind in one
    ]


def wanted(site: Site, *models: dict[str, str]) -> dict[str, Any]:
    return manifest(parse(site.text, "lock"), requests(*models), VERSIONS)


def test_a_name_is_locked_with_revision_and_digests_of_what_is_read(site: Site, hub: Hub) -> None:
    assert site.lock(BASE)["changed"]
    value = wanted(site, BASE)
    (model,) = value["models"]
    revision = hub.repositories[REPOSITORY].refs["main"]
    base = f"hub/models--Systran--faster-whisper-base/snapshots/{revision}"
    assert (model["revision"], model["path"], model["names"]) == (revision, base, ["base", REPOSITORY])
    read = ("config.json", "model.bin", "tokenizer.json", "vocabulary.json")
    assert {one["path"]: (one["size"], one["sha256"]) for one in model["files"]} == {
        f"{base}/{name}": (len(WHISPER[name]), hashlib.sha256(WHISPER[name]).hexdigest()) for name in read
    }
    want(value)


def test_locking_a_hub_downloads_no_weights_and_a_later_run_asks_nobody(site: Site, hub: Hub) -> None:
    site.lock(BASE)
    assert f"{REPOSITORY}/model.bin" not in hub.sent
    hub.forget()
    wanted(site, BASE)
    assert hub.requests == []


def test_every_name_of_a_repository_is_in_the_manifest(site: Site, hub: Hub) -> None:
    hub.add("Systran/faster-whisper-large-v3", WHISPER)
    site.lock({"whisper": "large-v3"})
    (model,) = wanted(site, {"whisper": "large-v3"})["models"]
    assert model["names"] == ["large-v3", "Systran/faster-whisper-large-v3", "large"]


def test_the_files_come_once_and_are_compared(site: Site, hub: Hub) -> None:
    site.lock(BASE, EN)
    files = contents(wanted(site, BASE, EN))
    hub.forget()
    result = site.fill(files, BASE, EN)
    assert result["changed"] and result["downloaded"]["files"] == 1  # the rest came with the lock
    assert sum(hub.sent.values()) == len(WHISPER["model.bin"])
    for digest in files:
        assert hashlib.sha256((site.store / digest / "data").read_bytes()).hexdigest() == digest
    hub.forget()
    assert site.fill(files, BASE, EN)["changed"] is False and hub.requests == []
    assert not (site.store / ".part/models").exists()


def test_all_bytes_from_outside_are_the_unique_ones(site: Site, hub: Hub) -> None:
    site.lock(BASE, EN, DE)
    files = contents(wanted(site, BASE, EN, DE))
    site.fill(files, BASE, EN, DE)
    archive = len(hub.files["/nltk/tokenizers/punkt_tab.zip"].read())
    unpacked = sum(len(data) * 2 + len(" context") for data in (b"en", b"de"))
    assert sum(hub.sent.values()) == sum(files.values()) - unpacked + archive


def test_a_cold_store_is_filled_from_the_lock_alone(site: Site, tmp_path: Path) -> None:
    site.lock(BASE, EN)
    files = contents(wanted(site, BASE, EN))
    site.store = tmp_path / "another"
    site.fill(files, BASE, EN)
    assert all((site.store / digest / "data").is_file() for digest in files)


def test_alignment_brings_weights_and_sentences_of_its_language(site: Site) -> None:
    site.lock(EN, DE)
    found = {f"{one['kind']} {one['name']}": one for one in wanted(site, EN, DE)["models"]}
    german = found["align de"]
    assert german["path"] == "torch/hub/checkpoints/wav2vec2_voxpopuli_base_10k_asr_de.pt"
    assert (german["language"], german["names"]) == ("de", ["de", "VOXPOPULI_ASR_BASE_10K_DE"])
    folders = {one["path"].rpartition("/")[0] for one in found["sentences punkt_tab"]["files"]}
    assert folders == {"nltk/tokenizers/punkt_tab/english", "nltk/tokenizers/punkt_tab/german"}


def test_alignment_of_a_hub_takes_one_kind_of_weights(site: Site, hub: Hub) -> None:
    name = "jonatasgrosman/wav2vec2-large-xlsr-53-japanese"
    hub.add(name, ALIGN)
    site.lock({"align": "ja"})
    model = next(one for one in wanted(site, {"align": "ja"})["models"] if one["kind"] == "align")
    assert {one["path"].rpartition("/")[2] for one in model["files"]} == {
        "config.json",
        "preprocessor_config.json",
        "vocab.json",
        "model.safetensors",
    }
    assert model["language"] == "ja"


def test_a_pipeline_brings_what_it_names_and_what_its_class_has_by_default(site: Site, hub: Hub) -> None:
    config = b"""
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params: {segmentation: pyannote/segmentation-3.0, embedding: pyannote/wespeaker, clustering: X, step: 2}
"""
    weights = {"pytorch_model.bin": b"weights", "config.yaml": b"model: {}"}
    hub.add("pyannote/speaker-diarization-3.1", {"config.yaml": config, "handler.py": b""})
    hub.add("pyannote/segmentation-3.0", weights)
    hub.add("pyannote/wespeaker", {"pytorch_model.bin": b"other weights"})
    hub.add(COMMUNITY, {"config.yaml": b"x: 1", "plda/plda.npz": b"plda", "plda/xvec_transform.npz": b"xvec"})
    asked = {"diarize": "pyannote/speaker-diarization-3.1"}
    site.lock(asked)
    found = {one["name"]: one for one in wanted(site, asked)["models"]}
    needs = ["pyannote/segmentation-3.0", "pyannote/wespeaker", COMMUNITY]
    assert found["pyannote/speaker-diarization-3.1"]["requires"] == needs
    assert sorted(one["path"].rpartition("/")[2] for one in found[COMMUNITY]["files"]) == [
        "plda.npz",
        "xvec_transform.npz",
    ]


def test_a_pipeline_whose_parts_are_inside_needs_nothing_else(site: Site, hub: Hub) -> None:
    config = b"""
pipeline:
  params: {segmentation: $model/segmentation, embedding: $model/embedding, plda: $model/plda}
"""
    inside = {f"{part}/pytorch_model.bin": part.encode() for part in ("segmentation", "embedding")}
    hub.add(COMMUNITY, {"config.yaml": config, "plda/plda.npz": b"plda", **inside})
    site.lock({"diarize": COMMUNITY})
    (model,) = wanted(site, {"diarize": COMMUNITY})["models"]
    assert model["requires"] == [] and len(model["files"]) == 4


def test_a_model_without_a_tokenizer_brings_the_one_that_is_asked_for(site: Site, hub: Hub) -> None:
    bare = {name: data for name, data in WHISPER.items() if name != "tokenizer.json"}
    hub.add("Systran/faster-whisper-tiny.en", bare)
    hub.add("openai/whisper-tiny.en", {"tokenizer.json": b"{}", "model.safetensors": b"no"})
    site.lock({"whisper": "tiny.en"})
    found = {one["name"]: one for one in wanted(site, {"whisper": "tiny.en"})["models"]}
    assert found["tiny.en"]["requires"] == ["openai/whisper-tiny.en"]
    assert len(found["openai/whisper-tiny.en"]["files"]) == 1


def test_a_lock_stays_when_main_moves_and_upgrade_moves_it(site: Site, hub: Hub) -> None:
    site.lock(BASE)
    first = site.text
    second = hub.add(REPOSITORY, WHISPER | {"model.bin": b"newer"})
    assert site.lock(BASE)["changed"] is False and site.text == first
    assert site.lock(BASE, upgrade=True, check=True)["changed"] and site.text == first
    assert site.lock(BASE, upgrade=True)["changed"]
    assert wanted(site, BASE)["models"][0]["revision"] == second


def test_a_revision_is_the_one_that_was_asked_for(site: Site, hub: Hub) -> None:
    first = hub.repositories[REPOSITORY].refs["main"]
    hub.add(REPOSITORY, WHISPER | {"model.bin": b"newer"})
    asked = BASE | {"revision": first}
    site.lock(asked)
    assert wanted(site, asked)["models"][0]["revision"] == first


def test_check_mode_writes_no_lock(site: Site) -> None:
    result = site.lock(BASE, check=True)
    assert result["changed"] and not site.lock_dir.exists()
    site.lock(BASE)
    assert site.text == result["text"]


def test_what_no_inventory_lists_leaves_the_lock_and_what_others_list_stays(site: Site) -> None:
    site.lock(BASE, EN)
    site.lock(EN, listed=["align en", "whisper base"])
    assert "faster-whisper-base" in site.text
    site.lock(EN)
    assert "faster-whisper-base" not in site.text and "torchaudio:" in site.text


def directory(site: Site, files: dict[str, bytes]) -> dict[str, str]:
    folder = site.folder / "house"
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {"path": str(folder)}


@pytest.mark.parametrize(
    ("name", "repository"), [("base", REPOSITORY), ("house", "whisperx-fleet/house"), ("us/own", "us/own")]
)
def test_a_directory_is_placed_as_what_it_is_called(site: Site, hub: Hub, name: str, repository: str) -> None:
    asked = {"whisper": name, "revision": "2026-11"} | directory(site, WHISPER)
    site.lock(asked)
    (model,) = wanted(site, asked)["models"]
    assert (model["repository"], model["revision"]) == (repository, "2026-11")
    assert model["names"] == list(dict.fromkeys([name, repository]))
    site.fill(contents(wanted(site, asked)), asked)
    assert hub.requests == []
    assert all((site.store / digest / "data").is_file() for digest in contents(wanted(site, asked)))


def test_a_directory_needs_no_hub_library(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    asked = BASE | directory(site, WHISPER)
    site.lock(asked)
    site.fill(contents(wanted(site, asked)), asked)
    with pytest.raises(Problem) as caught:
        site.lock(EN, {"whisper": "large"})
    assert caught.value.rule == "models.no-library" and "huggingface_hub" in caught.value.sentence()
    # Nothing was fetched, not even what needs no library.
    assert site.hub.requests == []


def test_a_directory_without_a_revision_has_one_of_its_contents(site: Site) -> None:
    asked = BASE | directory(site, WHISPER)
    site.lock(asked)
    first = wanted(site, asked)["models"][0]["revision"]
    directory(site, {"model.bin": b"newer"})
    site.lock(asked, upgrade=True)
    assert len(first) == 40 and wanted(site, asked)["models"][0]["revision"] != first


@pytest.mark.parametrize(
    ("asked", "rule", "words"),
    [
        ({"whisper": "larg"}, "models.unknown-name", "large"),
        ({"align": "xx"}, "models.unknown-name", "OWNER/NAME"),
        ({"whisper": "nobody/nothing"}, "models.no-repository", "nobody/nothing"),
        ({"whisper": "base", "revision": "f" * 40}, "models.no-revision", "f" * 40),
        ({"whisper": "base", "path": "/nowhere/at/all"}, "models.no-directory", "/nowhere/at/all"),
        ({"whisper": "us/torch"}, "models.incomplete", "model.bin"),
        ({"diarize": "us/torch"}, "models.incomplete", "config.yaml"),
    ],
)
def test_what_cannot_be_is_named(site: Site, hub: Hub, asked: dict[str, str], rule: str, words: str) -> None:
    hub.add("us/torch", {"config.json": b"{}", "pytorch_model.bin": b"weights"})
    with pytest.raises(Problem) as caught:
        site.lock(asked)
    assert caught.value.rule == rule and words in caught.value.sentence()
    assert not site.lock_dir.exists()


@pytest.mark.parametrize(
    ("token", "rule", "words"),
    [
        ("", "models.gated", "whisperx_models_token"),
        ("hf_stranger", "models.gated", "has not accepted"),
        ("hf_invalid", "models.token", "whisperx_models_token"),
    ],
)
def test_a_gated_repository_says_what_to_do(site: Site, hub: Hub, token: str, rule: str, words: str) -> None:
    hub.add(COMMUNITY, {"config.yaml": b"x: 1"}, gated=True)
    hub.tokens.add("hf_stranger")
    with pytest.raises(Problem) as caught:
        site.lock({"diarize": COMMUNITY}, token=token)
    sentence = caught.value.sentence()
    assert caught.value.rule == rule and words in sentence
    assert COMMUNITY in sentence and (not token or token not in sentence)


def test_a_gated_repository_comes_with_a_token(site: Site, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_login")
    hub.add(COMMUNITY, {"config.yaml": b"pipeline: {params: {plda: $model/plda}}"}, gated=True)
    hub.accept("hf_good", COMMUNITY)
    site.lock({"diarize": COMMUNITY}, token="hf_good")
    assert os.environ["HF_TOKEN"] == "hf_of_the_login"


def test_a_cut_connection_is_resumed(site: Site, hub: Hub) -> None:
    size, cut, block = 24 << 20, 21 << 20, 10 << 20  # the library keeps what came in blocks of 10 MiB
    hub.add(REPOSITORY, WHISPER | {"model.bin": bytes(size)})
    site.lock(BASE)
    hub.forget()
    hub.faults.cut["model.bin"] = cut
    files = contents(wanted(site, BASE))
    site.fill(files, BASE)
    assert size < sum(hub.sent.values()) <= size + block


def test_other_bytes_than_the_locked_ones_are_not_kept(site: Site, hub: Hub) -> None:
    site.lock(BASE)
    hub.faults.wrong.add("model.bin")
    files = contents(wanted(site, BASE))
    with pytest.raises(Problem) as caught:
        site.fill(files, BASE)
    assert caught.value.rule == "models.wrong-hash"
    digest = hashlib.sha256(WHISPER["model.bin"]).hexdigest()
    assert not (site.store / digest / "data").exists()


def test_a_hub_that_is_away_is_named_with_its_variable(site: Site) -> None:
    with pytest.raises(Problem) as caught:
        site.lock(BASE, endpoint="http://127.0.0.1:9")
    assert caught.value.rule == "models.hub" and "whisperx_models_endpoint" in caught.value.remedy


def test_check_mode_of_a_fill_counts_and_fetches_nothing(site: Site, hub: Hub) -> None:
    site.lock(BASE)
    hub.forget()
    result = site.fill(contents(wanted(site, BASE)), BASE, check=True)
    assert result["changed"] and result["downloaded"]["bytes"] == len(WHISPER["model.bin"])
    assert hub.requests == []


def test_a_lock_that_was_read_and_written_is_the_same(site: Site) -> None:
    site.lock(BASE, EN, {"whisper": "house"} | directory(site, WHISPER))
    assert render(parse(site.text, "lock")) == site.text
    assert str(site.folder) not in site.text and "http" not in site.text


@pytest.mark.parametrize(
    "text", ["nonsense\n", "# whisperx-fleet-models: 1\nmodel\n", "# whisperx-fleet-models: 2\n"]
)
def test_a_malformed_lock_is_named(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text, "locks/models.txt")
    assert caught.value.rule == "models.lock"


def test_one_repository_at_two_revisions_is_refused(site: Site, hub: Hub) -> None:
    first = hub.repositories[REPOSITORY].refs["main"]
    hub.add(REPOSITORY, WHISPER | {"model.bin": b"newer"})
    both = (BASE, {"whisper": REPOSITORY, "revision": first})
    site.lock(*both)
    with pytest.raises(Problem) as caught:
        wanted(site, *both)
    assert caught.value.rule == "models.conflict"


def test_a_bundle_carries_lock_and_files_and_needs_no_network(site: Site, hub: Hub, tmp_path: Path) -> None:
    site.lock(BASE, EN)
    files = contents(wanted(site, BASE, EN))
    site.fill(files, BASE, EN)
    out, placed = tmp_path / "bundle", {name: site.store / name / "data" for name in files}
    catalogue = tmp_path / "none"
    bundle.make(out, {}, House(site.store), catalogue, (), bundle.Models(site.text, placed))
    listing.check(out)
    assert (out / "locks/models.txt").read_text() == site.text
    hub.forget()
    result = site.fill(files, BASE, EN, bundle=str(out), dir="")
    assert result["changed"] is False and hub.requests == []
    (out / "models" / next(iter(files)) / "data").unlink()
    with pytest.raises(Problem) as caught:
        site.fill(files, BASE, EN, bundle=str(out), dir="")
    assert caught.value.rule == "bundle.lacks"
