"""Build one release at its final path: an empty environment, the locked packages, the launch scripts."""

from __future__ import annotations

import os
from typing import Dict, Iterable, Mapping, Optional, Tuple

from ..whisperx_common import process
from ..whisperx_common.durable import make_directories, sync_tree
from ..whisperx_common.files import discard, write_text
from ..whisperx_problem import Problem
from ..whisperx_release import building
from ..whisperx_release.hooks import Emit, Hooks
from ..whisperx_release.model import Layout
from . import cache, commands, integrity, launch, protect, shelf
from .model import Options, Sources, Wanted
from .readable import open_to_readers
from .supplies import Program

__all__ = ["forget_downloads", "no_uv", "stage"]

# How much of uv's own words an error repeats.
_TAIL = 1500
# What uv 0.13 says when a file cannot be had; only the next step in the message hangs on it.
_INDEX_SIGNS = (
    "Failed to fetch",
    "error sending request",
    "No solution found",
    "could not be queried",
    "Network connectivity is disabled",
)
# What it says of a wheel that would replace the interpreter.
_RESERVED = "must not use the reserved name"


def stage(
    layout: Layout,
    wanted: Wanted,
    options: Options,
    uv: Optional[Program],
    path: str,
    hooks: Hooks,
    emit: Emit,
    python: str = "",
) -> None:
    """Build the release ``path``; what it leaves is complete but for its verification and its record.

    ``python``: the path of the managed interpreter, "" for the one of the host that the plan names.

    What uv wrote is on disk afterwards, and noted. Raises Problem "env.python", "env.index", "env.hash",
    "env.install", "env.timeout" or "env.wheel-files"; the caller removes the half-built release.
    """
    if uv is None:
        raise no_uv(layout)
    cache.prepare(layout)
    before, program = building.read(layout), uv

    def heal() -> None:
        forget_downloads(layout, cache.heal(layout, before), program, hooks.inherited)

    with cache.in_use(layout, heal, options.timeout if cache.cut(before) else 0):
        _build(layout, wanted, options, uv, path, hooks, emit, python)


def _build(
    layout: Layout,
    wanted: Wanted,
    options: Options,
    uv: Program,
    path: str,
    hooks: Hooks,
    emit: Emit,
    python: str,
) -> None:
    """Build the release ``path`` while nobody heals the cache."""
    environment = _environment(layout, wanted, options, hooks.inherited)
    building.begin(layout, os.path.basename(path))
    discard(path, layout.root)
    # Closed until it is built: uv's lock file in it is open to all, and one that others hold stops the build.
    make_directories(path, 0o700, layout.root)
    interpreter = python or str(wanted.plan.get("python_path") or "python{}".format(wanted.plan["python"]))
    passed = (uv.descriptor, *hooks.passed)
    command = commands.venv(uv.path, interpreter, path)
    code, said = process.run(command, environment, options.timeout, passed=passed)
    if code:
        raise _python_problem(interpreter, commands.redact(said, options.sources))
    if python:
        _check_link(os.path.join(path, "bin", "python"), python)
    emit("venv")
    requirements = os.path.join(path, "requirements.txt")
    write_text(requirements, wanted.text, below=layout.root)
    before = protect.look(path)
    emit("requirements")
    python = os.path.join(path, "bin", "python")
    command = commands.sync(uv.path, python, requirements)
    code, said = process.run(command, environment, options.timeout, heard=hooks.progress.hear, passed=passed)
    if code:
        shelf.forget_all(layout)
        raise _install_problem(code, commands.redact(said, options.sources), options)
    emit("sync")
    directory = wanted.site_packages(path)
    protect.check(path, directory, before)
    _check_complete(wanted, directory, said)
    launch.write(wanted, path, directory)
    emit("launch")
    open_to_readers(path, layout.root)
    sync_tree([path, os.path.dirname(path), layout.cache, layout.path("files")])
    emit("synced")
    cache.note(layout)
    if shelf.from_wheelhouse(wanted, options):
        shelf.put_away(layout, wanted)
    emit("noted")


def _check_link(link: str, python: str) -> None:
    """Check that an environment leads to its very interpreter: uv prefers links that follow newer patches."""
    found = os.readlink(link)
    if found != python:
        raise _python_problem(python, "it leads to {}".format(found))


def forget_downloads(
    layout: Layout, names: Iterable[str], uv: Optional[Program], inherited: Mapping[str, str]
) -> None:
    """Remove packages, in all their versions, from the download cache; releases keep their files.

    uv has no finer word than a package's name. A failure costs disk, never correctness.
    """
    names = sorted(names)
    if uv and names and os.path.isdir(layout.cache):
        environment = commands.environment(Options().sources, layout.cache, "", (), inherited)
        command = commands.clean(uv.path, names)
        process.run(command, environment, timeout=600, passed=(uv.descriptor,))
        shelf.forget(layout, names)


def _environment(
    layout: Layout, wanted: Wanted, options: Options, inherited: Mapping[str, str]
) -> Dict[str, str]:
    local: Tuple[str, ...] = tuple(
        layout.path("files", package.sha256) for package in wanted.lock.packages if package.travels
    )
    if shelf.from_wheelhouse(wanted, options):
        sources = Sources(index_url=shelf.write_index(layout, wanted), offline=True)
        return commands.environment(sources, layout.cache, "", local, inherited)
    backend = wanted.lock.header.get("torch-backend", "")
    return commands.environment(options.sources, layout.cache, backend, local, inherited)


def _check_complete(wanted: Wanted, directory: str, said: str) -> None:
    """Check that every locked package has arrived, whatever the installer says."""
    missing = sorted(set(wanted.lock.versions) - set(integrity.packages(directory)))
    if missing:
        raise Problem(
            "env.install",
            "uv ended well, yet {} of the locked packages are missing ({})".format(
                len(missing), ", ".join(missing[:5])
            ),
            directory,
            "all {} packages of the lock".format(len(wanted.lock.packages)),
            "uv said: {}".format(_tail(said)),
        )


def no_uv(layout: Layout) -> Problem:
    """Return what is wrong where uv is not on the host."""
    return Problem(
        "env.transfer",
        "uv is missing, or is another program than the one that was sent",
        layout.path("files"),
        "the uv whose SHA-256 is that of its directory",
        "Run again: it is sent again. Find out who changed the file.",
    )


def _python_problem(interpreter: str, said: str) -> Problem:
    return Problem(
        "env.python",
        "no environment could be made with {}: {}".format(interpreter, _tail(said)),
        interpreter,
        "a working Python of the planned version",
        "Gather the facts again (the interpreter may have been removed), or install that Python.",
    )


def _install_problem(code: int, said: str, options: Options) -> Problem:
    """Choose the rule and the next step for a failed installation."""
    source = options.sources.index_url or "the default index"
    if code == process.TIMED_OUT:
        return Problem(
            "env.timeout",
            "the installation was not done after {} s: {}".format(options.timeout, _tail(said)),
            commands.redact(source, options.sources),
            "an installation in that time",
            "Raise whisperx_venv_timeout, or use an index that is nearer.",
        )
    if "No space left on device" in said:
        return Problem(
            "env.disk-space",
            "the disk became full while packages were installed",
            "root or cache",
            "room for all packages of the lock",
            "Free some space, or set whisperx_venv_root to a larger file system.",
        )
    if "Hash mismatch" in said:
        return Problem(
            "env.hash",
            "a downloaded file is not the locked one: {}".format(_tail(said)),
            commands.redact(source, options.sources),
            "the SHA-256 in the lock",
            "Find out why the index serves another file under that name, then resolve a new lock.",
        )
    if _RESERVED in said:
        return protect.refusal(_tail(said), commands.redact(source, options.sources))
    if any(sign in said for sign in _INDEX_SIGNS):
        return Problem(
            "env.index",
            "a locked file could not be had: {}".format(_tail(said)),
            commands.redact(source, options.sources),
            "an index, reachable from the host, that has every locked file",
            "Check address, proxy, certificates and credentials on the host, or set whisperx_plan_index_url.",
        )
    return Problem(
        "env.install",
        "uv failed with exit code {}: {}".format(code, _tail(said)),
        commands.redact(source, options.sources),
        "an installation without errors",
        "Read what uv said; a damaged download is fetched again by the next run.",
    )


def _tail(said: str) -> str:
    """Return the end of what uv said, on one line."""
    words = " ".join(said.split())
    return words if len(words) <= _TAIL else "… " + words[-_TAIL:]
