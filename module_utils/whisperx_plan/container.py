"""A plan for a container: the host's hardware, with the C library, Pythons and distribution of the base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..whisperx_catalogue.catalogue import Catalogue
from ..whisperx_catalogue.container_rows import Engine
from ..whisperx_common.versions import Numbers, dotted, strict_numbers
from ..whisperx_problem import Problem
from .case import Case
from .explain.sentences import reason
from .findings import Finding, finding
from .gpu.driver_advice import branch_needed
from .gpu.drivers import branch_for_cuda
from .gpu.names import gpu_words, ways
from .gpu.service import chosen, usable
from .host import Host
from .model import SYSTEM, Plan, Refusal, Request

__all__ = ["Base", "base_of", "engine_of", "in_container", "on_base", "remedy_for"]

Judge: TypeAlias = Callable[[Case], Plan | Refusal]
# The name of every image on a host; the tag is the release, which only plan and lock together give.
IMAGE = "localhost/whisperx-fleet"


@dataclass(frozen=True)
class Base:
    """What an image stands on. ``requires``: the CUDA that its NVIDIA_REQUIRE_CUDA asks for, if any."""

    name: str
    facts: Mapping[str, Any]
    host: Host
    requires: Numbers | None = None

    @property
    def plain(self) -> str:
        """The name for sentences, without a digest."""
        return self.name.partition("@")[0]


def base_of(request: Request, catalogue: Catalogue) -> Base:
    """Return the base that is asked for, by default the catalogue's first.

    Raises Problem "request.container-base" where nobody says what is in it, "facts.malformed" for facts that
    cannot be read.
    """
    rows = sorted(catalogue.rows.containers.bases, key=lambda row: row.order)
    name = request.container_base
    facts: Mapping[str, Any] = request.container_facts
    if not facts:
        plain = name.partition("@")[0]
        known = next((row for row in rows if not name or row.reference == plain), None)
        if known is None:
            raise Problem(
                "request.container-base",
                f"nothing is known of {name}" if name else "the catalogue has no base",
                "whisperx_plan_container_base",
                "a base with known facts: " + ", ".join(row.reference for row in rows),
                "Describe it in whisperx_plan_container_facts (os, libc, pythons)",
            )
        name, facts = name or known.pinned, known.facts
    host = Host.from_facts(f"the base {name or 'of the containers'}", facts)
    return Base(name or "described", facts, host, _required(facts))


def _required(facts: Mapping[str, Any]) -> Numbers | None:
    """Return the CUDA of the first clause of NVIDIA_REQUIRE_CUDA, such as "cuda>=12.8 brand=…"."""
    environment = facts.get("environment")
    text = str(environment.get("NVIDIA_REQUIRE_CUDA") or "") if isinstance(environment, Mapping) else ""
    _before, sign, version = text.partition(" ")[0].partition("cuda>=")
    return strict_numbers(version) if sign else None


def on_base(host: Host, base: Base) -> Host:
    """Return the host as a container of the base shows it."""
    inside = base.host
    return replace(
        host,
        os_id=inside.os_id,
        os_version=inside.os_version,
        os_codename=inside.os_codename,
        libc_family=inside.libc_family,
        libc_version=inside.libc_version,
        pythons=inside.pythons,
        libavutil=inside.libavutil,
        ffmpeg_path=inside.ffmpeg_path,
    )


def engine_of(case: Case) -> Engine | None:
    """Return the engine to use: the one asked for, else the first that the host has; None without one."""
    rows = sorted(case.catalogue.rows.containers.engines, key=lambda row: row.order)
    wanted = [row for row in rows if case.request.container_engine in ("", row.name)]
    there = next((row for row in wanted if row.name in case.host.engines), None)
    if there is None and case.request.container_install:
        return next(iter(wanted), None)
    return there


def in_container(case: Case, judge: Judge) -> Plan | Refusal:
    """Return the plan or the refusal of a host for a container. ``judge`` decides for what is inside."""
    whole, catalogue = case, case.catalogue
    case = replace(case, host=usable(chosen(case.host, case.request.gpus, catalogue.rows), catalogue.rows))
    base = base_of(case.request, catalogue)
    engine = engine_of(case)
    stopped = list(_stopped(case, base, engine))
    if stopped:
        return Refusal(
            [reason(said, subject, catalogue) for subject, said, _step in stopped],
            [step for _subject, _said, step in stopped],
        )
    if engine is None:
        raise AssertionError("a host without an engine is refused above")
    inside = judge(_inside(whole, base))
    if isinstance(inside, Refusal):
        return _about(inside, case, judge)
    if inside.device == "cuda":
        kept = list(_kept_from_gpu(case, base, engine))
        if kept:
            on_cpu = judge(_inside(case, base, device="cpu"))
            instead = [_CPU] if isinstance(on_cpu, Plan) else []
            return Refusal(
                [reason(said, subject, catalogue) for subject, said, _step in kept],
                [*(step for _subject, _said, step in kept), *instead],
            )
    if inside.system_packages and base.host.os_id not in catalogue.rows.containers.installers:
        said = finding(
            "container.installer",
            base.host.os_id or "an unknown distribution",
            packages=ways(inside.system_packages),
            base=base.name,
            known=ways(sorted(catalogue.rows.containers.installers)),
        )
        step = {"kind": "base", "sentence": "Name a base that has them, or one of a known distribution"}
        return Refusal([reason(said, "the base", catalogue)], [step])
    return _plan(case, base, engine, inside)


def _inside(case: Case, base: Base, **request: Any) -> Case:
    """Return the case of what is inside a container of the base. ``request``: what else is asked for."""
    # An image has the Python of its base.
    asked = replace(case.request, runtime="venv", interpreters=(SYSTEM,), **request)
    return replace(case, host=on_base(case.host, base), request=asked)


_CPU: Mapping[str, Any] = {
    "kind": "device",
    "device": "cpu",
    "sentence": "Set whisperx_plan_device to cpu",
}
Step: TypeAlias = tuple[str, Finding, dict[str, Any]]


def _stopped(case: Case, base: Base, engine: Engine | None) -> Iterator[Step]:
    """Yield what keeps any container from running on the host, each with its remedy."""
    host, request = case.host, case.request
    if engine is None:
        rows = sorted(case.catalogue.rows.containers.engines, key=lambda row: row.order)
        wanted = [row for row in rows if request.container_engine in ("", row.name)] or rows
        first, known = wanted[0], " or ".join(row.name for row in wanted)
        has = f" (there: {', '.join(host.engines)})" if host.engines else ""
        said = finding(
            "container.engine", "none" + has, known=known, package=first.package, name=first.name, has=has
        )
        yield (
            "container engine",
            said,
            {
                "kind": "engine",
                "package": first.package,
                "engine": first.name,
                "sentence": f"Install the package {first.package}, or set whisperx_container_install to true",
            },
        )
    if base.host.machine and host.machine and base.host.machine != host.machine:
        words = {"base": base.name, "made": base.host.machine, "machine": host.machine}
        yield (
            "the base",
            finding("container.machine", host.machine, **words),
            {"kind": "base", "sentence": f"Name a base for {host.machine} in whisperx_plan_container_base"},
        )


def _kept_from_gpu(case: Case, base: Base, engine: Engine) -> Iterator[Step]:
    """Yield what keeps a container from the GPU that the host itself could use, each with its remedy."""
    host = case.host
    gpus = ways(gpu_words(gpu) for gpu in host.gpus)
    make = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    if engine.kind not in host.cdi:
        words = {"gpus": gpus, "engine": engine.name, "kind": engine.kind, "package": engine.toolkit}
        yield (
            engine.name,
            finding("container.toolkit", "no CDI specification", make=make, **words),
            {
                "kind": "toolkit",
                "package": engine.toolkit,
                "sentence": f"Install the package {engine.toolkit} and run {make}",
            },
        )
    elif host.cdi_problems:
        problem = host.cdi_problems[0].rstrip(".")
        yield (
            engine.name,
            finding("container.cdi", problem, make=make),
            {"kind": "cdi", "sentence": f"Run {make} and let the host be probed again"},
        )
    speaks = case.gpu.cuda
    if base.requires is not None and (speaks is None or speaks[:2] < base.requires[:2]):
        cuda = dotted(base.requires[:2])
        branch = str(branch_for_cuda(base.requires[:2], case.catalogue.rows) or "")
        said = finding(
            "container.driver",
            f"CUDA {dotted(speaks)}" if speaks else "an unknown CUDA",
            base=base.name,
            cuda=cuda,
            branch=branch or f"of CUDA {cuda}",
        )
        sentence = f"Upgrade the driver to branch {branch} or newer" if branch else "Upgrade the driver"
        step = {"kind": "driver", "branch": branch, "sentence": sentence} if branch else {}
        yield "driver", said, step or {"kind": "base", "sentence": "Name a base without that condition"}


def _about(refused: Refusal, case: Case, judge: Judge) -> Refusal:
    """Return a refusal of what is inside, with the remedies that hold for an image."""
    kept = [step for step in refused.remedies if step["kind"] not in ("python", "container", "runtime")]
    request = case.request
    default = replace(case, request=replace(request, container_base="", container_facts={}))
    if request.container_base or request.container_facts:
        other = base_of(default.request, case.catalogue)
        if isinstance(judge(_inside(default, other)), Plan):
            kept.append({"kind": "base", "base": other.name, "sentence": f"Take the base {other.name}"})
    return replace(refused, remedies=kept)


def _plan(case: Case, base: Base, engine: Engine, inside: Plan) -> Plan:
    gpu = engine.gpu if inside.device == "cuda" else None
    floor = _floor(case, base, inside) if gpu else None
    rows = case.catalogue.rows.containers
    commands = [
        [word for part in command for word in (inside.system_packages if part == "{packages}" else [part])]
        for command in rows.installers.get(base.host.os_id or "", ())
    ]
    container = {
        "base": base.name,
        "base_facts": {key: base.facts[key] for key in ("os", "libc", "pythons") if key in base.facts},
        "driver_minimum": floor,
        "image": IMAGE,
        "commands": commands if inside.system_packages else [],
        "layers": [{"what": what, "packages": list(names)} for _order, what, names in sorted(rows.layers)],
    }
    identity = json.dumps([inside.host_class, container["base"], container["base_facts"]], sort_keys=True)
    readable = inside.host_class.rpartition("-")[0]
    return replace(
        inside,
        host_class=f"container-{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}",
        runtime="container",
        container={**container, "engine": engine.name, "gpu": gpu},
    )


def _floor(case: Case, base: Base, inside: Plan) -> str | None:
    """Return the first driver branch under which the image runs on the host's GPUs: of what is in it, and of
    what the base asks for.
    """
    pins = {
        name: release
        for name, text in inside.pins.items()
        for release in case.catalogue.packages[name].releases
        if release.text == text
    }
    branches = [branch_needed(case.gpu, pins, case.catalogue)]
    if base.requires is not None:
        branches.append(branch_for_cuda(base.requires[:2], case.catalogue.rows))
    return max((str(branch) for branch in branches if branch is not None), key=int, default=None)


def remedy_for(case: Case, device: str, helps: Any) -> dict[str, Any]:
    """Return the remedy of a container for a host that its C library or Python stops, {} if it is none."""
    host, catalogue = case.host, case.catalogue
    try:
        base = base_of(case.request, catalogue)
    except Problem:
        return {}
    if base.host.machine and base.host.machine != host.machine:
        return {}
    if not helps(host=on_base(host, base), request=replace(case.request, interpreters=(SYSTEM,))):
        return {}
    engine = engine_of(case)
    steps = [] if case.request.runtime != "venv" else ["set whisperx_plan_runtime to auto"]
    row = engine or min(catalogue.rows.containers.engines, key=lambda entry: entry.order)
    if engine is None:
        steps.append(f"install the package {row.package} (or set whisperx_container_install to true)")
    if device == "cuda" and row.kind not in host.cdi:
        steps.append(f"install the package {row.toolkit} for the GPU")
    told = "; ".join(steps)
    return {
        "kind": "container",
        "base": base.name,
        "engine": row.name,
        "package": None if engine else row.package,
        "sentence": f"A container on {base.plain} runs it: {told}"
        if told
        else f"A container on {base.plain} runs it",
    }
