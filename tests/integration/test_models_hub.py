"""The stand-in for the hub, asked by the real huggingface_hub: the oldest and the newest that are planned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models.hub import Hub

# What WhisperX 3.8 pins it below 1.0 to, and the newest.
VERSIONS = ("huggingface_hub==0.36.2", "huggingface_hub")
FILES = {"config.json": b"{}", "model.bin": bytes(range(256)) * 2000}
NAME = "owner/model"
Ask = Callable[..., Any]


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest, uv: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    path = str(folder / "bin/python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", path, request.param], check=True)
    return path


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        running.add(NAME, FILES)
        yield running


@pytest.fixture
def ask(python: str, hub: Hub, tmp_path: Path) -> Ask:
    """Evaluate an expression with everything of huggingface_hub; an error is its class's name."""

    def run(expression: str, **variables: str) -> Any:
        code = "import json\nfrom huggingface_hub import *\nfrom huggingface_hub import errors\ntry:\n"
        code += f"    value = {expression}\nexcept Exception as error:\n    value = type(error).__name__\n"
        settings = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(tmp_path),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        settings |= {"PATH": os.environ["PATH"], "HF_HUB_DISABLE_XET": "1"} | variables
        done = subprocess.run(
            [python, "-c", code + "print(json.dumps(value))"], env=settings, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_a_snapshot_has_the_bytes_and_is_fetched_once(ask: Ask, hub: Hub) -> None:
    path = Path(ask(f"snapshot_download({NAME!r})"))
    assert path.name == hub.repositories[NAME].refs["main"]
    assert {name: (path / name).read_bytes() for name in FILES} == FILES
    assert ask(f"snapshot_download({NAME!r})") == str(path)
    assert hub.sent == {f"{NAME}/{name}": len(data) for name, data in FILES.items()}


def test_a_revision_stays_when_main_moves(ask: Ask, hub: Hub) -> None:
    first = hub.repositories[NAME].refs["main"]
    second = hub.add(NAME, FILES | {"config.json": b"[]"})
    assert ask(f"HfApi().model_info({NAME!r}).sha") == second
    path = Path(ask(f"snapshot_download({NAME!r}, revision={first!r})"))
    assert (path.name, (path / "config.json").read_bytes()) == (first, b"{}")


def test_only_large_files_have_a_digest(ask: Ask, hub: Hub) -> None:
    listing = f"HfApi().model_info({NAME!r}, files_metadata=True).siblings"
    found = ask(f"[[s.rfilename, s.size, s.lfs.sha256 if s.lfs else None] for s in {listing}]")
    blob = next(iter(hub.repositories[NAME].revisions.values()))["model.bin"]
    assert found == [["config.json", 2, None], ["model.bin", blob.size, blob.sha256]]


def test_what_does_not_exist(ask: Ask) -> None:
    assert ask(f"hf_hub_download({NAME!r}, 'other')") in ("EntryNotFoundError", "RemoteEntryNotFoundError")
    assert ask("HfApi().model_info('owner/other').sha") == "RepositoryNotFoundError"
    assert ask(f"HfApi().model_info({NAME!r}, revision='no').sha") == "RevisionNotFoundError"


def test_gated(ask: Ask, hub: Hub) -> None:
    hub.add("owner/gated", FILES, gated=True)
    hub.accept("hf_accepted", "owner/gated")
    hub.accept("hf_other")
    fetch = "hf_hub_download('owner/gated', 'model.bin')"
    assert ask(fetch) == "GatedRepoError"
    assert ask(fetch, HF_TOKEN="hf_other") == "GatedRepoError"
    assert ask(fetch, HF_TOKEN="hf_wrong") in (
        "RepositoryNotFoundError",
        "HfHubHTTPError",
        "LocalEntryNotFoundError",
    )
    assert Path(ask(fetch, HF_TOKEN="hf_accepted")).read_bytes() == FILES["model.bin"]


def test_a_cut_connection(ask: Ask, hub: Hub) -> None:
    """0.36 raises what its own retry does not catch; the next call completes the file."""
    hub.faults.cut["model.bin"] = 200_000
    fetch = f"hf_hub_download({NAME!r}, 'model.bin')"
    first = ask(fetch)
    assert ("cut model.bin", f"{NAME}/model.bin") in hub.requests
    assert Path(first if first.startswith("/") else ask(fetch)).read_bytes() == FILES["model.bin"]


def test_other_bytes_than_announced_are_not_noticed_by_the_library(ask: Ask, hub: Hub) -> None:
    """Which is why what is fetched has to be compared with the lock."""
    hub.faults.wrong.add("model.bin")
    path = Path(ask(f"hf_hub_download({NAME!r}, 'model.bin')"))
    assert path.stat().st_size == len(FILES["model.bin"]) and path.read_bytes() != FILES["model.bin"]
