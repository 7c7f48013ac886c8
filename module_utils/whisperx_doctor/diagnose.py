"""From an environment to a diagnosis: facts, audit, files, the run in a child, the rows that explain it.

Nothing of the environment is changed, and nothing is left behind.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..whisperx_common.conditions import FIT, UNFIT, UNKNOWN, VERDICTS
from ..whisperx_common.names import normalise
from . import foreign, installed
from .commands import Commands
from .look import Looked, look
from .match import explains, match
from .records import EXIT_CODES, Asked, Environment, Found, Patient, Symptom
from .rows import Knowledge
from .run import Ran, meet, run, session, symptoms

__all__ = ["diagnose", "worst"]

SCHEMA = 1
# Without this nothing computes, and there is nothing to prove beyond the imports.
_COMPUTES = "ctranslate2"
# The environments that this toolkit changes.
_OURS = ("managed", "release")
# Variables whose values are paths and numbers.
_SHOWN = ("LD_", "PYTHON", "CUDA_", "GLIBC_")
# Modules that are imported because their files look wrong.
_MOST_SUSPECTS = 5
_IMPORTABLE = re.compile(r"((?:[A-Za-z_]\w*/)*[A-Za-z_]\w*)(?:\.cpython-\w+-[\w-]+|\.abi3)?\.(?:so|py)$")


def diagnose(
    environment: Environment,
    facts: Mapping[str, Any],
    knowledge: Knowledge,
    asked: Asked,
    more: Sequence[Symptom] = (),
) -> Dict[str, Any]:
    """Return the diagnosis of one environment as JSON-able data; ``more`` are symptoms from logs."""
    runs = asked.level != "audit" and asked.root == "/" and bool(environment.python)
    refusal = None
    if runs:
        environment, refusal = meet(environment, asked.variables)
    packages = _packages(environment)
    facts = _inside(environment, facts)
    device = _device(environment, facts, asked.device)
    looked = look(environment, facts, knowledge, asked)
    report, trouble = None, environment.trouble
    imports = _imports(environment, knowledge, packages, looked) if runs else []
    if runs and refusal is None:
        report, trouble = _run(environment, imports, packages, device, asked)
    seen = ([refusal] if refusal else []) + (symptoms(report) if report else [])
    # The variables of our own launchers have rows that say more.
    if seen and any(not name.startswith("WHISPERX_") for name in asked.variables):
        seen = _blamed(seen, environment, imports, packages, device, asked)
    seen += session(environment, asked.variables) if runs else []
    ran = "failed" if refusal else "none" if report is None else "ok" if report["ok"] else "failed"
    patient = Patient(environment, packages, facts, device, (*seen, *looked.symptoms, *more), ran)
    outside = foreign.of(patient, asked)
    found = [foreign.add(item, patient, outside) for item in match(knowledge.rows, patient)]
    verdict = _verdict(ran, looked.symptoms, found)
    return {
        **_about(environment, facts, knowledge, patient),
        "level": report["level"] if report else "audit",
        "verdict": verdict,
        "condition": VERDICTS[verdict],
        "exit_code": EXIT_CODES[verdict],
        "trouble": trouble,
        "checks": report["checks"] if report else [],
        "objects": looked.objects,
        "files": looked.files,
        "logs": _logs(found, patient),
        "outside": [{"path": path, "text": text} for path, text in outside.items()],
        **_told(found, patient, verdict, outside, Commands(knowledge, asked, environment.kind in _OURS)),
    }


def worst(verdicts: Sequence[str]) -> str:
    """Return the verdict over several environments; nothing to judge is "unknown"."""
    for verdict in (UNFIT, UNKNOWN):
        if verdict in verdicts:
            return verdict
    return FIT if verdicts else UNKNOWN


def _packages(environment: Environment) -> Mapping[str, str]:
    """Return name -> version of what is installed; of an image as its record says."""
    if environment.contained is None:
        return installed.packages(environment.sites)
    versions = environment.contained["versions"]
    return {normalise(name): version for name, version in versions.items()}


def _inside(environment: Environment, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts that the environment sees: in a container system and C library are the base's."""
    if environment.contained is None:
        return facts
    base = environment.contained["facts"]
    own = {name: base.get(name) for name in ("os", "libc", "pythons")}
    return {**facts, **own, "container": environment.contained["engine"]}


def _imports(
    environment: Environment, knowledge: Knowledge, packages: Mapping[str, str], looked: Looked
) -> List[Dict[str, Any]]:
    """Return what is imported: what the plan names, else what is known and there; and suspects.

    A suspect is a module in whose files something is wrong: whether that matters is seen by importing it.
    """
    known = [dict(item) for item in environment.imports or ()] or knowledge.imports(packages)
    names = {str(item["module"]).partition(".")[0] for item in known}
    suspects = []
    for symptom in looked.symptoms:
        module = _module(symptom.where)
        if not symptom.minor and module and module.partition(".")[0] not in names and module not in suspects:
            suspects.append(module)
    more = [
        {"package": module, "module": module, "optional": bool(known)} for module in suspects[:_MOST_SUSPECTS]
    ]
    return known + more


def _module(file: str) -> str:
    """Return the name under which Python imports a file of site-packages, "" where it does not."""
    match = _IMPORTABLE.match(file)
    if match is None:
        return ""
    name = match.group(1).replace("/", ".")
    return name[: -len(".__init__")] if name.endswith(".__init__") else name


def _run(
    environment: Environment,
    imports: List[Dict[str, Any]],
    packages: Mapping[str, str],
    device: str,
    asked: Asked,
) -> Tuple[Optional[Ran], str]:
    """Reproduce; return the report, or why there is none."""
    if not imports:
        return None, "none of the packages that this toolkit knows is installed there"
    level = asked.level if _COMPUTES in packages else "import"
    try:
        return run(environment, level, device, imports, asked.timeout, asked.variables), ""
    except (RuntimeError, ValueError, TypeError, OSError) as problem:
        return None, f"the checks could not be run: {problem}"


def _blamed(
    seen: List[Symptom],
    environment: Environment,
    imports: List[Dict[str, Any]],
    packages: Mapping[str, str],
    device: str,
    asked: Asked,
) -> List[Symptom]:
    """Return ``seen``, or that the given variables are the cause: without them the same goes well."""
    alone = asked._replace(variables={})
    refused = [item for item in seen if item.kind == "start"]
    if refused:
        fine = meet(environment, {})[1] is None
    else:
        report, _trouble = _run(environment, imports, packages, device, alone)
        fine = report is not None and report["ok"]
    if not fine or all(item.minor for item in seen):
        return seen
    first = next(item for item in seen if not item.minor)
    # A token has a name that a reader needs, and a value that nobody needs.
    named = ", ".join(
        f"{name}={value}" if name.startswith(_SHOWN) else name
        for name, value in sorted(asked.variables.items())
    )
    return [Symptom("setting", named, first.line(), first.where)]


def _device(environment: Environment, facts: Mapping[str, Any], asked: str) -> str:
    """Return the device to compute on: as asked, as planned, else the GPU that a driver serves."""
    if asked != "auto":
        return asked
    if environment.device:
        return environment.device
    running = (facts.get("nvidia_driver") or {}).get("state") == "running"
    return "cuda" if running and facts.get("gpus") else "cpu"


def _verdict(ran: str, lying: Sequence[Symptom], found: Sequence[Found]) -> str:
    """What was run decides; where nothing could be run, what lies in the files does."""
    if ran == "failed" or any(item.row.get("hazard") for item in found):
        return UNFIT
    if ran == "ok":
        return FIT
    return UNFIT if any(not item.minor for item in lying) else UNKNOWN


def _told(
    found: Sequence[Found], patient: Patient, verdict: str, outside: Mapping[str, str], commands: Commands
) -> Dict[str, Any]:
    """Return the rows that were found, the reasons of the verdict apart, and what no row explains."""
    reasons = _reasons(found, patient) if verdict == UNFIT else []
    notes = [item for item in found if item not in reasons]
    explained = explains(found, patient)
    left = [
        item for number, item in enumerate(patient.symptoms) if number not in explained and not item.minor
    ]
    return {
        "failures": [commands.record(item) for item in reasons],
        "notes": [commands.record(item) for item in notes],
        "unexplained": [
            {
                "kind": item.kind,
                "name": item.name,
                "text": item.line(),
                "outside": foreign.among(item, outside),
            }
            for item in left
        ],
    }


def _logs(found: Sequence[Found], patient: Patient) -> List[Dict[str, Any]]:
    """Return which rows know each log that was given; none for a log without a known failure."""
    return [
        {
            "path": item.where,
            "known": [row.row["id"] for row in found if number in row.symptoms],
        }
        for number, item in enumerate(patient.symptoms)
        if item.kind == "log"
    ]


def _reasons(found: Sequence[Found], patient: Patient) -> List[Found]:
    """Return the rows that are reasons of the verdict.

    Files that look wrong are none where everything that went wrong in the run has a row of its own; a row
    that only says how it ended (a crash) is not that.
    """
    ran = {
        number
        for number, item in enumerate(patient.symptoms)
        if item.kind in ("check", "start") and not item.minor
    }
    decisive = [item for item in found if item.decides]
    known = {number for item in decisive if not item.row.get("generic") for number in item.symptoms}
    if not ran or ran - known:
        return decisive
    return [item for item in decisive if item.row.get("hazard") or ran & set(item.symptoms)]


def _about(
    environment: Environment, facts: Mapping[str, Any], knowledge: Knowledge, patient: Patient
) -> Dict[str, Any]:
    """Return what the environment is."""
    names = [row["name"] for row in knowledge.packages if row["name"] in patient.packages]
    return {
        "schema": SCHEMA,
        "path": environment.path,
        "kind": environment.kind,
        "engine": environment.contained["engine"] if environment.contained is not None else "",
        "python": environment.python[0] if environment.python else "",
        "python_version": environment.version,
        "device": patient.device,
        "packages": {name: patient.packages[name] for name in names},
        "facts": _short(facts),
    }


def _short(facts: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the facts that a reader of the diagnosis asks for first."""
    return {
        "os": _words(facts, "os", "id", "version"),
        "libc": _words(facts, "libc", "family", "version"),
        "machine": facts.get("machine"),
        "gpus": [gpu.get("name") for gpu in facts.get("gpus") or []],
        "driver": _words(facts, "nvidia_driver", "version", "state"),
        "ffmpeg": bool((facts.get("ffmpeg") or {}).get("path")),
    }


def _words(facts: Mapping[str, Any], name: str, *fields: str) -> str:
    record = facts.get(name) or {}
    return " ".join(str(record[field]) for field in fields if record.get(field))
