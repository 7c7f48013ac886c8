"""Reproduces the failure: starts the environment's interpreter and lets it import, compute, transcribe.

The checks are those of whisperx_verify; they write nothing but into a directory that is removed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..whisperx_common import telemetry
from ..whisperx_verify.process import run_group
from ..whisperx_verify.records import Request
from ..whisperx_verify.session import conditions
from ..whisperx_verify.sources import probe_files, write_probe
from ..whisperx_verify.supervise import supervise
from .owned import as_owner, owner
from .records import Environment, Symptom

__all__ = ["Ran", "meet", "run", "session", "symptoms"]

# Asks an interpreter what it is. -S would hide the site directories, -I what PYTHONPATH adds.
_ASK = (
    "import json, sys; print('\\n' + json.dumps({'version': sys.version.split()[0], "
    "'sites': sys.path, 'interpreter': sys.executable}))"
)
_ASK_SECONDS = 60.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES")
# What leads to a container's engine.
_ENGINES = ("CONTAINERS_CONF", "DOCKER_HOST", "XDG_RUNTIME_DIR")
# Said by docker after what went wrong.
_ADVICE = re.compile(r"(See|Run) 'docker run --help'")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Ran = Dict[str, Any]


def meet(environment: Environment, variables: Mapping[str, str]) -> Tuple[Environment, Optional[Symptom]]:
    """Ask the interpreter for its version and package directories; a symptom when it does not start."""
    if not environment.python:
        return environment, None

    def action() -> List[Any]:
        end = time.monotonic() + _ASK_SECONDS
        command = [*environment.python, "-B", "-c", _ASK]
        with tempfile.TemporaryDirectory(prefix="whisperx-doctor-") as scratch:
            settings = dict(_variables(environment, variables), HOME=scratch, PYTHONNOUSERSITE="1")
            ending = run_group(command, settings, scratch, lambda: end)
        return [ending.code, ending.timed_out, ending.output]

    try:
        code, timed_out, output = as_owner(owner([environment.python[0], *environment.sites]), action)
        said = json.loads(output.strip().splitlines()[-1]) if code == 0 and output.strip() else {}
    except (RuntimeError, ValueError) as problem:
        code, timed_out, output, said = 127, False, str(problem), {}
    if not isinstance(said, dict) or "version" not in said:
        text = "no response within a minute" if timed_out else _last(output) or f"exit code {code}"
        return environment, Symptom("start", "start of the interpreter", text, environment.python[0])
    if environment.contained is not None:
        # The paths are those in the image.
        return replace(environment, version=said["version"]), None
    sites = [
        path for path in said["sites"] if re.search(r"(site|dist)-packages$", path) and os.path.isdir(path)
    ]
    known = [environment.pythonpath] if environment.pythonpath else []
    told = replace(environment, version=said["version"], interpreter=str(said["interpreter"] or ""))
    everything = tuple(dict.fromkeys(known + sites))
    own = everything if environment.kind == "interpreter" else environment.sites
    return replace(told, sites=everything, own=own), None


def run(
    environment: Environment,
    level: str,
    device: str,
    imports: Sequence[Mapping[str, Any]],
    timeout: float,
    variables: Mapping[str, str],
) -> Ran:
    """Do the checks up to ``level`` and return the report of whisperx_verify.supervise.

    RuntimeError when they could not be done at all: no room for temporary files, no process.
    """
    request = Request.read({"level": level, "device": device, "imports": [dict(item) for item in imports]})
    # The owner of the environment may not read this toolkit's own sources.
    files = probe_files(request)

    def action() -> Ran:
        scratch = tempfile.mkdtemp(prefix="whisperx-doctor-")
        try:
            probe = os.path.join(scratch, "probe")
            write_probe(probe, request, files)
            settings = _variables(environment, variables)
            return supervise(request, list(environment.python), probe, scratch, timeout, settings)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    report: Ran = as_owner(owner([environment.python[0], *environment.sites]), action)
    return report


def session(environment: Environment, variables: Mapping[str, str]) -> List[Symptom]:
    """Return what the caller's session adds: its home, caches, temporary files, loader path, mounts.

    Root asks for the user whom the environment belongs to, with a home and nothing else of that user's.
    """
    places = [environment.path, *environment.sites] if environment.contained is None else []
    who = owner([*environment.python[:1], *environment.sites])
    given = dict(os.environ) if who is None else {}

    def action() -> List[Any]:
        found = conditions([place for place in places if os.path.isdir(place)], {**given, **variables})
        return [list(item) for item in found]

    try:
        found = as_owner(who, action)
    except RuntimeError:
        return []
    return [Symptom("place", kind, text, where, minor=True) for kind, text, where in found]


def symptoms(report: Ran) -> List[Symptom]:
    """Return what failed in a report as symptoms; consequences of another failure are left out."""
    found = []
    failed = [check for check in report["checks"] if not check["ok"]]
    first_to_fail = [check["name"] for check in failed if not check["optional"]]
    for check in failed:
        if check["error"].startswith("not tried, because"):
            continue
        text = _COLOUR.sub("", check["error"])
        # The output is that of the last child that failed: it belongs to the last check that is no warning.
        if (first_to_fail and check["name"] == first_to_fail[-1]) or len(failed) == 1:
            text += "\n" + _COLOUR.sub("", report["output"])
        found.append(
            Symptom(
                "check", check["name"], text, check["detail"], check["signal"] or "", bool(check["optional"])
            )
        )
    return found


def _variables(environment: Environment, given: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables that the interpreter is started with: the same whoever asks."""
    paths = [path for path in os.environ.get("PATH", "").split(":") if path.startswith("/")]
    known = _PATH.split(":")
    kept = _KEPT + (_ENGINES if environment.contained is not None else ())
    settings = dict(telemetry.OPT_OUTS)
    settings.update({name: os.environ[name] for name in kept if name in os.environ})
    settings["PATH"] = ":".join(paths + [path for path in known if path not in paths])
    settings["LC_ALL"] = "C.UTF-8"
    settings["PYTHONDONTWRITEBYTECODE"] = "1"
    if environment.pythonpath:
        settings["PYTHONPATH"] = environment.pythonpath
    settings.update(given)
    return settings


def _last(output: str) -> str:
    lines = [line.strip() for line in _COLOUR.sub("", output).splitlines() if line.strip()]
    told = [line for line in lines if not _ADVICE.match(line)]
    return told[-1] if told else ""
