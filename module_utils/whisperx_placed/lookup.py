"""What is placed on this host, and which copy of a model a program gets.

Runs inside the environment's own Python, imported at the first question. The order is: a directory or cache
that the caller named, if it has the model; the store of placed models; nothing, which leaves the library to
fetch the model into the caller's own cache. Only files are looked at; nothing here asks a server or writes.

Sources: the store's layout and manifest.json (docs/models.md); the cache of the Hugging Face hub
(huggingface_hub/constants.py, _snapshot_download.py), of torch (torch/hub.py) and of pyannote.audio 3
(pyannote/audio/core/model.py).
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

__all__ = ["Placed", "checkpoint", "find", "listed", "located", "reset", "say", "sentences", "store"]

# A store elsewhere; the commands of a release set it where the inventory does.
VARIABLE = "WHISPERX_MODELS_DIR"
# "0" passes the store over, as if nothing were placed.
SWITCH = "WHISPERX_PLACED_MODELS"
# Before the name of a variable: what the commands set it to themselves, as the caller had not; that is no
# choice of the caller's.
IMPLIED = "WHISPERX_IMPLIED_"
USUAL = "/opt/whisperx/models"
MANIFEST = "manifest.json"
# The variables that name a cache of the hub, the strongest first, and where in it the cache is.
_HUB_CACHES = (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub"))


class Placed(NamedTuple):
    """One model of the store. ``name`` is the site's; ``language`` "" any or unknown; ``path`` its directory
    or file; ``files`` path below ``path`` -> size."""

    kind: str
    name: str
    names: Sequence[str]
    language: str
    revision: str
    path: str
    files: Mapping[str, int]


_KNOWN: List[Placed] = []
_READ = False


def store() -> str:
    """Return the directory of the active set, "" where no models are placed.

    It is the set's own path: a process keeps its set when another one becomes active.
    """
    if os.environ.get(SWITCH) == "0":
        return ""
    beside = os.path.join(os.path.dirname(os.path.dirname(sys.prefix)), "models")
    for root in [os.environ.get(VARIABLE) or beside, USUAL]:
        current = os.path.realpath(os.path.join(root, "current"))
        if os.path.isfile(os.path.join(current, MANIFEST)):
            return current
        if os.environ.get(VARIABLE):
            break
    return ""


def reset() -> None:
    """Forget what was read."""
    global _READ
    _KNOWN.clear()
    _READ = False


def find(name: str, kind: str = "") -> Optional[Placed]:
    """Return the whole model that is placed under ``name``, None for none. ``kind`` "" is any kind."""
    for model in _models():
        if name in model.names and kind in ("", model.kind):
            lost = _wrong(model.path, model.files)
            if not lost:
                return model
            say("the placed model {} is damaged: {} is not whole; run site.yml again".format(name, lost))
    return None


def listed(kind: str) -> List[Placed]:
    """Return all placed models of a kind, whole or not."""
    return [model for model in _models() if model.kind == kind]


def located(model: Placed, revision: Optional[str] = None, cache: Optional[str] = None) -> str:
    """Return the directory a program gets for ``model``, "" if it wants another revision than is there.

    ``cache``: the cache that the call names, None for none. A cache of the caller's that has the model comes
    before the store.
    """
    named = _chosen_cache(cache)
    if named:
        for name in model.names:
            found = _snapshot(named, name, revision or "main", model)
            if found:
                return found
    return model.path if revision in (None, "", "main", model.revision) else ""


def checkpoint(file: str, directory: Optional[str] = None) -> str:
    """Return the directory of the store that has this file of torch's, "" to leave torch to its own.

    ``directory``: the one that the call names, None for none.
    """
    home = _own("TORCH_HOME")
    named = directory or (os.path.join(home, "hub", "checkpoints") if home else "")
    for model in _models():
        if os.path.basename(model.path) == file and os.path.isfile(model.path):
            if named and os.path.exists(os.path.join(named, file)):
                return ""
            lost = _wrong(model.path, model.files)
            if not lost:
                return os.path.dirname(model.path)
            say("the placed file {} is damaged: it is not whole; run site.yml again".format(file))
    return ""


def sentences() -> str:
    """Return the store's directory for NLTK, "" where it has no sentence data."""
    directory = os.path.join(store() or os.sep, "nltk")
    return directory if store() and os.path.isdir(os.path.join(directory, "tokenizers")) else ""


def own_entries(variable: str) -> int:
    """Return how many directories the caller put into a variable that lists them."""
    return len([path for path in _own(variable).split(os.pathsep) if path])


def say(text: str) -> None:
    """Print a line on standard error, as the commands do."""
    sys.stderr.write("whisperx: {}\n".format(text))


def _own(variable: str) -> str:
    """Return what the caller set a variable to, "" for nothing of the caller's."""
    value = os.environ.get(variable, "")
    return "" if value == os.environ.get(IMPLIED + variable) else value


def _chosen_cache(cache: Optional[str]) -> str:
    """Return the cache of the hub that the caller chose, by the call or by a variable; "" for none.

    Libraries also hand on the place that they would take anyway, which is no choice.
    """
    usual = [os.path.join("~", ".cache", "huggingface", "hub")]
    constants: Any = sys.modules.get("huggingface_hub.constants")
    usual += [str(getattr(constants, "HF_HUB_CACHE", "")), str(getattr(constants, "HF_HOME", ""))]
    if not _own("PYANNOTE_CACHE"):
        usual += [os.path.join("~", ".cache", "torch", "pyannote"), os.environ.get("PYANNOTE_CACHE", "")]
    if cache and _plain(cache) not in [_plain(path) for path in usual if path]:
        return str(cache)
    for variable, below in _HUB_CACHES:
        value = _own(variable)
        if value:
            return os.path.join(os.path.expanduser(value), below)
    return ""


def _plain(path: Any) -> str:
    return os.path.abspath(os.path.expanduser(str(path)))


def _snapshot(cache: str, name: str, revision: str, model: Placed) -> str:
    """Return the directory of a cache of the hub that has all of the model, "" for none."""
    folder = os.path.join(cache, "models--" + name.replace("/", "--"))
    try:
        with open(os.path.join(folder, "refs", revision), encoding="utf-8") as stream:
            revision = stream.read()
    except (OSError, ValueError):
        pass
    if "/" not in name or not revision or os.path.basename(revision) != revision:
        return ""
    directory = os.path.join(folder, "snapshots", revision)
    same = revision == model.revision
    sizes = model.files if same else dict.fromkeys(model.files, -1)
    return directory if os.path.isdir(directory) and not _wrong(directory, sizes) else ""


def _wrong(path: str, files: Mapping[str, int]) -> str:
    """Return the first of the files below ``path`` that is not there or has another size, "" for none.

    Size -1 is any but nothing.
    """
    for name, size in files.items():
        file = os.path.join(path, name) if name else path
        try:
            found = os.stat(file).st_size
        except OSError:
            return file
        if found != size and (size >= 0 or not found):
            return file
    return ""


def _models() -> List[Placed]:
    """Return the models of the active set, read once."""
    global _READ
    if not _READ:
        _READ = True
        directory = store()
        if directory:
            _KNOWN.extend(_read(directory))
    return _KNOWN


def _read(directory: str) -> List[Placed]:
    path = os.path.join(directory, MANIFEST)
    try:
        with open(path, encoding="utf-8") as stream:
            rows = json.load(stream)["models"]
        return [_model(directory, row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        say("the list of placed models {} cannot be read ({}); run site.yml again".format(path, problem))
        return []


def _model(directory: str, row: Mapping[str, Any]) -> Placed:
    """Return one entry of a manifest; ValueError for a path that leads out of the set."""
    top = _below(row["path"])
    names = [row["name"], *(row.get("names") or ()), row.get("repository")]
    files: Dict[str, int] = {}
    for file in row["files"]:
        name = _below(file["path"])
        if name == top or name.startswith(top + os.sep):
            files[name[len(top) + 1 :]] = int(file["size"])
    return Placed(
        str(row["kind"]),
        str(row["name"]),
        list(dict.fromkeys(str(name) for name in names if name)),
        str(row.get("language") or ""),
        str(row["revision"]),
        os.path.join(directory, top),
        files,
    )


def _below(path: str) -> str:
    plain = os.path.normpath(path)
    if os.path.isabs(plain) or plain.split(os.sep)[0] == os.pardir:
        raise ValueError("{} leads out of the set".format(path))
    return plain
