"""Ask uv for the packages of a plan, with the build of torch that the plan wants where it can be had."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from ..whisperx_common.lockfile import LockedPackage, total
from ..whisperx_common.names import normalise
from ..whisperx_libraries import Version
from ..whisperx_problem import Problem
from .fit import extras_of, pins_of, torch_build_of
from .further import about_extras, amended, check_extras, moved, relaxed
from .pylock import Wheel, read_pylock
from .sources import Index
from .uv import CUDA_PARTS, TORCH_FAMILY, Question, Uv
from .wheels import Wheels

__all__ = ["Resolution", "Resolver", "check_family"]

# One retry is enough to find out whether there is a way to the PyTorch index at all.
_PROBE = {"UV_HTTP_RETRIES": "1", "UV_HTTP_CONNECT_TIMEOUT": "5"}


@dataclass(frozen=True)
class Resolution:
    """What uv chose: the packages, torch's build, the --torch-backend an installation needs, notes,
    and the wheels as the sources have them.
    """

    packages: tuple[LockedPackage, ...]
    torch_build: str
    torch_backend: str
    notes: tuple[str, ...]
    wheels: tuple[Wheel, ...] = ()


@dataclass
class Resolver:
    """One per run: it remembers uv's answers, and that the PyTorch index is out of reach.

    Classes often differ in nothing that uv is asked for; such a question is asked once.
    """

    uv: Uv
    wheels: Wheels
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _answers: dict[Question, Future[str]] = field(default_factory=dict)
    _unreachable: Problem | None = None
    _reached: bool = False

    def resolve(self, plan: Mapping[str, Any]) -> Resolution:
        """Resolve one class anew.

        Where the plan's versions leave no room for an extra, others that the plan admits are taken.
        Raises Problem ("lock.unsatisfiable", "lock.index", "lock.torch-index", "lock.torch-mixed",
        "lock.extra-torch").
        """
        if not extras_of(plan):
            return self._resolved(plan)
        try:
            return self._amended(plan)
        except Problem as problem:
            if problem.rule != "lock.unsatisfiable":
                raise
        try:
            found = self._amended(relaxed(plan))
        except Problem as problem:
            raise about_extras(problem, plan) from None
        return replace(found, notes=(*found.notes, *moved(plan, found.packages)))

    def _amended(self, plan: Mapping[str, Any]) -> Resolution:
        """Resolve until the packages that extras add have what the catalogue knows beyond METADATA."""
        found = self._resolved(plan)
        more = amended(plan, found.packages)
        return found if more is None else self._amended(more)

    def _resolved(self, plan: Mapping[str, Any]) -> Resolution:
        built = self.wheels.built(plan)
        question = Question(
            requirements=tuple(str(line) for line in plan["requirements"]),
            python=str(plan["python"]),
            platform=str(plan["platform"]),
            constraints=_constraints_of(plan),
            left_out=tuple(normalise(str(name)) for name in plan.get("left_out") or ()),
            find_links=tuple(sorted({path.parent for path in (*built.values(), *self.wheels.own(plan))})),
        )
        wanted = self._special_build(plan)
        if wanted and self.uv.sources.torch:
            question = _from_index(question, plan, self.uv.sources.torch, wanted)
        elif wanted and self._torch_index_answers(question, plan, wanted):
            question = replace(question, backend=wanted)
        found = read_pylock(self._answer(question), question.platform, question.python)
        packages = tuple(self.wheels.locked(wheel, built, plan) for wheel in found)
        versions = {package.name: package.version for package in packages}
        check_family(versions, plan)
        check_extras(versions, plan)
        build = torch_build_of(versions, plan)
        if wanted and build != wanted and (wanted != "cpu" or question.backend):
            raise self._unreachable or _other_build(build, wanted)
        notes = () if build == wanted or not wanted else (_fallback(packages, plan, build),)
        return Resolution(packages, build, question.backend, notes, found)

    def _answer(self, question: Question) -> str:
        with self._asking:
            known = self._answers.get(question)
            answer = known or self._answers.setdefault(question, Future())
        if known is None:
            try:
                answer.set_result(self.uv.compile(question))
            except BaseException as error:
                answer.set_exception(error)
        return answer.result()

    def _special_build(self, plan: Mapping[str, Any]) -> str:
        """Return the build of torch that the ordinary index does not have; empty if none is wanted."""
        wanted = str(plan.get("torch_build") or "")
        has_torch = "torch" in pins_of(plan)
        return wanted if has_torch and wanted != plan.get("default_torch_build") else ""

    def _torch_index_answers(self, question: Question, plan: Mapping[str, Any], backend: str) -> bool:
        """Ask the PyTorch index for torch alone, once per run."""
        with self._asking:
            if not self._reached and self._unreachable is None:
                torch = (f"torch=={plan['pins']['torch']}",)
                probe = replace(
                    question,
                    requirements=torch,
                    constraints=(),
                    find_links=(),
                    backend=backend,
                    dependencies=False,
                )
                try:
                    self.uv.compile(probe, _PROBE)
                    self._reached = True
                except Problem as problem:
                    self._reached = problem.rule != "lock.torch-index"
                    self._unreachable = None if self._reached else problem
            return self._reached


def check_family(versions: Mapping[str, str], plan: Mapping[str, Any]) -> None:
    """Raise Problem "lock.torch-mixed" where torch's family comes in two builds.

    Its packages share an ABI and load each other's CUDA libraries, but their METADATA does not say so: from
    two indexes a resolver takes torch here and torchaudio there. A version without a label is the default
    build on x86_64; on other machines all builds may come without one. What the user built is a build of its
    own: whether it goes with the others is for the check on the host to say.
    """
    mine = {(row["package"], row["version"]) for row in plan.get("wheels") or ()}
    family = [name for name in TORCH_FAMILY if name in versions and (name, versions[name]) not in mine]
    default = str(plan.get("default_torch_build") or "") if plan.get("machine") == "x86_64" else ""
    builds = {name: Version(versions[name]).local or default for name in family}
    if len({build for build in builds.values() if build}) > 1:
        raise Problem(
            "lock.torch-mixed",
            ", ".join(f"{name} {versions[name]} ({build or 'no build'})" for name, build in builds.items()),
            "uv pip compile",
            f"one build of {', '.join(builds)}",
            "Name the PyTorch index as whisperx_plan_torch_index, not among whisperx_plan_extra_index_urls.",
        )


def _constraints_of(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the plan's pins, and its constraints for what it does not pin, as requirement lines, sorted."""
    extras = extras_of(plan)
    # Those that were locked before may be among the pins; what they are now is for the resolver to say.
    pins = {name: f"=={version}" for name, version in pins_of(plan).items() if name not in extras}
    rules = {normalise(name): str(text) for name, text in (plan.get("constraints") or {}).items() if text}
    lines = [f"{name}{text}" for name, text in sorted({**rules, **pins}.items())]
    return (*lines, *(str(line) for line in plan.get("limits") or ()))


def _from_index(question: Question, plan: Mapping[str, Any], base: Index, build: str) -> Question:
    """Take torch's family from the user's PyTorch index; only direct requirements can be bound to one."""
    pins = pins_of(plan)
    family = tuple(f"{name}=={pins[name]}" for name in TORCH_FAMILY if name in pins)
    index = replace(base, url=f"{base.url.rstrip('/')}/{build}")
    return replace(
        question,
        requirements=tuple(dict.fromkeys((*question.requirements, *family))),
        backend=build,
        torch=index,
    )


def _fallback(packages: Sequence[LockedPackage], plan: Mapping[str, Any], build: str) -> str:
    whole = total(tuple(packages))
    cuda = [package for package in packages if package.name.startswith(CUDA_PARTS)]
    text = f"the PyTorch index cannot be reached: taking torch's default {build or 'ordinary'} build"
    if whole is None:
        return text
    text += f", {_gigabytes(whole)}"
    small = (plan.get("torch_build_sizes") or {}).get("cpu")
    torch = next((package for package in packages if package.name == "torch"), None)
    spare = total(tuple(cuda)) or 0
    if small and torch and torch.size:
        return text + f" instead of about {_gigabytes(whole - spare - torch.size + int(small))}"
    return text + f", of which {_gigabytes(spare)} are CUDA libraries that this host does not use"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _other_build(build: str, wanted: str) -> Problem:
    return Problem(
        "lock.torch-index",
        f"the indexes give torch's {build or 'ordinary'} build",
        "uv pip compile",
        f"the {wanted} build",
        "Set whisperx_plan_torch_index to an index that has it.",
    )
