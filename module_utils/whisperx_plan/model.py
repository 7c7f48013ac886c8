"""What goes in and out of the decision: Host, Request, Reason, Plan, Refusal, all plain data that survives
JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..whisperx_libraries import InvalidSpecifier, InvalidVersion, SpecifierSet, Version, canonicalize_name
from ..whisperx_problem import Problem
from . import extras as further
from .host import Driver, Gpu, Host, Interpreter

__all__ = [
    "INTERPRETERS",
    "MANAGED",
    "REMEDIES",
    "SYSTEM",
    "Driver",
    "Gpu",
    "Host",
    "Interpreter",
    "Plan",
    "Reason",
    "Refusal",
    "Request",
]

REMEDIES = ("upgrade", "repair", "tunable")
SYSTEM, MANAGED = "system", "managed"
# Where an interpreter may come from.
INTERPRETERS = (SYSTEM, MANAGED)
_RUNTIMES = ("venv", "container", "auto")
_DEVICES = ("auto", "cuda", "cpu")
_UNKNOWN = ("refuse", "gate")


def _choice(option: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise Problem(
            f"request.{option}",
            f"{option} is {value!r}",
            f"whisperx_plan_{option}",
            "one of " + ", ".join(allowed),
            f"Set whisperx_plan_{option} to one of them",
        )
    return str(value)


def _choices(option: str, values: Any, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return a list of choices, each once; a single text is a list of one."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        values = [values]
    return tuple(dict.fromkeys(_choice(option, value, allowed) for value in values))


def _specifier(name: str, text: Any) -> str:
    """Return the specifier in canonical form; Problem if it is none."""
    text = "" if text is None else text
    if not isinstance(text, str):
        found, hint = f"{text!r}", "Write it as a text in quotes"
    else:
        try:
            return str(SpecifierSet(text))
        except InvalidSpecifier:
            found, hint = f"{text!r}", f"Write {name}: '==1.2.3', '>=1.2,<2' or '' for the newest that works"
        try:
            hint = f"Write {name}: '=={Version(text)}' for exactly this version"
        except InvalidVersion:
            pass
    raise Problem(
        "request.malformed-specifier",
        f"the specifier of {name} is {found}",
        "whisperx_plan_packages",
        "a PEP 440 specifier",
        hint,
    )


def _described(facts: Any) -> Mapping[str, Any]:
    if facts is None or isinstance(facts, Mapping):
        return dict(facts or {})
    raise Problem(
        "request.container-facts",
        f"container_facts is {facts!r}",
        "whisperx_plan_container_facts",
        "a mapping in the layout of whisperx_host_assume",
        "Describe os, libc and pythons of the base",
    )


def _wheels(given: Any) -> tuple[str, ...]:
    """Return the paths of wheels, each once; Problem for what is no list of paths."""
    paths = [given] if isinstance(given, str) and given else given or ()
    if isinstance(paths, Sequence) and all(isinstance(path, str) and path for path in paths):
        return tuple(dict.fromkeys(paths))
    raise Problem(
        "request.wheels",
        f"wheels is {given!r}",
        "whisperx_plan_wheels",
        "wheels, or directories of wheels, on the controller",
        "Write whisperx_plan_wheels: [/srv/wheels]",
    )


def _gpus(wanted: Any) -> tuple[str, ...]:
    """Return which GPUs are asked for, as texts; Problem for what is no list of numbers and names."""
    entries = [wanted] if isinstance(wanted, (str, int)) and wanted != "" else wanted or ()
    if isinstance(entries, Sequence) and not isinstance(entries, str):
        texts = [str(entry).strip() for entry in entries if type(entry) in (str, int)]
        if len(texts) == len(entries) and all(texts):
            return tuple(dict.fromkeys(texts))
    raise Problem(
        "request.gpus",
        f"gpus is {wanted!r}",
        "whisperx_plan_gpus",
        'numbers as nvidia-smi counts GPUs, or words of their names, such as [1] or ["RTX 5060 Ti"]',
        "Correct the list, or leave it empty for all GPUs",
    )


@dataclass(frozen=True)
class Request:
    """What is asked for. ``packages``: canonical name -> specifier, in the order in which they matter.

    ``interpreters``: where a Python may come from, "system" or "managed", in order of preference.
    ``container_base``: an image's reference or a root's name, "" for the default; ``container_facts``: what
    is in it, {} where the catalogue knows; ``container_engine``: "" for the host's; ``container_install``: a
    missing engine will be installed. ``gpus``: the GPUs to use, numbers or words of names; () for all.
    ``extras``: further packages, as ``packages``. ``wheels``: paths of wheels that the user built.
    """

    packages: Mapping[str, str] = field(default_factory=lambda: {"whisperx": ""})
    runtime: str = "venv"
    device: str = "auto"
    remedies: tuple[str, ...] = REMEDIES
    unknown: str = "refuse"
    interpreters: tuple[str, ...] = INTERPRETERS
    container_base: str = ""
    container_facts: Mapping[str, Any] = field(default_factory=dict)
    container_engine: str = ""
    container_install: bool = False
    gpus: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)
    wheels: tuple[str, ...] = ()

    @classmethod
    def make(
        cls,
        packages: Any,
        runtime: str = "auto",
        device: str = "auto",
        remedies: Any = REMEDIES,
        unknown: str = "refuse",
        interpreters: Any = INTERPRETERS,
        container_base: str = "",
        container_facts: Any = None,
        container_engine: str = "",
        container_install: bool = False,
        gpus: Any = (),
        extras: Any = None,
        wheels: Any = (),
    ) -> Request:
        """Check the user's options. Raises Problem "request.…"; whether a package is known is checked by
        decide.
        """
        if not isinstance(packages, Mapping) or not packages:
            raise Problem(
                "request.packages",
                f"packages is {packages!r}",
                "whisperx_plan_packages",
                "a mapping of package to specifier",
                'Write whisperx_plan_packages: {whisperx: ""}',
            )
        checked: dict[str, str] = {}
        for name, specifier in packages.items():
            if not isinstance(name, str) or not name.strip():
                raise Problem(
                    "request.packages",
                    f"a package is named {name!r}",
                    "whisperx_plan_packages",
                    "a name",
                    "Name it",
                )
            key = canonicalize_name(name.strip())
            if key in checked:
                raise Problem(
                    "request.packages",
                    f"{key} is named twice",
                    "whisperx_plan_packages",
                    "each once",
                    "Drop one",
                )
            checked[key] = _specifier(name, specifier)
        sources = _choices("interpreters", interpreters, INTERPRETERS)
        if not sources:
            raise Problem(
                "request.interpreters",
                "interpreters is empty",
                "whisperx_plan_interpreters",
                "at least one of " + ", ".join(INTERPRETERS),
                "Write whisperx_plan_interpreters: [system, managed]",
            )
        return cls(
            packages=checked,
            runtime=_choice("runtime", runtime, _RUNTIMES),
            device=_choice("device", device, _DEVICES),
            remedies=_choices("remedies", remedies, REMEDIES),
            interpreters=sources,
            unknown=_choice("unknown", unknown, _UNKNOWN),
            container_base=str(container_base or ""),
            container_facts=_described(container_facts),
            container_engine=str(container_engine or ""),
            container_install=container_install is True,
            gpus=_gpus(gpus),
            extras=further.checked(extras),
            wheels=_wheels(wheels),
        )

    def record(self) -> dict[str, Any]:
        """Return plain data; ``from_record`` reads it back."""
        names = ("remedies", "interpreters", "wheels")
        lists = {name: list(getattr(self, name)) for name in names}
        return {
            **dataclasses.asdict(self),
            "packages": dict(self.packages),
            "extras": dict(self.extras),
            **lists,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Request:
        """Read what ``record`` wrote."""
        return cls.make(**record)


@dataclass(frozen=True)
class Reason:
    """Why versions of one package, an interpreter, or the GPU are ruled out. ``versions`` newest first."""

    rule: str
    subject: str
    found: str
    wanted: str
    remedy: str
    source: str
    sentence: str
    versions: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the reason of the contract."""
        return {**dataclasses.asdict(self), "versions": list(self.versions)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Reason:
        """Read what ``record`` wrote."""
        return cls(**{**record, "versions": tuple(record["versions"])})


@dataclass(frozen=True)
class Plan:
    """One host's plan. The fields are those of the contract; ``host_class`` is its "class".

    ``python_archive``: the standalone build to install, None where ``python_source`` is "system".
    ``left_out``: packages that METADATA wants and the set does without. ``wheels``: the user's own wheels
    that run on the host, of packages in the set.
    """

    host_class: str
    request: Mapping[str, str]
    machine: str
    libc: Mapping[str, str]
    platform: str
    runtime: str
    device: str
    python: str
    python_path: str
    torch_build: str | None
    default_torch_build: str | None
    pins: Mapping[str, str]
    constraints: Mapping[str, str]
    requirements: Sequence[str]
    environment: Mapping[str, str]
    loader_paths: Sequence[str]
    repairs: Sequence[Mapping[str, str]]
    system_packages: Sequence[str]
    imports: Sequence[Mapping[str, Any]]
    scripts: Sequence[str]
    driver_advice: Mapping[str, str | None]
    remedies: Sequence[Mapping[str, Any]]
    reasons: Sequence[Reason]
    notes: Sequence[str]
    execstack_refused_from: str = ""
    sonames: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    built_from_sdist: Sequence[Mapping[str, Any]] = ()
    catalogue: str = ""
    container: Mapping[str, Any] | None = None
    python_source: str = SYSTEM
    python_archive: Mapping[str, Any] | None = None
    extras: Mapping[str, str] = field(default_factory=dict)
    amendments: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[str] = ()
    wheels: Sequence[Mapping[str, Any]] = ()

    def record(self) -> dict[str, Any]:
        """Return the plan of the contract, plain data."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        identity = values.pop("host_class")
        values["reasons"] = [reason.record() for reason in self.reasons]
        values["built_from_sdist"] = [dict(row) for row in self.built_from_sdist]
        values["amendments"] = [dict(row) for row in self.amendments]
        return {"verdict": "plan", "class": identity, **values}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Plan:
        """Read what ``record`` wrote."""
        names = {item.name for item in dataclasses.fields(cls)}
        values = {key: value for key, value in record.items() if key in names}
        values["reasons"] = [Reason.from_record(reason) for reason in record["reasons"]]
        return cls(host_class=record["class"], **values)


@dataclass(frozen=True)
class Refusal:
    """Why a host gets no plan, and what would give one. ``driver_advice``: empty for a host without GPU."""

    reasons: Sequence[Reason]
    remedies: Sequence[Mapping[str, Any]] = ()
    driver_advice: Mapping[str, str | None] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        """Return the refusal of the contract, plain data."""
        return {
            "verdict": "refused",
            "class": None,
            "reasons": [reason.record() for reason in self.reasons],
            "remedies": list(self.remedies),
            "driver_advice": dict(self.driver_advice) or {"minimum": None, "maximum": None},
            "notes": list(self.notes),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Refusal:
        """Read what ``record`` wrote."""
        return cls(
            [Reason.from_record(reason) for reason in record["reasons"]],
            list(record["remedies"]),
            dict(record.get("driver_advice", {})),
            list(record.get("notes", ())),
        )
