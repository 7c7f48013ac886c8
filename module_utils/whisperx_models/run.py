"""The options of the module, and what it does where the network, a directory or the store is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..whisperx_common import trust
from ..whisperx_common.cache_dir import cache_dir_of
from ..whisperx_common.digests import Digests
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import write_text
from ..whisperx_common.index_options import index_options, index_values
from ..whisperx_common.lockfile import parse as parse_lock
from ..whisperx_common.models import LOCK as NAME
from ..whisperx_common.wording import named
from ..whisperx_lock.sources import make_sources
from ..whisperx_lock.uv import Uv, find_uv
from ..whisperx_problem import Problem
from ..whisperx_wheelhouse.house import House
from ..whisperx_wheelhouse.progress import Progress
from . import request as requests
from .fill import Filler, origins
from .hub import Hub, check_library
from .lock import ModelsLock, parse, render
from .request import Request
from .resolve import Resolver, package_of, sources_of
from .rows import Rows, read_rows
from .source import read
from .store import Store
from .tables import Tables, read_tables
from .web import Web
from .wheels import wheels

__all__ = ["ARGUMENTS", "lock_path", "not_in_bundle", "read_lock", "run", "store_place"]

ARGUMENTS: dict[str, Any] = {
    "state": {"choices": ["locked", "filled", "advised"], "default": "locked"},
    "models": {"type": "list", "elements": "dict", "default": []},
    "in_image": {"type": "bool", "default": False},
    "plans": {"type": "dict", "default": {}},
    "wants": {"type": "list", "elements": "dict", "default": []},
    "listed": {"type": "list", "elements": "str", "default": []},
    "locks": {"type": "dict", "default": {}},
    "lock": {"default": ""},
    "lock_dir": {"type": "path", "required": True},
    "upgrade": {"type": "bool", "default": False},
    "contents": {"type": "dict", "default": {}},
    "rows": {"type": "path"},
    "dir": {"type": "path"},
    "bundle": {"type": "path"},
    "endpoint": {"default": ""},
    "token": {"default": "", "no_log": True},
    "torch_url": {"default": ""},
    "nltk_url": {"default": ""},
    "uv": {"type": "path"},
    **index_options(find_links=""),
    "cache_dir": {"type": "path"},
    "progress": {"type": "path"},
}


def lock_path(lock_dir: str, bundle: str) -> Path:
    """Return the file of the lock: of a bundle, that in it."""
    folder = Path(bundle) / "locks" if bundle else Path(lock_dir)
    return folder.expanduser().absolute() / f"{NAME}.txt"


def read_lock(path: Path) -> str:
    """Return the text of the lock, "" where there is none. Raises Problem "models.lock"."""
    try:
        return path.read_text("utf-8") if path.exists() else ""
    except (OSError, ValueError) as error:
        raise Problem(
            "models.lock",
            f"it cannot be read: {error}",
            str(path),
            "the lock of models",
            "Make it readable for this user.",
        ) from None


def run(options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the module's result. Raises Problem.

    With "locked": ``text``, the lock with all that is wanted. With "filled": ``downloaded``, after every file
    of ``contents`` (SHA-256 to size) is in the store.
    """
    tools = _Tools(options)
    if options["state"] == "filled":
        return tools.filled(check_mode)
    check_places(options, ("lock_dir", "whisperx_plan_lock_dir"))
    path = lock_path(options["lock_dir"], "")
    before = read_lock(path)
    text = render(tools.locked(parse(before, str(path))))
    if text != before and not check_mode:
        try:
            make_directories(str(path.parent), None)
            write_text(str(path), text)
        except OSError as error:
            raise Problem(
                "models.lock",
                f"it cannot be written: {error.strerror or error}",
                str(path),
                "a directory that this user may write",
                "Set whisperx_plan_lock_dir to one.",
            ) from None
    return {"changed": text != before, "text": text}


class _Tools:
    """What the options make available."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self._known: dict[str, tuple[Tables, dict[str, str]]] = {}
        self.rows: Rows = read_rows(Path(options["rows"]))
        self.store = Store(House(store_place(options), compared=bool(options["bundle"])))
        self.progress = Progress(Path(options["progress"]) if options["progress"] else None)
        addresses = self.rows.addresses
        self.hub = Hub(options["endpoint"] or addresses["hub"], self.store.hub_cache, options["token"])
        self.web = Web(
            options["torch_url"] or addresses["torchaudio"],
            options["nltk_url"] or addresses["nltk"],
            self.progress.add,
        )

    def locked(self, lock: ModelsLock) -> ModelsLock:
        """Return the lock with every request that is wanted, and without what no inventory lists."""
        check_places(self.options, ("dir", "whisperx_wheelhouse_dir"))
        digests = Digests(str(self.store.house.root / ".digests-models.json"))
        resolver = Resolver(self.rows, self.hub, self.web, self.store, digests)
        # What is needed is known before anything is fetched.
        self._check_library()
        for want in self.options["wants"]:
            tables, versions = self._tables(want["class"])
            for one in requests.read(want["models"], want["class"]):
                lock = resolver.add(
                    lock, one, tables, package_of(one.kind, versions), self.options["upgrade"]
                )
        digests.save()
        self.store.house.remember()
        return pruned(lock, set(self.options["listed"]))

    def filled(self, check_mode: bool) -> dict[str, Any]:
        """Bring the files that are wanted."""
        wanted = {str(name): int(size) for name, size in self.options["contents"].items()}
        missing = self.store.missing(wanted)
        result = {
            "changed": bool(missing),
            "downloaded": {"files": len(missing), "bytes": sum(missing.values())},
        }
        lock = parse(self.options["lock"], NAME)
        files = origins(lock, missing, self._requests())
        if missing and self.options["bundle"]:
            raise not_in_bundle([one.path for one in files], self.options["bundle"])
        if not missing or check_mode:
            return result
        check_places(self.options, ("dir", "whisperx_wheelhouse_dir"))
        if any(read(one.model.source).origin == "hub" and not read(one.model.source).local for one in files):
            check_library()
        Filler(self.store, self.hub, self.web, self.progress).fill(files)
        self.store.house.remember()
        return result

    def _requests(self) -> list[Request]:
        return [one for want in self.options["wants"] for one in requests.read(want["models"], want["class"])]

    def _check_library(self) -> None:
        """Raise Problem "models.no-library" where a model of a hub is wanted and nothing can fetch it."""
        for want in self.options["wants"]:
            tables, versions = self._tables(want["class"])
            for one in requests.read(want["models"], want["class"]):
                name = sources_of(one, tables, package_of(one.kind, versions))
                main = read(name.sources[0])
                if main.origin == "hub" and not main.local:
                    check_library()

    def _tables(self, name: str) -> tuple[Tables, dict[str, str]]:
        """Return what the packages of a class say, and their versions."""
        if name not in self._known:
            lock = self.options["locks"][name]
            uv = Uv(find_uv(self.options["uv"] or ""), make_sources(**index_values(self.options)))
            house = House(store_place(self.options))
            tables = read_tables(wheels(lock, house, uv, self.progress))
            house.remember()
            self._known[name] = (tables, dict(parse_lock(lock["text"]).versions))
        return self._known[name]


def pruned(lock: ModelsLock, listed: set[str]) -> ModelsLock:
    """Return the lock without the names that no inventory lists ("whisper base"), and what only they need."""
    names = {key: one for key, one in lock.names.items() if f"{one.kind} {one.name}" in listed}
    needed = {source for one in names.values() for source in one.sources}
    models = {key: one for key, one in lock.models.items() if one.source in needed}
    return ModelsLock(names, models)


def store_place(options: Mapping[str, Any]) -> Path:
    """Return the directory of the store."""
    if options["bundle"]:
        return Path(options["bundle"]).expanduser().absolute() / "models"
    if options["dir"]:
        return Path(options["dir"]).expanduser().absolute()
    return cache_dir_of(options["cache_dir"]) / "wheelhouse"


def check_places(options: Mapping[str, Any], *places: tuple[str, str]) -> None:
    """Raise Problem "models.untrusted-directory" for a directory to write in that others can change."""
    written = {
        str(store_place(options) if name == "dir" else Path(options[name]).absolute()): variable
        for name, variable in places
    }
    trust.check(written, "models.untrusted-directory", trust.controller_users())


def not_in_bundle(names: list[str], where: str) -> Problem:
    """Return what to say when a bundle was made for other models."""
    return Problem(
        "bundle.lacks",
        f"the bundle lacks {len(names)} files of models, among them {named(names, 3)}",
        where,
        "every file of the models of these hosts",
        "Make a bundle for these hosts with playbooks/bundle.yml.",
    )
