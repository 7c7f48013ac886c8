"""One host: is there a plan, on which device, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_common.versions import dotted
from .case import Case
from .container import in_container
from .explain.notes import driver_notes, notes_of
from .explain.remedies import Remedy, better_driver, for_refusal, one_kind, used
from .explain.ruled_out import conflict_of, managed_finding, python_findings, refused_releases, ruled_out
from .explain.sentences import Spoken, reason, reasons_for, with_allowed
from .findings import Finding, finding
from .gpu.driver_advice import advice, branch_needed
from .gpu.names import gpu_words, ways
from .gpu.obstacles import Obstacle, obstacles
from .gpu.service import chosen, unserved, unserved_findings, usable
from .host import Gpu, Host
from .model import SYSTEM, Plan, Reason, Refusal
from .output.plan_fields import host_class, spell_out
from .pythons import name_of, unusual_layout, usable_of
from .requested import misplaced, unknown_versions
from .solve.resolver import Conflict, Solution
from .solve.trials import Attempt, attempt

__all__ = ["judge"]

_OPTION_OF = {"plan.unknown-version": "request"}
# Where the driver is missing, or is another than the GPU needs.
_DRIVER_RULES = ("driver.absent", "driver.window", "driver.modules")
_GPU_RULES = ("driver.", "gpu.", "soname.", "torch.", "unknown.ptx")


def judge(case: Case) -> Plan | Refusal:
    """Return the plan or the refusal of one host: on its own C library, or in a container on another."""
    asked = list(misplaced(case.request, case.catalogue))
    if asked:
        return _never(asked, case.catalogue)
    if case.request.runtime == "container":
        return in_container(case, _on_host)
    own = _on_host(case)
    if case.request.runtime == "venv" or isinstance(own, Plan):
        return own
    inside = in_container(case, _on_host)
    if isinstance(inside, Refusal):
        return own
    # Why it came to a container is told first.
    return replace(inside, reasons=[*own.reasons, *inside.reasons])


def _never(asked: list[tuple[str, Finding]], catalogue: Catalogue) -> Refusal:
    """Refuse what no host can be given. The known names are a note: once, however many are unknown."""
    reasons = [reason(said, name, catalogue) for name, said in asked]
    steps = [{"kind": "request", "package": said.subject, "sentence": said.remedy} for said in reasons]
    unknown = any(said.rule == "request.unknown-package" for said in reasons)
    known = "Packages of the catalogue: " + ", ".join(sorted(catalogue.packages))
    return Refusal(reasons, steps, notes=[known] if unknown else [])


def _on_host(case: Case) -> Plan | Refusal:
    there = case.host.gpus
    whole = chosen(case.host, case.request.gpus, case.catalogue.rows)
    case = replace(case, host=usable(whole, case.catalogue.rows))
    request, catalogue = case.request, case.catalogue
    closed = list(_closed(case))
    if closed:
        reasons = [reason(said, subject, catalogue) for subject, said in closed]
        steps = zip(closed, reasons, strict=True)
        return Refusal(reasons, [_step(said, entry) for (_subject, said), entry in steps])
    if (misplaced := unusual_layout(case)) is not None and request.unknown == "refuse":
        said = reason(misplaced, case.host.os_id or "the host", catalogue)
        images = [step for step in for_refusal(case, "cpu") if step["kind"] == "container"]
        return Refusal([said], images)
    ahead = _obstacles(case, there)
    real = [entry for entry in ahead if request.device == "cuda" or entry.finding.rule != "gpu.none"]
    if real and (request.device == "cuda" or any(entry.transient for entry in real)):
        return _stopped(case, real)
    on_gpu = None
    if request.device != "cpu" and not ahead:
        on_gpu = attempt(case, "cuda")
        if on_gpu is not None and (on_gpu.solution is not None or request.device == "cuda"):
            return _answer(case, on_gpu, _left_out(whole, case))
    on_cpu = attempt(case, "cpu")
    if on_cpu is None:
        return _without_python(case)
    before = [reason(entry.finding, entry.subject, catalogue) for entry in real]
    before += [*_left_out(whole, case), *_gpu_reasons(on_gpu, catalogue)]
    return _answer(case, on_cpu, before)


def _obstacles(case: Case, there: tuple[Gpu, ...]) -> list[Obstacle]:
    """Return what keeps a GPU that is wanted from being used; a missing driver with the branch to install.

    ``there``: the host's GPUs, whichever of them are asked for.
    """
    if case.request.device == "cpu":
        return []
    if there and not case.host.gpus:
        words = {"asked": ", ".join(case.request.gpus), "gpus": ways(gpu_words(one) for one in there)}
        return [Obstacle("GPU", finding("gpu.not-chosen", words["gpus"], **words))]
    needed = None
    if case.host.driver.state == "absent" or unserved(case.host, case.catalogue.rows):
        needed = better_driver(case, None)[1] if case.host.gpus else None
    return obstacles(case.host, case.gpu, case.request.unknown, needed, _made_for(case))


def _made_for(case: Case) -> bool:
    """Say whether the user has wheels with device code for the machine."""
    machine, family = case.host.machine or "", case.host.libc_family or ""
    return any(
        release.site and release.fitting(machine, family) and release.abi[machine].has_device_code
        for package in case.catalogue.packages.values()
        if case.catalogue.info(package.name).computes
        for release in package.releases
        if machine in release.abi
    )


def _left_out(whole: Host, case: Case) -> list[Reason]:
    """Return why the driver leaves some of the GPUs out."""
    rows = case.catalogue.rows
    found = [one for one in unserved(whole, rows) if one.gpu not in case.host.gpus]
    if case.request.device == "cpu":
        return []
    return [reason(said, subject, case.catalogue) for subject, said in unserved_findings(found, whole, rows)]


def _closed(case: Case) -> Iterable[tuple[str, Finding]]:
    """Yield what ends the decision before it begins."""
    host, catalogue = case.host, case.catalogue
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
    for name, text in unknown_versions(case.request, catalogue).items():
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


def _stopped(case: Case, ahead: list[Obstacle]) -> Refusal:
    """Refuse where the GPU cannot be used, and the CPU is not wanted or would be a mistake."""
    reasons = [reason(entry.finding, entry.subject, case.catalogue) for entry in ahead]
    remedies: list[Remedy] = []
    driver, needed = better_driver(case, None)
    if driver is not None and ahead[0].finding.rule in _DRIVER_RULES:
        remedies.append(driver)
    if any(entry.transient for entry in ahead):
        kind = "driver" if ahead[0].finding.rule.startswith("driver.") else "gpu"
        remedies.append({"kind": kind, "sentence": reasons[0].remedy})
    on_cpu = attempt(case, "cpu")
    if on_cpu is not None and on_cpu.solution is not None:
        remedies.append({"kind": "device", "device": "cpu", "sentence": "Set whisperx_plan_device to cpu"})
    remedies = remedies or _with_the_cpu(case)
    notes = [*driver_notes(case, remedies)]
    return Refusal(reasons, remedies, _advice(case, needed), notes)


def _without_python(case: Case) -> Refusal:
    catalogue = case.catalogue
    refused = [entry for source in case.request.interpreters for entry in usable_of(case, source)[1]]
    reasons = [reason(said, name_of(python), catalogue) for python, said in refused]
    if SYSTEM in case.request.interpreters and not case.host.pythons:
        reasons.insert(0, reason(finding("python.none", "no Python"), "Python", catalogue))
    return Refusal(reasons, list(for_refusal(case, "cpu")))


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


def _answer(case: Case, found: Attempt, before: list[Reason]) -> Plan | Refusal:
    pythons = [reason(said, name_of(python), case.catalogue) for python, said in python_findings(found)]
    driver, needed = (None, None)
    if case.host.gpus and case.request.device != "cpu":
        driver, needed = better_driver(case, found)
    remedies: list[Remedy] = [driver] if driver else []
    if case.request.device != "cpu" and (found.device == "cpu" or found.solution is None):
        remedies += one_kind(case)
    result = found.best.result
    if isinstance(result, Conflict):
        remedies += for_refusal(case, found.device)
        if found.device == "cuda":
            remedies += _cpu_instead(case)
        remedies = remedies or _with_the_cpu(case)
        # What stops the last resort comes first; why it came to that, after it.
        reasons = [*_refused(found, result), *before, *pythons]
        return Refusal(
            reasons,
            remedies,
            _advice(case, needed),
            [*driver_notes(case, remedies)],
        )
    return _plan(case, found, result, [before, pythons], remedies, needed)


def _advice(case: Case, needed: int | None) -> dict[str, str | None]:
    """Return the driver branches to advise; a Jetson's driver comes with its system."""
    if not case.host.gpus or case.host.tegra is not None:
        return {"minimum": None, "maximum": None}
    return advice(case.gpu, needed)


def _refused(found: Attempt, result: Conflict) -> list[Reason]:
    catalogue = found.best.world.catalogue
    allowed = found.best.world.target.request.remedies
    spoken: list[Spoken] = [
        (release, with_allowed(said, allowed, catalogue))
        for release, said in refused_releases(found.best.world)
    ]
    reasons = reasons_for(spoken, catalogue, {})
    clash = conflict_of(result.needs)
    return [reason(clash, "the request", catalogue), *reasons] if clash is not None else reasons


def _cpu_instead(case: Case) -> list[Remedy]:
    on_cpu = attempt(case, "cpu")
    if on_cpu is None or on_cpu.solution is None:
        return []
    return [{"kind": "device", "device": "cpu", "sentence": "Set whisperx_plan_device to auto or cpu"}]


def _with_the_cpu(case: Case) -> list[Remedy]:
    """Return the second steps for a host that is asked for a GPU, when that is not all that is in the way."""
    if case.request.device != "cuda":
        return []
    on_cpu = replace(case, request=replace(case.request, device="cpu"))
    return [
        {**step, "device": "cpu", "sentence": f"Set whisperx_plan_device to cpu. {step['sentence']}"}
        for step in for_refusal(on_cpu, "cpu")
    ]


def _plan(
    case: Case,
    found: Attempt,
    solution: Solution,
    reasons: list[list[Reason]],
    remedies: list[Remedy],
    needed: int | None,
) -> Plan:
    before, pythons = reasons
    managed = managed_finding(case, found)
    if managed is not None:
        before = [*before, reason(managed, f"Python {dotted(found.best.python.version)}", case.catalogue)]
    parts = spell_out(case, found, solution)
    if needed is None and case.host.gpus and found.device == "cuda":
        needed = branch_needed(case.gpu, solution.pins, case.catalogue)
    versions = reasons_for(ruled_out(found.best.world, solution.pins), case.catalogue, solution.pins)
    return Plan(
        host_class=host_class(parts, case, found, solution),
        driver_advice=_advice(case, needed),
        remedies=[*used(found, solution), *remedies],
        reasons=[*before, *versions, *pythons],
        notes=list(dict.fromkeys(notes_of(case, found, solution, remedies))),
        **parts,
    )
