"""Runs in the build container: makes the release with the code that makes it on a host, then settles it.

Settling turns what a host would have into what reproducible layers need: the packages lie at a path that
every release shares, and their files say nothing about this release, this moment or this machine.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..whisperx_common.files import discard, read_json, read_text, write_json, write_text
from ..whisperx_common.progress import Progress
from ..whisperx_env import apply, deeds, fetch, fit, prove, unpack
from ..whisperx_env.model import Carried, Options, Sources, Wanted, want
from ..whisperx_problem import Problem
from ..whisperx_release import lock, perform, state
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Layout
from ..whisperx_verify import runner
from .filesystem import SHARED, grouped, owners

__all__ = ["ROOT", "main", "settle", "unexpected"]

ROOT = "/opt/whisperx"
RESULT = ".result.json"
# What is loaded late on a host is named here so that it travels.
LATE = (apply, deeds, fetch, fit, lock, perform, prove, state, unpack)
_COMPILE = ("-qq", "-f", "--invalidation-mode", "unchecked-hash", "-i", "-")


def main(path: str) -> int:
    """Do what the order in the file ``path`` asks; leave the answer in the root. Returns the exit code."""
    with open(path, encoding="utf-8") as stream:
        order = json.load(stream)
    root = str(order.get("root") or ROOT)
    try:
        answer = make(order, root)
    except Problem as problem:
        answer = {"problem": problem.record()}
    except OSError as error:
        answer = {"problem": unexpected(error).record()}
    write_json(os.path.join(root, RESULT), answer)
    return 1 if "problem" in answer else 0


def make(order: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Build, check, settle, prove and record the release; return its record and the report."""
    layout = Layout(root, "", "", str(order.get("cache") or ""))
    wanted = want(order["plan"], order["lock"])
    options = Options(
        verify_level=order["verify_level"],
        timeout=order["timeout"],
        verify_timeout=order["verify_timeout"],
        sources=Sources(**{key: _tuple(value) for key, value in order["sources"].items()}),
        carried=tuple(Carried(**item) for item in order["carried"]),
    )
    layers = [(row["what"], tuple(row["packages"])) for row in order["layers"]]

    def settle_and_prove(path: str, wanted: Wanted, options: Options) -> dict[str, Any]:
        settle(layout, wanted, path, layers)
        return _prove(path, wanted, options)

    created = str(order["created"])
    progress = Progress(str(order.get("progress") or ""), f"image {wanted.name}")
    hooks = Hooks(settle_and_prove, now=lambda: created, progress=progress)
    outcome = apply.present(layout, wanted, options, hooks, False)
    if outcome.wanted_files:
        names = ", ".join(item["file"] for item in outcome.wanted_files)
        raise Problem(
            "image.files",
            f"not given: {names}",
            "option files",
            "every file of the lock that no index has",
            "Let the whisperx_plan role lock this class.",
        )
    return {"record": _timeless(layout, wanted), "verify": outcome.verify, "timings": outcome.timings}


def settle(layout: Layout, wanted: Wanted, path: str, layers: Sequence[Any]) -> None:
    """Move the packages to the shared path, make their records timeless, compile them."""
    shared = layout.path(SHARED)
    discard(shared)
    os.makedirs(shared)
    os.rename(os.path.join(path, "lib"), os.path.join(shared, "lib"))
    os.symlink(os.path.join("..", "..", SHARED, "lib"), os.path.join(path, "lib"))
    site_packages = wanted.site_packages(shared)
    for name in sorted(os.listdir(site_packages)):
        if name.endswith(".dist-info"):
            _neutral(site_packages, name)
    _compile(os.path.join(path, "bin", "python"), site_packages, layers)


def _neutral(site_packages: str, info: str) -> None:
    """Take out of a RECORD what hangs on the release: digests of scripts, and uv's note on a file's time."""
    path = os.path.join(site_packages, info, "RECORD")
    text = read_text(path)
    if text is None:
        return
    note = f"{info}/uv_cache.json"
    rows: list[list[str]] = []
    for row in csv.reader(io.StringIO(text)):
        if row and row[0] != note:
            rows.append([row[0], "", ""] if row[0].startswith("../") else row)
    discard(os.path.join(site_packages, note))
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(sorted(rows))
    if stream.getvalue() != text:
        write_text(path, stream.getvalue())


def _compile(python: str, site_packages: str, layers: Sequence[Any]) -> None:
    """Compile every module, one process per layer: what is compiled before can show in what comes after.

    Byte code goes by nothing but the content of its source (PEP 552, unchecked): a read-only image has no use
    for times. A file that does not compile is left alone, as installers do.
    """
    sources: list[str] = []
    for directory, directories, files in os.walk(site_packages):
        if "__pycache__" in directories:
            discard(os.path.join(directory, "__pycache__"))
            directories.remove("__pycache__")
        sources += [
            os.path.relpath(os.path.join(directory, name), site_packages)
            for name in files
            if name.endswith(".py")
        ]
    groups: dict[str, list[str]] = {}
    for path, what in grouped(sorted(sources), owners(site_packages), layers).items():
        groups.setdefault(what, []).append(os.path.join(site_packages, path))

    def compiled(paths: list[str]) -> None:
        subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
            [
                python,
                "-I",
                "-m",
                "compileall",
                *_COMPILE,
            ],
            input="\n".join(paths),
            env={"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")},
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(compiled, sorted(groups.values(), key=len, reverse=True)))


def _prove(path: str, wanted: Wanted, options: Options) -> dict[str, Any]:
    """Verify on the CPU: the machine that builds need not have a GPU; every host proves the GPU itself."""
    report = runner.run(
        os.path.join(path, "launch", "python"),
        os.path.join(path, "verify"),
        options.verify_level,
        "cpu",
        wanted.imports,
        timeout=options.verify_timeout,
        read_only=True,
    )
    if not report["ok"]:
        raise Problem(
            "image.verify",
            "the image does not work: {}".format("; ".join(str(item) for item in report["findings"][:3])),
            wanted.name,
            f"level {options.verify_level} to succeed on the CPU",
            "No image was made. Resolve a new lock (whisperx_plan_state: upgrade), or report the finding.",
        )
    return report


def _timeless(layout: Layout, wanted: Wanted) -> dict[str, Any]:
    """Write the release's record anew without what differs from build to build; return it."""
    path = os.path.join(layout.release(wanted.name), state.RECORD)
    record = read_json(path) or {}
    verify: dict[str, Any] = dict(record.get("verify") or {})
    record["verify"] = {key: verify.get(key) for key in ("level", "device", "at")}
    record["host"] = dict(record.get("host") or {}, driver="")
    write_json(path, record)
    return record


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def unexpected(error: OSError) -> Problem:
    """Return what the system said as a Problem."""
    return Problem(
        "image.system",
        error.strerror or str(error),
        str(error.filename or ""),
        "a file system that does what it is asked",
        "Fix that, then run again; an unfinished build leaves nothing.",
    )
