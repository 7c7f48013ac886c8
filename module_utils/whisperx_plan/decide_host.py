"""One host: is there a plan, on which device, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_common.versions import dotted
from .container import in_container
from .explain.notes import driver_notes, notes_of
from .explain.remedies import Remedy, better_driver, for_refusal, used
from .explain.ruled_out import conflict_of, python_findings, refused_releases, ruled_out
from .explain.sentences import Spoken, reason, reasons_for, with_allowed
from .findings import Finding, finding
from .gpu.obstacles import Obstacle, advice, branch_needed, obstacles, without_reserved
from .host import Host
from .model import Plan, Reason, Refusal, Request
from .output.plan_fields import host_class, spell_out
from .requested import unknown_versions
from .solve.resolver import Conflict, Solution
from .solve.trials import Attempt, attempt, usable_pythons

__all__ = ["judge"]

_OPTION_OF = {"plan.unknown-version": "request"}
_GPU_RULES = ("driver.", "gpu.", "soname.", "torch.", "unknown.ptx")


def judge(host: Host, request: Request, catalogue: Catalogue) -> Plan | Refusal:
    """Return the plan or the refusal of one host: on its own C library, or in a container on another."""
    if request.runtime == "container":
        return in_container(host, request, catalogue, _on_host)
    own = _on_host(host, request, catalogue)
    if request.runtime == "venv" or isinstance(own, Plan):
        return own
    inside = in_container(host, request, catalogue, _on_host)
    if isinstance(inside, Refusal):
        return own
    # Why it came to a container is told first.
    return replace(inside, reasons=[*own.reasons, *inside.reasons])


def _on_host(host: Host, request: Request, catalogue: Catalogue) -> Plan | Refusal:
    host = without_reserved(host)
    closed = list(_closed(host, request, catalogue))
    if closed:
        reasons = [reason(said, subject, catalogue) for subject, said in closed]
        steps = zip(closed, reasons, strict=True)
        return Refusal(reasons, [_step(said, entry) for (_, said), entry in steps])
    ahead = _obstacles(host, request, catalogue)
    real = [entry for entry in ahead if request.device == "cuda" or entry.finding.rule != "gpu.none"]
    if real and (request.device == "cuda" or any(entry.transient for entry in real)):
        return _stopped(host, request, real, catalogue)
    on_gpu = None
    if request.device != "cpu" and not ahead:
        on_gpu = attempt(host, request, catalogue, "cuda")
        if on_gpu is not None and (on_gpu.solution is not None or request.device == "cuda"):
            return _answer(host, request, on_gpu, [], catalogue)
    on_cpu = attempt(host, request, catalogue, "cpu")
    if on_cpu is None:
        return _without_python(host, request, catalogue)
    before = [reason(entry.finding, entry.subject, catalogue) for entry in real]
    before += _gpu_reasons(on_gpu, catalogue)
    return _answer(host, request, on_cpu, before, catalogue)


def _obstacles(host: Host, request: Request, catalogue: Catalogue) -> list[Obstacle]:
    """Return what keeps a GPU that is wanted from being used; a missing driver with the branch to install."""
    if request.device == "cpu":
        return []
    needed = None
    if host.gpus and host.driver.state == "absent":
        needed = better_driver(host, request, None, catalogue)[1]
    return obstacles(host, request, catalogue, needed)


def _closed(host: Host, request: Request, catalogue: Catalogue) -> Iterable[tuple[str, Finding]]:
    """Yield what ends the decision before it begins."""
    missing = [
        field
        for field, value in (
            ("machine", host.machine),
            ("libc.family", host.libc_family),
            ("libc.version", host.libc_version),
        )
        if not value
    ]
    for field in missing:
        yield "facts", finding("facts.missing", f"no {field}", field=field)
    for name, text in unknown_versions(request, catalogue).items():
        newest = catalogue.packages[name].releases[-1].text if catalogue.packages[name].releases else "none"
        yield (
            f"{name} {text}",
            finding("plan.unknown-version", text, package=name, specifier=text, newest=newest),
        )


def _step(said: Finding, told: Reason) -> Remedy:
    """Return the next step of a reason that ended the decision before it began."""
    step: Remedy = {"kind": _OPTION_OF.get(said.rule, "facts"), "sentence": told.remedy}
    words = dict(said.words)
    return (
        {**step, "package": words["package"], "specifier": words["specifier"]} if "package" in words else step
    )


def _stopped(host: Host, request: Request, ahead: list[Obstacle], catalogue: Catalogue) -> Refusal:
    """Refuse where the GPU cannot be used, and the CPU is not wanted or would be a mistake."""
    reasons = [reason(entry.finding, entry.subject, catalogue) for entry in ahead]
    remedies: list[Remedy] = []
    driver, needed = better_driver(host, request, None, catalogue)
    if driver is not None and host.driver.state == "absent":
        remedies.append(driver)
    if any(entry.transient for entry in ahead):
        kind = "driver" if ahead[0].finding.rule.startswith("driver.") else "gpu"
        remedies.append({"kind": kind, "sentence": reasons[0].remedy})
    on_cpu = attempt(host, request, catalogue, "cpu")
    if on_cpu is not None and on_cpu.solution is not None:
        remedies.append({"kind": "device", "device": "cpu", "sentence": "Set whisperx_plan_device to cpu"})
    remedies = remedies or _with_the_cpu(host, request, catalogue)
    notes = [*driver_notes(host, remedies, request.device != "cpu", catalogue)]
    return Refusal(reasons, remedies, _advice(host, needed, catalogue), notes)


def _without_python(host: Host, request: Request, catalogue: Catalogue) -> Refusal:
    refused = usable_pythons(host, catalogue)[1]
    reasons = [
        reason(said, f"Python {dotted(python.minor)} ({python.path})", catalogue) for python, said in refused
    ]
    reasons += [] if reasons else [reason(finding("python.none", "no Python"), "Python", catalogue)]
    return Refusal(reasons, list(for_refusal(host, request, "cpu", catalogue)))


def _gpu_reasons(on_gpu: Attempt | None, catalogue: Catalogue) -> list[Reason]:
    """Return what about the GPU made the plan turn to the CPU."""
    if on_gpu is None or not isinstance(on_gpu.best.result, Conflict):
        return []
    spoken = [
        (release, said)
        for release, said in refused_releases(on_gpu.best.world)
        if said.rule.startswith(_GPU_RULES)
    ]
    clash = conflict_of(on_gpu.best.result.needs)
    first = [reason(clash, "the GPU", catalogue)] if clash is not None else []
    return first + reasons_for(spoken, catalogue, {})


def _answer(
    host: Host, request: Request, found: Attempt, before: list[Reason], catalogue: Catalogue
) -> Plan | Refusal:
    pythons = [
        reason(said, f"Python {dotted(python.minor)} ({python.path})", catalogue)
        for python, said in python_findings(found, catalogue)
    ]
    driver, needed = (None, None)
    if host.gpus and request.device != "cpu":
        driver, needed = better_driver(host, request, found, catalogue)
    remedies: list[Remedy] = [driver] if driver else []
    result = found.best.result
    if isinstance(result, Conflict):
        remedies += for_refusal(host, request, found.device, catalogue)
        if found.device == "cuda":
            remedies += _cpu_instead(host, request, catalogue)
        remedies = remedies or _with_the_cpu(host, request, catalogue)
        # What stops the last resort comes first; why it came to that, after it.
        reasons = [*_refused(found, result, catalogue), *before, *pythons]
        return Refusal(
            reasons,
            remedies,
            _advice(host, needed, catalogue),
            [*driver_notes(host, remedies, request.device != "cpu", catalogue)],
        )
    return _plan(host, found, result, [before, pythons], remedies, needed, catalogue)


def _advice(host: Host, needed: int | None, catalogue: Catalogue) -> dict[str, str | None]:
    """Return the driver branches to advise; a Jetson's driver comes with its system."""
    if not host.gpus or host.tegra is not None:
        return {"minimum": None, "maximum": None}
    return advice(host, needed, catalogue)


def _refused(found: Attempt, result: Conflict, catalogue: Catalogue) -> list[Reason]:
    allowed = found.best.world.target.request.remedies
    spoken: list[Spoken] = [
        (release, with_allowed(said, allowed, catalogue))
        for release, said in refused_releases(found.best.world)
    ]
    reasons = reasons_for(spoken, catalogue, {})
    clash = conflict_of(result.needs)
    return [reason(clash, "the request", catalogue), *reasons] if clash is not None else reasons


def _cpu_instead(host: Host, request: Request, catalogue: Catalogue) -> list[Remedy]:
    on_cpu = attempt(host, request, catalogue, "cpu")
    if on_cpu is None or on_cpu.solution is None:
        return []
    return [{"kind": "device", "device": "cpu", "sentence": "Set whisperx_plan_device to auto or cpu"}]


def _with_the_cpu(host: Host, request: Request, catalogue: Catalogue) -> list[Remedy]:
    """Return the second steps for a host that is asked for a GPU, when that is not all that is in the way."""
    if request.device != "cuda":
        return []
    return [
        {**step, "device": "cpu", "sentence": f"Set whisperx_plan_device to cpu. {step['sentence']}"}
        for step in for_refusal(host, replace(request, device="cpu"), "cpu", catalogue)
    ]


def _plan(
    host: Host,
    found: Attempt,
    solution: Solution,
    reasons: list[list[Reason]],
    remedies: list[Remedy],
    needed: int | None,
    catalogue: Catalogue,
) -> Plan:
    before, pythons = reasons
    parts = spell_out(host, found, solution, catalogue)
    if needed is None and host.gpus and found.device == "cuda":
        needed = branch_needed(host, solution.pins, catalogue)
    versions = reasons_for(ruled_out(found.best.world, solution.pins), catalogue, solution.pins)
    return Plan(
        host_class=host_class(parts, host, found, solution, catalogue),
        driver_advice=_advice(host, needed, catalogue),
        remedies=[*used(found, solution, catalogue), *remedies],
        reasons=[*before, *versions, *pythons],
        notes=list(dict.fromkeys(notes_of(host, found, solution, remedies, catalogue))),
        **parts,
    )
