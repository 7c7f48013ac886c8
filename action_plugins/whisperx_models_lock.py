"""Action plugin of whisperx_models_lock: does in Ansible's own process what needs no network and no store.

Where the lock covers all models, and every host has what it asks for, the module does not run.
"""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import ansible.plugins

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction  # noqa: E402
from ..module_utils.whisperx_action.telling import told  # noqa: E402
from ..module_utils.whisperx_action.transfer import TERMINAL  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet, at  # noqa: E402
from ..module_utils.whisperx_models import advice  # noqa: E402
from ..module_utils.whisperx_models.hosts import Hosts, missing_files, read_hosts, read_requests  # noqa: E402
from ..module_utils.whisperx_models.lock import ModelsLock, parse  # noqa: E402
from ..module_utils.whisperx_models.manifest import contents  # noqa: E402
from ..module_utils.whisperx_models.request import Request  # noqa: E402
from ..module_utils.whisperx_models.rows import Rows, read_rows  # noqa: E402
from ..module_utils.whisperx_models.run import lock_path, not_in_bundle, read_lock, store_place  # noqa: E402
from ..module_utils.whisperx_models.store import NAME  # noqa: E402
from ..module_utils.whisperx_models_host.model import want  # noqa: E402

_FILE = "roles/whisperx_models/files/models.yml"
# Beside action_plugins in a checkout, beside plugins in a collection.
_ROWS = next(path / _FILE for path in Path(__file__).resolve().parents if (path / "roles").is_dir())
# Options of this plugin alone.
_OWN = ("everything", "upgrade")
_RESULT = "__whisperx_models"


class ActionModule(ControllerAction):
    """Runs whisperx_models_lock."""

    _requires_connection = True

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return what the module returns. Raises Problem."""
        inventory = sorted(at(variables, ("groups", "all")) or [])
        rows, models = read_rows(_ROWS), given.pop("models", None)
        in_image = given.pop("in_image", False)
        plans = given.pop("plans", None)
        if plans:
            own = {"__whisperx_plan": {"hosts": plans}, "__whisperx_lock": {"locks": given["locks"]}}
            variables = {**variables, **own}
        if given.get("state") == "advised":
            return {"notes": foreseen(rows, read_requests(fleet, variables, models), fleet, variables)}
        hosts = read_hosts(fleet, variables, inventory, models, in_image)
        if given.get("state") == "filled":
            return self._filled(given, variables, fleet, hosts)
        return self._locked(given, variables, fleet, hosts, rows)

    def _locked(
        self,
        given: dict[str, t.Any],
        variables: t.Mapping[str, t.Any],
        fleet: Fleet,
        hosts: Hosts,
        rows: Rows,
    ) -> dict[str, t.Any]:
        bundle = str(given.get("bundle") or "")
        path = lock_path(given["lock_dir"], bundle)
        wants = hosts.wants()
        text = before = read_lock(path) if wants else ""
        upgrade = bool(given.get("upgrade")) and not bundle
        missing = [] if upgrade or not wants else hosts.unlocked(parse(text, str(path)), rows)
        if missing and bundle:
            raise not_in_bundle([one.label for one in missing], bundle)
        if wants and (missing or upgrade):
            result = self._module(given, variables, hosts, upgrade=upgrade)
            if result.get("failed"):
                return result
            text = result["text"]
        lock = parse(text, str(path))
        sets, chosen = hosts.sets(lock)
        images = hosts.images(lock)
        named = {name: want(value).identity for name, value in images.items()}
        found = {
            "text": text,
            "sets": sets | {named[name]: value for name, value in images.items()},
            "of": chosen,
            "images": named,
            "notes": notes(rows, lock, hosts, fleet, variables),
        }
        if text != before:
            shown = {"before_header": str(path), "after_header": str(path)}
            found |= {"changed": True, "diff": {"before": before, "after": text, **shown}}
        return found

    def _filled(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet, hosts: Hosts
    ) -> dict[str, t.Any]:
        made = at(variables, (_RESULT,)) or {}
        sets, chosen = made.get("sets") or {}, made.get("of") or {}
        if given.get("everything"):
            missing = {name: size for value in sets.values() for name, size in contents(value).items()}
        else:
            missing = missing_files(fleet, sets, chosen)
        # An image that is built is made of all of its files, which the store may have already.
        place = store_place({"dir": "", "bundle": "", "cache_dir": "", **given})
        images = (made.get("images") or {}).values()
        built = {name: size for one in images for name, size in contents(sets[one]).items()}
        missing |= {name: size for name, size in built.items() if size_of(place / name / NAME) != size}
        files = [
            {"file": NAME, "sha256": name, "path": str(place / name / NAME)}
            for name in sorted({**missing, **built})
        ]
        found: dict[str, t.Any] = {"files": files, "downloaded": {"files": 0, "bytes": 0}}
        if not missing:
            return found
        more = {"contents": missing, "lock": made.get("text") or ""}
        result = self._module(given, variables, hosts, **more)
        if result.get("failed"):
            return result
        return {"changed": result["changed"], "files": files, "downloaded": result["downloaded"]}

    def _module(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], hosts: Hosts, **more: t.Any
    ) -> dict[str, t.Any]:
        """Run the module, and display how far it is."""
        options = {name: value for name, value in given.items() if name not in _OWN}
        options |= {"wants": hosts.wants(), "listed": sorted(hosts.listed), "rows": str(_ROWS), **more}
        with told() if TERMINAL else contextlib.nullcontext() as path:
            if path:
                options["progress"] = path
            return t.cast(
                dict[str, t.Any], self._execute_module(module_args=options, task_vars=dict(variables))
            )


def size_of(path: Path) -> int:
    """Return a file's size in bytes, -1 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def gpus_of(fleet: Fleet, variables: t.Mapping[str, t.Any], hosts: t.Iterable[str]) -> dict[str, t.Any]:
    """Return host to its GPUs, of the hosts whose plan uses them."""
    plans = at(variables, ("__whisperx_plan", "hosts")) or {}
    used = [host for host in hosts if at(plans, (host, "device")) == "cuda"]
    return fleet.recorded("ansible_facts.whisperx_host.gpus", used)


def notes(
    rows: Rows, lock: ModelsLock, hosts: Hosts, fleet: Fleet, variables: t.Mapping[str, t.Any]
) -> list[str]:
    """Return what a user should know of these models on these hosts, each sentence once."""
    asked = {one.label for requests in hosts.requests.values() for one in requests}
    names = [one for one in lock.names.values() if f"{one.kind} {one.name}" in asked]
    found = advice.licences(rows, [source for one in names for source in one.sources])
    repositories = {
        one.name: one.sources[0].partition(":")[2].partition("#")[0] for one in names if one.kind == "whisper"
    }
    gpus = gpus_of(fleet, variables, hosts.requests)
    for host, requests in hosts.requests.items():
        found += advice.memory(rows, requests, repositories, gpus.get(host))
    return list(dict.fromkeys(found))


def foreseen(
    rows: Rows,
    requests: t.Mapping[str, t.Sequence[Request]],
    fleet: Fleet,
    variables: t.Mapping[str, t.Any],
) -> list[str]:
    """Return the same where nothing is locked, as far as names and facts say it."""
    found = advice.foreseen(rows, [one for asked in requests.values() for one in asked])
    gpus = gpus_of(fleet, variables, requests)
    for host, asked in requests.items():
        found += advice.memory(rows, asked, {}, gpus.get(host))
    return list(dict.fromkeys(found))
