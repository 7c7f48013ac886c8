"""The locks of all classes from the options of the module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..whisperx_common import trust
from ..whisperx_common.cache_dir import cache_dir_of
from ..whisperx_common.index_options import index_options, index_values
from .directory import read_locks, write
from .document import complete
from .lock import LockResult, make_all
from .sources import make_sources
from .workshop import open_workshop

__all__ = ["ARGUMENTS", "run"]

ARGUMENTS: dict[str, Any] = {
    "classes": {"type": "dict", "required": True},
    "lock_dir": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["locked", "upgrade"], "default": "locked"},
    "uv": {"type": "path"},
    **index_options(),
    "python_mirror": {"type": "str"},
    "bundle": {"type": "path"},
    "bundle_digest": {"type": "str", "default": ""},
    "cache_dir": {"type": "path"},
    "plan_output": {"type": "path"},
    "wheels": {"type": "dict", "default": {}},
}


def run(options: Mapping[str, Any], check_mode: bool, check: Callable[[Path, str], Any]) -> dict[str, Any]:
    """Return the module's result for these options.

    ``check`` raises Problem for a bundle that is not whole, or has another digest. Raises Problem.
    """
    sources = make_sources(**index_values(options), python_mirror=options["python_mirror"] or "")
    lock_dir, state = Path(options["lock_dir"]).absolute(), options["state"]
    bundle = Path(options["bundle"]).absolute() if options["bundle"] else None
    if bundle:
        check(bundle, options["bundle_digest"])
        lock_dir, state, check_mode = bundle / "locks", "locked", True
    written = {} if bundle else {str(lock_dir): "whisperx_plan_lock_dir"}
    cache = str(cache_dir_of(options["cache_dir"]))
    written[cache] = "whisperx_plan_cache_dir"
    trust.check(written, "lock.untrusted-directory", trust.controller_users())
    shop = open_workshop(
        sources,
        lock_dir,
        options["uv"] or "",
        options["cache_dir"] or "",
        bundle,
        {str(sha256): str(path) for sha256, path in (options.get("wheels") or {}).items()},
    )
    results, problems = make_all(options["classes"], read_locks(lock_dir), state, shop)
    if problems and not results:
        raise problems[min(problems)]
    changed = [name for name, result in results.items() if result.changed and not bundle]
    if not check_mode:
        for name in changed:
            write(lock_dir, name, results[name].text)
    if options["plan_output"]:
        complete(options["plan_output"], results)
    return {
        "changed": bool(changed),
        "locks": {name: record(result, lock_dir / f"{name}.txt") for name, result in results.items()},
        "problems": {
            name: {**entry.record(), "sentence": entry.sentence()} for name, entry in problems.items()
        },
        "diff": [results[name].diff(str(lock_dir / f"{name}.txt")) for name in changed],
    }


def record(result: LockResult, path: Path) -> dict[str, Any]:
    """Return one entry of RETURN's ``locks``."""
    return {
        "text": result.text,
        "digest": result.digest,
        "path": str(path),
        "bytes": result.lock.bytes,
        "kept": not result.changed,
        "notes": list(result.notes),
        "extras": {extra.name: result.lock.versions[extra.name] for extra in result.lock.extras},
        "uv": {"path": result.uv.path, "sha256": result.uv.sha256},
        "files": [{"file": entry.file, "sha256": entry.sha256, "path": entry.path} for entry in result.files],
    }
