"""Target: unpack a managed Python with uv, which compares the archive with its locked digest meanwhile."""

from __future__ import annotations

import json
import os
from typing import Dict
from urllib.parse import quote

from ..whisperx_common import process
from ..whisperx_common.durable import make_directories, sync_tree
from ..whisperx_common.files import discard, write_json, write_text
from ..whisperx_problem import Problem
from ..whisperx_release.hooks import Emit, Hooks
from . import cache, commands, pythons
from .model import Options
from .pythons import Tree
from .readable import open_to_readers
from .supplies import Program, is_sound

__all__ = ["unpack"]

_LIST = "downloads.json"
_TAIL = 1000
_RUNS = (
    "import ctypes, hashlib, ssl, zlib, sys; print('.'.join(map(str, sys.version_info[:3])), sys.base_prefix)"
)


def unpack(tree: Tree, uv: Program, options: Options, hooks: Hooks, emit: Emit) -> None:
    """Make a managed Python from its archive in files/; its record is written when all is on disk.

    Raises Problem "env.python-archive" for an archive that is another, "env.disk-space", or
    "env.managed-python" for one that does not run here; nothing of it is left then.
    """
    layout = tree.layout
    pythons.forget(layout, tree.name)
    cache.prepare(layout)
    # Closed while uv works: its lock file is open to all.
    make_directories(tree.folder, 0o700, layout.root)
    try:
        _install(tree, uv, options, hooks)
        emit("unpacked")
        _leave_only_the_tree(tree)
        _check(tree, options)
        open_to_readers(tree.folder, layout.root)
        sync_tree([tree.folder, tree.path])
        emit("synced")
    except BaseException:
        pythons.forget(layout, tree.name)
        raise
    found = {"archive": tree.archive.record(), "files": pythons.contents(tree.folder, layout.root)}
    write_json(tree.note, found, 0o644, layout.root)
    emit("noted")
    discard(layout.path("files", tree.archive.sha256), layout.root)


def _install(tree: Tree, uv: Program, options: Options, hooks: Hooks) -> None:
    archive = tree.archive
    source = tree.layout.path("files", archive.sha256, archive.file)
    if not is_sound(tree.layout, archive.sha256, archive.file):
        raise _changed(tree, source, "its SHA-256 is not that of its place")
    listed = os.path.join(tree.folder, _LIST)
    text = json.dumps(archive.download("file://" + quote(source)), indent=1, sort_keys=True)
    write_text(listed, text + "\n", 0o600, tree.layout.root, durable=False)
    command = commands.python(uv.path, archive.key, listed, tree.folder)
    environment = commands.alone(tree.layout.cache, hooks.inherited)
    code, said = process.run(command, environment, options.timeout, passed=(uv.descriptor, *hooks.passed))
    if code:
        raise _problem(tree, source, " ".join(said.split())[-_TAIL:])


def _leave_only_the_tree(tree: Tree) -> None:
    """Remove what uv keeps beside it: a link that would move every environment to a newer patch, its lock."""
    for name in os.listdir(tree.folder):
        if name != tree.archive.key:
            discard(os.path.join(tree.folder, name), tree.layout.root)
    if os.path.islink(tree.path) or not os.path.isdir(tree.path):
        raise _odd(tree, "it holds no {}".format(tree.archive.key))


def _check(tree: Tree, options: Options) -> None:
    """Start the interpreter: it must be the version that is locked, and find its own library."""
    quiet: Dict[str, str] = {"PATH": process.PATH, "LC_ALL": "C.UTF-8"}
    code, said = process.run([tree.program, "-I", "-B", "-c", _RUNS], quiet, options.verify_timeout)
    words = " ".join(said.split())
    if code:
        raise _odd(tree, "it does not run here: {}".format(words[-_TAIL:]))
    if words != "{} {}".format(tree.archive.version, tree.path):
        raise _odd(tree, "it is Python {}".format(words))


def _changed(tree: Tree, source: str, how: str) -> Problem:
    return Problem(
        "env.python-archive",
        "the archive of Python {} is another file than the locked one: {}".format(tree.archive.version, how),
        source,
        "SHA-256 {}".format(tree.archive.sha256),
        "Run again: it is sent again. Find out who changed the file.",
    )


def _problem(tree: Tree, source: str, said: str) -> Problem:
    if "Hash mismatch" in said:
        return _changed(tree, source, said)
    if "No space left on device" in said:
        return Problem(
            "env.disk-space",
            "the disk became full while Python {} was unpacked".format(tree.archive.version),
            tree.folder,
            "room for what the lock names",
            "Free some space, or set whisperx_venv_root to a larger file system.",
        )
    return _odd(tree, "uv could not unpack it: {}".format(said))


def _odd(tree: Tree, found: str) -> Problem:
    return Problem(
        "env.managed-python",
        "managed Python {} ({}) cannot be used: {}".format(tree.archive.version, tree.archive.file, found),
        tree.folder,
        "a standalone build of Python {} that runs on {}".format(tree.archive.version, tree.archive.libc),
        "Resolve again with a newer catalogue (whisperx_plan_state: upgrade), or install Python {} on the "
        "host.".format(tree.archive.minor),
    )
