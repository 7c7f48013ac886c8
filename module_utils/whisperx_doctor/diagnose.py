"""From an environment to a diagnosis: facts, audit, files, the run in a child, the rows that explain it.

Nothing of the environment is changed, and nothing is left behind.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..whisperx_abi.audit import audit
from ..whisperx_problem import Problem
from . import files, installed
from .match import match
from .records import EXIT_CODES, Environment, Found, Patient, Symptom
from .rows import Knowledge
from .run import Ran, meet, run, symptoms

__all__ = ["Asked", "diagnose", "worst"]

SCHEMA = 1
_TUNABLE = "glibc.rtld.execstack=2"
# Without this nothing computes, and there is nothing to prove beyond the imports.
_COMPUTES = "ctranslate2"
_MOST_FINDINGS = 50


class Asked(NamedTuple):
    """What is asked of every environment.

    ``level``: import, kernels, pipeline, or audit, which runs nothing. ``device``: auto, cpu, cuda.
    ``timeout``: seconds a level may take. ``variables``: set for the interpreter, as a service's would be.
    ``root``: where the system is mounted. ``host``, ``inventory``: for the commands that are named.
    """

    level: str = "pipeline"
    device: str = "auto"
    timeout: float = 600.0
    variables: Mapping[str, str] = {}
    root: str = "/"
    host: str = ""
    inventory: str = ""


def diagnose(
    environment: Environment,
    facts: Mapping[str, Any],
    knowledge: Knowledge,
    asked: Asked,
    more: Sequence[Symptom] = (),
) -> Dict[str, Any]:
    """Return the diagnosis of one environment as JSON-able data; ``more`` are symptoms from logs."""
    if asked.level != "audit" and asked.root == "/":
        environment, refusal = meet(environment, asked.variables)
    else:
        environment, refusal = environment, None
    packages = installed.packages(environment.sites)
    device = _device(environment, facts, asked.device)
    report, trouble = None, environment.trouble
    seen: List[Symptom] = [refusal] if refusal else []
    if environment.python and asked.level != "audit" and not refusal:
        report, trouble = _run(environment, knowledge, packages, device, asked)
        seen += symptoms(report) if report else []
    audited, objects = _audit(environment, facts, knowledge, asked)
    compared, looked = files.examine(environment.sites)
    ran = "none" if report is None and not refusal else "ok" if report and report["ok"] else "failed"
    patient = Patient(environment, packages, facts, device, (*seen, *audited, *compared, *more), ran)
    found = match(knowledge.rows, patient)
    verdict = _verdict(report, seen, [*audited, *compared], found)
    explained = {number for item in found for number in item.symptoms}
    left = [item for number, item in enumerate(patient.symptoms) if number not in explained]
    commands = _Commands(knowledge, asked)
    return {
        "schema": SCHEMA,
        "path": environment.path,
        "kind": environment.kind,
        "python": environment.python[0] if environment.python else "",
        "python_version": environment.version,
        "device": device,
        "level": report["level"] if report else "audit",
        "verdict": verdict,
        "exit_code": EXIT_CODES[verdict],
        "trouble": trouble,
        "packages": {
            row["name"]: packages[row["name"]] for row in knowledge.packages if row["name"] in packages
        },
        "facts": _short(facts),
        "checks": report["checks"] if report else [],
        "objects": objects,
        "files": looked,
        "failures": [item.record(commands.of(item)) for item in found if _tells(item, verdict)],
        "notes": [item.record(commands.of(item)) for item in found if not _tells(item, verdict)],
        "unexplained": [
            {"kind": item.kind, "name": item.name, "text": item.line()} for item in left if not item.minor
        ],
    }


def worst(verdicts: Sequence[str]) -> str:
    """Return the verdict over several environments; nothing to judge is "unknown"."""
    for verdict in ("unfit", "unknown"):
        if verdict in verdicts:
            return verdict
    return "fit" if verdicts else "unknown"


def _run(
    environment: Environment, knowledge: Knowledge, packages: Mapping[str, str], device: str, asked: Asked
) -> Tuple[Optional[Ran], str]:
    """Reproduce; return the report, or why there is none."""
    imports: List[Any] = list(environment.imports or []) or knowledge.imports(packages)
    if not imports:
        return None, "none of the packages that this toolkit knows is installed there"
    level = asked.level if _COMPUTES in packages else "import"
    try:
        return run(environment, level, device, imports, asked.timeout, asked.variables), ""
    except (RuntimeError, ValueError, TypeError, OSError) as problem:
        return None, f"the checks could not be run: {problem}"


def _device(environment: Environment, facts: Mapping[str, Any], asked: str) -> str:
    """Return the device to compute on: as asked, as planned, else the GPU that a driver serves."""
    if asked != "auto":
        return asked
    if environment.device:
        return environment.device
    running = (facts.get("nvidia_driver") or {}).get("state") == "running"
    return "cuda" if running and facts.get("gpus") else "cpu"


def _audit(
    environment: Environment, facts: Mapping[str, Any], knowledge: Knowledge, asked: Asked
) -> Tuple[List[Symptom], int]:
    """Return what the ABI audit finds in the package directories, and how many objects it read."""
    libc = facts.get("libc") or {}
    glibc = libc.get("version") if libc.get("family") == "glibc" else None
    tunables = {**environment.variables, **asked.variables}.get("GLIBC_TUNABLES", "")
    found: List[Symptom] = []
    objects = 0
    for site in environment.sites:
        try:
            result = audit(
                site,
                glibc,
                str(facts.get("machine") or ""),
                _TUNABLE in tunables,
                knowledge.execstack_refused_from,
            )
        except Problem as problem:
            found.append(Symptom("audit", problem.rule, problem.found, problem.where))
            continue
        objects += result.objects
        for item in result.findings[:_MOST_FINDINGS]:
            found.append(Symptom("audit", item.rule, f"{item.file} {item.found}", item.file))
    return found, objects


def _verdict(
    report: Optional[Ran], seen: Sequence[Symptom], lying: Sequence[Symptom], found: Sequence[Found]
) -> str:
    """What was run decides; where nothing could be run, what lies in the files does."""
    if any(not item.minor for item in seen) or any(item.row.get("hazard") for item in found):
        return "unfit"
    if report is None:
        return "unfit" if lying else "unknown"
    return "fit" if report["ok"] else "unfit"


def _tells(item: Found, verdict: str) -> bool:
    """Whether a found row is a reason of the verdict; else it is a note."""
    return verdict == "unfit" and item.decides


class _Commands:
    """The toolkit's commands for one host, ready to be typed."""

    def __init__(self, knowledge: Knowledge, asked: Asked) -> None:
        self._actions = knowledge.actions
        self._inventory = f" INVENTORY={asked.inventory}" if asked.inventory else ""
        self._limit = f"--limit {asked.host}" if asked.host else ""

    def of(self, item: Found) -> List[str]:
        """Return "what it does: command" of every action that the row names."""
        return [self._line(self._actions[name]) for name in item.row["toolkit"]]

    def _line(self, action: Mapping[str, str]) -> str:
        words = " ".join(word for word in (self._limit, action.get("arguments", "")) if word)
        arguments = f" ARGS='{words}'" if words else ""
        return f"make {action['make']}{self._inventory}{arguments}    # {action['sentence']}"


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
