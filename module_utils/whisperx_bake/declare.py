"""Joins what is declared of the machine to come with what the root itself has.

The root's own: distribution, C library, interpreters, ffmpeg. They are in the image, so they are read, and a
declaration that says otherwise is refused. Everything else (kernel, processor, GPUs, driver) is of the
machine that will boot, so it is only ever declared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..whisperx_common.versions import minor
from ..whisperx_problem import Problem

__all__ = ["Declared", "join", "plan_hosts", "read_declared"]

# What a declaration must at least say: whether there is a GPU is the question that a builder answers wrongly.
_LEAST = ("gpus", "nvidia_driver")
_ROOTS_OWN = ("os", "libc", "machine", "pythons", "ffmpeg")
_REQUEST = ("packages", "runtime", "device", "remedies", "unknown")
# Joins a profile's name and a compute capability; neither has it.
BETWEEN = "|"


@dataclass(frozen=True)
class Declared:
    """One profile: its name, the facts of the machine it is for, and what of the request is its own."""

    name: str
    facts: Mapping[str, Any]
    request: Mapping[str, Any] = field(default_factory=dict)


def read_declared(
    profiles: Mapping[str, Mapping[str, Any]], assume: Mapping[str, Any], file: Optional[Mapping[str, Any]]
) -> Tuple[Declared, ...]:
    """Return the profiles, the one called "default" when none is named.

    ``profiles``: name -> facts, packages, device …; ``assume``: facts for all of them; ``file``: a fact
    file, or what tools/capture_host.py printed, which both lie over. Raises Problem "bake.undeclared" or
    "bake.profile".
    """
    base = dict((file or {}).get("facts") or file or {})
    base.update(assume)
    found = []
    for name, values in (profiles or {"default": {}}).items():
        if BETWEEN in name or not name or set(values) - {"facts", *_REQUEST}:
            raise Problem(
                "bake.profile",
                "profile '{}' has {}".format(
                    name, ", ".join(sorted(set(values) - {"facts", *_REQUEST})) or "no name"
                ),
                "whisperx_bake_profiles",
                "a name without '{}' and some of facts, {}".format(BETWEEN, ", ".join(_REQUEST)),
                "Correct it.",
            )
        facts = dict(base, **(values.get("facts") or {}))
        if not any(key in facts for key in _LEAST):
            raise _undeclared(name)
        request = {key: values[key] for key in _REQUEST if key in values}
        found.append(Declared(name, facts, request))
    return tuple(found)


def join(declared: Declared, root: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the facts to plan with. Raises Problem "bake.contradiction"."""
    facts = {key: value for key, value in declared.facts.items() if key not in ("sources", "container")}
    wrong: List[str] = []
    for fact, key in (("libc", "family"), ("libc", "version"), ("os", "id"), ("os", "version")):
        said, has = (facts.get(fact) or {}).get(key), (root.get(fact) or {}).get(key)
        if said and said != has:
            wrong.append("{}.{} is declared as {}, the root has {}".format(fact, key, said, has or "none"))
    if facts.get("machine") and facts["machine"] != root.get("machine"):
        wrong.append(
            "machine is declared as {}, the root is {}".format(facts["machine"], root.get("machine"))
        )
    there = {(item["path"], minor(str(item["version"]))) for item in root.get("pythons") or []}
    for item in facts.get("pythons") or []:
        if (item["path"], minor(str(item["version"]))) not in there:
            wrong.append(
                "Python {} at {} is declared, the root has none there".format(item["version"], item["path"])
            )
    said_av, has_av = (_avutil(source) for source in (facts, root))
    if said_av and has_av and not set(said_av) & set(has_av):
        wrong.append("ffmpeg's libavutil is declared as {}, the root has {}".format(said_av, has_av))
    if wrong:
        raise Problem(
            "bake.contradiction",
            "profile {}: {}".format(declared.name, "; ".join(wrong)),
            "the root that is baked",
            "a declaration that agrees with the root: C library, Python and distribution are the root's",
            "Bake a root of the declared kind, or leave these facts out: they are read from the root.",
        )
    for fact in _ROOTS_OWN:
        if fact == "ffmpeg" or not facts.get(fact):
            facts[fact] = root.get(fact)
    return facts


def plan_hosts(
    profiles: Sequence[Declared], root: Mapping[str, Any], capabilities: Sequence[str]
) -> Tuple[Dict[str, Any], Dict[str, Dict[str, Any]]]:
    """Return the hosts to plan and what they ask for, as the module whisperx_plan takes both.

    Every profile with a GPU is also planned for each of ``capabilities``, as PROFILE|CAPABILITY: those whose
    answer is the same may boot the image too. Raises Problem.
    """
    hosts: Dict[str, Any] = {}
    requests: Dict[str, Dict[str, Any]] = {}
    for profile in profiles:
        facts = join(profile, root)
        variants = {profile.name: facts}
        gpus = facts.get("gpus") or []
        for capability in capabilities if gpus else ():
            other = dict(gpus[0], compute_capability=capability, name="")
            other.pop("pci_id", None)
            variants[profile.name + BETWEEN + capability] = dict(facts, gpus=[other])
        hosts.update(variants)
        for key, value in profile.request.items():
            requests.setdefault(key, {}).update(dict.fromkeys(variants, value))
    return hosts, requests


def _avutil(facts: Mapping[str, Any]) -> List[int]:
    return list((facts.get("ffmpeg") or {}).get("libavutil") or [])


def _undeclared(name: str) -> Problem:
    return Problem(
        "bake.undeclared",
        "the machine for profile {} is not declared; the builder's own hardware must not decide, because one "
        "without a GPU would silently select the CPU".format(name),
        "whisperx_host_assume, whisperx_bake_facts",
        "the facts of the machine that will boot, at least its gpus ([] for a machine without)",
        "Describe it in whisperx_host_assume, or name in whisperx_bake_facts what tools/capture_host.py "
        "printed on a machine of that kind.",
    )
