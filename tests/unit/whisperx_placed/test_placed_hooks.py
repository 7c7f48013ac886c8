"""Libraries find placed models: real wrapping, in a real interpreter, of small packages of the same shape.

tests/integration/test_models_found.py does the same with the libraries themselves, old and new.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_placed import sources
from tests.models.store import REVISION, Store

BASE = {"config.json": b"{}", "model.bin": b"weights"}
# What each library is made of here; each function says that it was left to do its work, and with what.
LIBRARIES = {
    "faster_whisper/__init__.py": "from faster_whisper.utils import download_model\n",
    "faster_whisper/utils.py": """
def download_model(size_or_id, output_dir=None, local_files_only=False, cache_dir=None, revision=None):
    return ["faster_whisper", size_or_id, output_dir, cache_dir, revision]
""",
    "huggingface_hub/__init__.py": """
from .file_download import hf_hub_download, try_to_load_from_cache
from ._snapshot_download import snapshot_download
""",
    "huggingface_hub/constants.py": "HF_HUB_CACHE = '/usual/hub'\n",
    "huggingface_hub/utils.py": """
class LocalEntryNotFoundError(FileNotFoundError):
    pass
""",
    "huggingface_hub/file_download.py": """
from . import constants
def hf_hub_download(repo_id, filename, *, subfolder=None, repo_type=None, revision=None, cache_dir=None,
                    local_dir=None, force_download=False, **older):
    return ["hub", repo_id, filename, cache_dir, older]
def try_to_load_from_cache(repo_id, filename, cache_dir=None, revision=None, repo_type=None):
    return None
""",
    "huggingface_hub/_snapshot_download.py": """
def snapshot_download(repo_id, *, repo_type=None, revision=None, cache_dir=None, local_dir=None):
    return ["hub", repo_id, cache_dir]
""",
    "torch/__init__.py": "from . import hub\n",
    "torch/hub.py": """
def load_state_dict_from_url(url, model_dir=None, map_location=None, file_name=None):
    return ["torch", url, model_dir]
""",
    "nltk/__init__.py": "from . import data\n",
    "nltk/data.py": """
import os
path = [place for place in os.environ.get("NLTK_DATA", "").split(os.pathsep) if place] + ["/usual/nltk"]
""",
    "whisperx/__init__.py": "from .alignment import load_align_model\n",
    "whisperx/alignment.py": """
DEFAULT_ALIGN_MODELS_TORCH = {"en": "BUNDLE"}
DEFAULT_ALIGN_MODELS_HF = {"pt": "someone/portuguese"}
def load_align_model(language_code, device, model_name=None, model_dir=None):
    return ["whisperx", language_code, model_name]
""",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The packages of an environment, with what finds placed models."""
    folder = tmp_path / "site"
    for name, text in LIBRARIES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    sources.write(str(folder))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "models")
    store.hub("whisper", ["base", "Systran/faster-whisper-base"], "Systran/faster-whisper-base", BASE)
    store.hub("whisper", ["house"], "whisperx-fleet/house", BASE, "2026-11")
    store.hub("align", ["pt", "someone/portuguese"], "someone/portuguese", {"config.json": b"{}"})
    store.hub("diarize", ["owner/voices"], "owner/voices", {"config.yaml": b"a", "plda/plda.npz": b"b"})
    store.torch("english.pth", b"state")
    store.sentences({"english/collocations.tab": b"x"})
    store.finish()
    return store


def ask(site: Path, store: Store | None, code: str, **variables: str) -> tuple[Any, str]:
    """Run a statement that sets ``answer`` in an interpreter of its own; return that and standard error."""
    environment = {"HOME": "/nonexistent", "WHISPERX_MODELS_DIR": str(store.root if store else site / "none")}
    start = f"import site, sys\nsys.path.insert(0, {str(site)!r})\nsite.addsitedir({str(site)!r})\n"
    program = f"{start}{code}\nimport json\nprint(json.dumps(answer))\n"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment | variables, capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


FASTER = "import faster_whisper\nanswer = faster_whisper.download_model"
HUB = "import huggingface_hub\nanswer = huggingface_hub."


def snapshot(store: Store, repository: str, revision: str = REVISION) -> str:
    return f"{store.directory}/hub/models--{repository.replace('/', '--')}/snapshots/{revision}"


@pytest.mark.parametrize("name", ["base", "Systran/faster-whisper-base"])
def test_a_placed_model_is_a_directory(site: Path, store: Store, name: str) -> None:
    found, said = ask(site, store, f"{FASTER}({name!r}, local_files_only=True)")
    assert (found, said) == (snapshot(store, "Systran/faster-whisper-base"), "")


def test_a_name_of_the_site_that_the_library_does_not_know(site: Path, store: Store) -> None:
    assert ask(site, store, f"{FASTER}('house')")[0] == snapshot(store, "whisperx-fleet/house", "2026-11")


@pytest.mark.parametrize(
    "call",
    [
        "('small')",
        "('base', revision='other')",
        "('base', output_dir='/some/where')",
        "('base', '/some/where')",
    ],
)
def test_what_is_not_placed_is_the_librarys(site: Path, store: Store, call: str) -> None:
    assert ask(site, store, FASTER + call)[0][0] == "faster_whisper"


def test_without_a_store_or_with_the_switch_all_is_as_if_nothing_were_here(site: Path, store: Store) -> None:
    assert ask(site, None, f"{FASTER}('base')")[0][0] == "faster_whisper"
    assert ask(site, store, f"{FASTER}('base')", WHISPERX_PLACED_MODELS="0")[0][0] == "faster_whisper"


@pytest.mark.parametrize("revision", [None, "main", REVISION])
def test_one_file_of_the_hub(site: Path, store: Store, revision: str | None) -> None:
    call = f"{HUB}hf_hub_download('owner/voices', 'plda.npz', subfolder='plda', revision={revision!r})"
    assert ask(site, store, call)[0] == snapshot(store, "owner/voices") + "/plda/plda.npz"


def test_a_file_that_was_not_placed_is_not_asked_for_elsewhere(site: Path, store: Store) -> None:
    code = """
import huggingface_hub
try:
    answer = huggingface_hub.hf_hub_download('owner/voices', 'other.bin')
except FileNotFoundError as error:
    answer = [type(error).__name__, str(error)]
"""
    kind, text = ask(site, store, code)[0]
    assert (
        kind == "LocalEntryNotFoundError" and "other.bin is none of the placed files of owner/voices" in text
    )


@pytest.mark.parametrize(
    "more", ["repo_type='dataset'", "force_download=True", "local_dir='/x'", "revision='v2'"]
)
def test_other_wishes_go_to_the_hub(site: Path, store: Store, more: str) -> None:
    assert ask(site, store, f"{HUB}hf_hub_download('owner/voices', 'config.yaml', {more})")[0][0] == "hub"


def test_older_arguments_are_handed_on(site: Path, store: Store) -> None:
    call = f"{HUB}hf_hub_download('owner/other', filename='a', use_auth_token='t')"
    assert ask(site, store, call)[0] == ["hub", "owner/other", "a", None, {"use_auth_token": "t"}]
    call = f"{HUB}hf_hub_download('owner/voices', 'config.yaml', use_auth_token='t')"
    assert ask(site, store, call)[0].endswith("/config.yaml")


def test_all_files_and_what_is_there(site: Path, store: Store) -> None:
    assert ask(site, store, f"{HUB}snapshot_download('owner/voices')")[0] == snapshot(store, "owner/voices")
    call = f"{HUB}try_to_load_from_cache('owner/voices', 'config.yaml')"
    assert ask(site, store, call)[0] == snapshot(store, "owner/voices") + "/config.yaml"
    assert ask(site, store, f"{HUB}try_to_load_from_cache('owner/voices', 'no')")[0] is None


@pytest.mark.parametrize(
    ("arguments", "model"),
    [
        ("'pt', 'cpu'", "pt"),
        ("'pt', 'cpu', 'someone/portuguese'", "pt"),
        ("'en', 'cpu'", ""),
        ("'de', 'cpu'", ""),
    ],
)
def test_alignment_by_whisperx_own_tables(site: Path, store: Store, arguments: str, model: str) -> None:
    found = ask(site, store, f"import whisperx\nanswer = whisperx.load_align_model({arguments})")[0]
    assert found[2] == (snapshot(store, "someone/portuguese") if model else None)


def test_weights_of_torch(site: Path, store: Store, tmp_path: Path) -> None:
    place = f"{store.directory}/torch/hub/checkpoints"
    call = "import torch.hub\nanswer = torch.hub.load_state_dict_from_url('http://x/a/english.pth'"
    assert ask(site, store, call + ")")[0][2] == place
    # A directory of the caller's comes first if it has the file, and else not.
    assert ask(site, store, call + f", model_dir={str(tmp_path)!r})")[0][2] == place
    (tmp_path / "english.pth").touch()
    assert ask(site, store, call + f", model_dir={str(tmp_path)!r})")[0][2] == str(tmp_path)
    home = tmp_path / "hub/checkpoints"
    home.mkdir(parents=True)
    (home / "english.pth").touch()
    assert ask(site, store, call + ")", TORCH_HOME=str(tmp_path))[0][2] is None
    assert ask(site, store, call.replace("english.pth", "other.pth") + ")")[0][2] is None


def test_sentences_come_after_the_callers_own_directories(site: Path, store: Store) -> None:
    code, placed = "import nltk.data\nanswer = nltk.data.path", f"{store.directory}/nltk"
    assert ask(site, store, code)[0] == [placed, "/usual/nltk"]
    own = {"NLTK_DATA": "/a:/b"}
    assert ask(site, store, code, **own)[0] == ["/a", "/b", placed, "/usual/nltk"]
    implied = {"NLTK_DATA": "/a", "WHISPERX_IMPLIED_NLTK_DATA": "/a"}
    assert ask(site, store, code, **implied)[0] == [placed, "/a", "/usual/nltk"]


def filled(cache: Path, revision: str, model: bytes = b"weights") -> Path:
    """A cache of the hub with base in some revision."""
    folder = cache / "models--Systran--faster-whisper-base"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text(revision)
    place = folder / "snapshots" / revision
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(b"{}")
    if model:
        (place / "model.bin").write_bytes(model)
    return place


@pytest.mark.parametrize("how", ["argument", "HF_HUB_CACHE", "HF_HOME"])
def test_a_cache_of_the_callers_comes_first_if_it_has_the_model(
    site: Path, store: Store, tmp_path: Path, how: str
) -> None:
    place = filled(tmp_path / "own/hub", "b" * 40)
    cache = str(tmp_path / ("own" if how == "HF_HOME" else "own/hub"))
    call, variables = f"{FASTER}('base')", {how: cache}
    if how == "argument":
        call, variables = f"{FASTER}('base', cache_dir={cache!r})", {}
    assert ask(site, store, call, **variables)[0] == str(place)
    (place / "model.bin").unlink()
    assert ask(site, store, call, **variables)[0] == snapshot(store, "Systran/faster-whisper-base")
    # What the commands chose themselves is no choice of the caller's.
    (place / "model.bin").write_bytes(b"weights")
    if variables:
        variables[f"WHISPERX_IMPLIED_{how}"] = cache
        assert ask(site, store, call, **variables)[0] == snapshot(store, "Systran/faster-whisper-base")


def test_a_cut_off_copy_of_the_same_revision_is_passed_over(site: Path, store: Store, tmp_path: Path) -> None:
    filled(tmp_path, REVISION, b"weig")
    found = ask(site, store, f"{FASTER}('base', cache_dir={str(tmp_path)!r})")[0]
    assert found == snapshot(store, "Systran/faster-whisper-base")


def test_the_usual_cache_handed_on_by_a_library_is_no_choice(site: Path, store: Store) -> None:
    for usual in ("/usual/hub", "/nonexistent/.cache/torch/pyannote"):
        call = f"{HUB}hf_hub_download('owner/voices', 'config.yaml', cache_dir={usual!r})"
        assert ask(site, store, call)[0] == snapshot(store, "owner/voices") + "/config.yaml"


def test_a_damaged_model_is_named_and_left_to_the_library(site: Path, store: Store) -> None:
    file = Path(snapshot(store, "Systran/faster-whisper-base")) / "model.bin"
    file.chmod(0o644)
    file.write_bytes(b"w")
    found, said = ask(site, store, f"{FASTER}('base')")
    assert found[0] == "faster_whisper"
    assert said.splitlines() == [
        f"whisperx: the placed model base is damaged: {file} is not whole; run site.yml again"
    ]


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", '{"models": [{}]}', '{"models": [{"kind": 1, "path": "../x", "files": []}]}']
)
def test_a_manifest_that_cannot_be_read_takes_nothing_away(site: Path, store: Store, manifest: str) -> None:
    (store.directory / "manifest.json").write_text(manifest)
    found, said = ask(site, store, f"{FASTER}('base')")
    assert found[0] == "faster_whisper" and "cannot be read" in said


def test_a_model_that_could_not_be_had_is_named_with_the_variable(site: Path, store: Store) -> None:
    (site / "faster_whisper/utils.py").write_text(
        "def download_model(size_or_id):\n    raise OSError('no network')\n"
    )
    code = """
import faster_whisper
try:
    answer = faster_whisper.download_model('large-v3')
except OSError as error:
    answer = str(error)
"""
    found, said = ask(site, store, code)
    assert found == "no network"
    assert "large-v3 is not among the placed models" in said and "whisperx_models" in said


def test_a_process_keeps_its_set(site: Path, store: Store) -> None:
    other = Store(store.root, name="f" * 16)
    other.hub("whisper", ["base"], "Systran/faster-whisper-base", BASE, "c" * 40)
    code = f"""
import os, faster_whisper
first = faster_whisper.download_model('base')
os.replace({str(store.root / "next")!r}, {str(store.root / "current")!r})
answer = [first, faster_whisper.download_model('base')]
"""
    (other.directory / "manifest.json").write_text(json.dumps({"schema": 1, "models": other.models}))
    (store.root / "next").symlink_to(f"sets/{other.name}")
    first, second = ask(site, store, code)[0]
    assert first == second and store.name in first
    assert other.name in ask(site, store, f"{FASTER}('base')")[0]


def test_it_starts_quickly_and_imports_nothing_large(site: Path) -> None:
    program = f"import site, sys\nbefore = set(sys.modules)\nsite.addsitedir({str(site)!r})\n"
    program += "print(*sorted(set(sys.modules) - before))\n"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"__future__", "whisperx_fleet_models", "whisperx_fleet_models.hooks"}


def test_what_is_written_is_ours_alone(site: Path) -> None:
    package = site / "whisperx_fleet_models"
    assert not sources.stale(str(site))
    (package / "hooks.py").write_text("")
    (package / "hooks.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    assert sources.stale(str(site))
    sources.write(str(site))
    assert not sources.stale(str(site))
    assert sorted(os.listdir(package)) == ["__init__.py", "hooks.py", "lookup.py"]
    assert package.stat().st_mode & 0o777 == 0o755 and (package / "hooks.py").stat().st_mode & 0o777 == 0o644
