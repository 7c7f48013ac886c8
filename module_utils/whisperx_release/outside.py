"""What lies outside the root: the commands users call, and the static fact file."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Mapping, Sequence

from ..whisperx_common.files import discard, link, names_in, read_json, read_text, write_json, write_text
from ..whisperx_problem import Problem
from . import disk, records
from .model import SCHEMA, Layout

__all__ = [
    "check",
    "elsewhere",
    "emptied",
    "fact_is",
    "fact_text",
    "has_fact",
    "ours",
    "remove_fact",
    "write_command",
    "write_fact",
    "wrong_commands",
]

# What the fact file says of a release that is no venv.
_OF_RUNTIME = ("runtime", "engine", "image")


def check(layout: Layout, scripts: Sequence[str]) -> None:
    """Check that what we need outside the root is free, or ours.

    Raises Problem "env.foreign-command", "env.foreign-fact".
    """
    for name in scripts if layout.bin_dir else ():
        path = layout.command(name)
        if os.path.lexists(path) and not _is_ours(layout, path):
            other = _other_root(layout, _target(path))
            if other:
                raise Problem(
                    "env.foreign-command",
                    "a command of another environment of this toolkit, {}".format(other),
                    path,
                    "no file of that name, or a link into {}".format(layout.root),
                    "If {} moved, remove what is at the old place: -e {}={} -e whisperx_venv_state=absent. "
                    "To keep both, set {} to another directory.".format(
                        layout.option("root"), layout.option("root"), other, layout.option("bin_dir")
                    ),
                )
            raise Problem(
                "env.foreign-command",
                "a file that this toolkit did not make",
                path,
                "no file of that name, or a link into {}".format(layout.root),
                "Move it away, or set {} to another directory.".format(layout.option("bin_dir")),
            )
    if layout.fact and os.path.isdir(layout.fact):
        raise Problem(
            "env.foreign-fact",
            "a directory that this toolkit did not make",
            layout.fact,
            "no file of that name, or this toolkit's fact file",
            "Move it away, or set {} to another directory.".format(layout.option("facts_dir")),
        )


def elsewhere(layout: Layout) -> List[str]:
    """Return what a run with another root left, as a sentence; the fact file still names that root."""
    found = records.fact(layout.fact) if layout.fact else None
    root = str(found["root"]) if found else ""
    if not root or root == layout.root or not os.path.isfile(Layout(root, "", "").marker):
        return []
    count = len(names_in(Layout(root, "", "").releases))
    return [
        "left {0}, an environment of this toolkit (releases: {1}); if {2} moved, remove it: -e {2}={0} "
        "-e whisperx_venv_state=absent".format(root, count, layout.option("root"))
    ]


def ours(layout: Layout) -> List[str]:
    """Return the names of the links in the command directory that lead into the root."""
    names = names_in(layout.bin_dir) if layout.bin_dir else []
    return sorted(name for name in names if _is_ours(layout, layout.command(name)))


def wrong_commands(layout: Layout, scripts: Sequence[str]) -> List[str]:
    """Return the commands whose link is missing or points elsewhere."""
    if not layout.bin_dir:
        return []
    return [name for name in scripts if _target(layout.command(name)) != layout.launcher(name)]


def write_command(layout: Layout, name: str) -> None:
    """Link one command to the launch script of whatever release is current."""
    _make(layout, layout.bin_dir, "bin_dir")
    link(layout.command(name), layout.launcher(name))


def fact_text(layout: Layout, record: Mapping[str, Any]) -> str:
    """Return the fact file's text for a release's record: small and static."""
    versions = record.get("versions") or {}
    value: Dict[str, Any] = {
        "schema": SCHEMA,
        "root": layout.root,
        "release": record.get("id"),
        "created": record.get("created"),
        "device": record.get("device"),
        "python": record.get("python"),
        "torch_build": record.get("torch_build"),
        "verified": (record.get("verify") or {}).get("level"),
        "versions": {name: versions[name] for name in record.get("requested") or [] if name in versions},
        "commands": _commands(layout, record.get("scripts") or []),
    }
    if record.get("runtime"):
        value.update({key: record.get(key) for key in _OF_RUNTIME})
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def write_fact(layout: Layout, record: Mapping[str, Any]) -> None:
    """Write the fact file of a release's record."""
    _make(layout, layout.facts_dir, "facts_dir")
    write_text(layout.fact, fact_text(layout, record))


def fact_is(layout: Layout, record: Mapping[str, Any]) -> bool:
    """Return whether the fact file says what it should, or none is wanted."""
    return not layout.fact or read_text(layout.fact) == fact_text(layout, record)


def has_fact(layout: Layout) -> bool:
    """Return whether there is a fact file about this root."""
    found = records.fact(layout.fact) if layout.fact else None
    return found is not None and found["root"] == layout.root


def remove_fact(layout: Layout) -> None:
    """Remove the fact file if it is about this root."""
    if has_fact(layout):
        discard(layout.fact)


def emptied(layout: Layout) -> List[str]:
    """Return the directories that this toolkit made and that hold only what goes, the innermost first."""
    going = {layout.command(name) for name in ours(layout)} | ({layout.fact} if has_fact(layout) else set())
    for path in sorted(_made(layout), reverse=True):
        try:
            left = {os.path.join(path, name) for name in os.listdir(path)} - going
        except OSError:
            continue
        if not left:
            going.add(path)
    return sorted(going & set(_made(layout)), reverse=True)


def _make(layout: Layout, directory: str, name: str) -> None:
    """Make a directory; what was not there is noted first, for the removal."""
    path, missing = directory, []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    marker = read_json(layout.marker)
    if missing and marker is not None:
        write_json(layout.marker, dict(marker, made=sorted({*_made(layout), *missing})))
    disk.make(layout, directory, name)


def _made(layout: Layout) -> List[str]:
    """Return what the marker says was made outside of the root; nothing else than absolute paths counts."""
    noted = (read_json(layout.marker) or {}).get("made")
    found = noted if isinstance(noted, list) else []
    return [path for path in found if isinstance(path, str) and os.path.isabs(path)]


def _commands(layout: Layout, scripts: Sequence[str]) -> Dict[str, str]:
    return {name: layout.command(name) if layout.bin_dir else layout.launcher(name) for name in scripts}


def _is_ours(layout: Layout, path: str) -> bool:
    return _target(path).startswith(os.path.join(layout.current, "launch") + os.sep)


def _other_root(layout: Layout, target: str) -> str:
    """Return the root of this toolkit that a command's link leads into, "" for anything else."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(target)))
    middle = os.path.join(root, "current", "launch", os.path.basename(target))
    found = target == middle and root != layout.root and os.path.isfile(Layout(root, "", "").marker)
    return root if found else ""


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
