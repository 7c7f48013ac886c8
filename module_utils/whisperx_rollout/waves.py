"""Which hosts change together, and which are held after others failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..whisperx_common.wording import hosts_in_words, named
from ..whisperx_problem import Problem

__all__ = ["OWN", "Failure", "allowance", "held", "turn", "waves"]

_STEPS = "whisperx_rollout_steps"
_BUDGET = "whisperx_rollout_budget"
_NAMED = 5

# Rules about one host, not about what its class was given: others of the class may still succeed.
OWN = frozenset(
    {
        "container.disk-space",
        "container.store-busy",
        "env.busy",
        "env.disk-space",
        "env.foreign-command",
        "env.foreign-directory",
        "env.no-exec",
        "env.not-writable",
        "env.read-only",
        "env.system",
        "env.transfer",
    }
)


@dataclass(frozen=True)
class Failure:
    """Why a host failed: the rule's id, "" if the task has none, and its message."""

    rule: str
    message: str


def waves(
    pending: Mapping[str, str], steps: Sequence[int | str], canaries: Iterable[str] = ()
) -> list[list[str]]:
    """Return the hosts that change, in waves: the first is one host, the second one of each other class.

    ``pending``: host to class, in the inventory's order. ``steps``: sizes of the waves, numbers of hosts or
    shares such as "10%" of all that change; the first is for canaries, the last is repeated until all are in.
    ``canaries``: hosts that change first in their class, if they change at all; else the first of the class.
    A host is in exactly one wave, and none is in an earlier one than its class's canary.
    Raises Problem "rollout.steps".
    """
    sizes = [_number(step, len(pending), _STEPS) for step in steps] or [len(pending)]
    first = _canaries(pending, canaries)
    rest = [host for host in pending if host not in set(first)]
    found = list(_cut(first, sizes[0], len(first)))
    for size in [*sizes[1:], *([sizes[-1]] * len(rest))]:
        if not rest:
            break
        found.append(rest[:size])
        rest = rest[size:]
    return found


def turn(
    wave: Sequence[str], pending: Mapping[str, str], proved: Iterable[str], out: Collection[str]
) -> tuple[list[str], list[str]]:
    """Return which hosts of a wave change now, and which wait until one of their class succeeded.

    ``proved``: hosts that changed and passed; their classes continue together. Of any other class one
    host changes: if the canary does not respond or failed for a reason of its own, the next takes its place.
    ``out``: hosts that had their turn, or must not have one. Asked again after every turn, each gets one.
    """
    sure = {pending[host] for host in proved}
    now: list[str] = []
    later: list[str] = []
    tried: set[str] = set()
    for host in wave:
        if host not in pending or host in out:
            continue
        identity = pending[host]
        (now if identity in sure or identity not in tried else later).append(host)
        tried.add(identity)
    return now, later


def held(
    pending: Mapping[str, str],
    failed: Mapping[str, Failure],
    unreachable: Iterable[str],
    budget: int | str,
    proved: Iterable[str] = (),
) -> dict[str, str]:
    """Return the hosts that must not be touched any more, with the sentence that says why.

    Not among them is who had a turn: it failed, went away, or is one of ``proved``.

    ``failed``: hosts of ``pending`` that failed. Unless its rule is one of OWN, no further host
    of its class may change.
    ``unreachable``: those that no longer respond; they count in the budget, and their class continues.
    ``budget``: how many hosts may fail, a number or a share of ``pending``; one more ends the roll-out.
    Raises Problem "rollout.budget".
    """
    lost = [*failed, *(host for host in unreachable if host not in failed)]
    rest = set(pending) - set(lost) - set(proved)
    allowed = allowance(len(pending), budget)
    if len(lost) > allowed:
        who = named(lost, _NAMED)
        why = f"{hosts_in_words(len(lost))} failed ({who}), {_BUDGET} allows {allowed} of {len(pending)}"
        return {host: f"the roll-out ended: {why}" for host in pending if host in rest}
    broken: dict[str, str] = {}
    for host, failure in failed.items():
        if failure.rule not in OWN:
            broken.setdefault(pending[host], host)
    return {
        host: f"{broken[identity]} of the same class failed first: {failed[broken[identity]].message}"
        for host, identity in pending.items()
        if identity in broken and host in rest
    }


def allowance(hosts: int, budget: int | str) -> int:
    """Return how many hosts may fail. Raises Problem "rollout.budget"."""
    return _number(budget, hosts, _BUDGET, least=0)


def _canaries(pending: Mapping[str, str], wanted: Iterable[str]) -> list[str]:
    chosen: dict[str, str] = {}
    for host in [*(name for name in wanted if name in pending), *pending]:
        chosen.setdefault(pending[host], host)
    # The largest class first: a late canary would delay most hosts there.
    sizes = {identity: sum(other == identity for other in pending.values()) for identity in chosen}
    return [chosen[identity] for identity in sorted(chosen, key=lambda one: (-sizes[one], one))]


def _cut(hosts: list[str], *sizes: int) -> Iterable[list[str]]:
    for size in sizes:
        if hosts:
            yield hosts[:size]
        hosts = hosts[size:]


def _number(value: int | str, hosts: int, option: str, least: int = 1) -> int:
    """Return a number of hosts; a share is rounded down, but is never less than one host."""
    text = str(value).strip()
    share = text.endswith("%")
    digits = text[:-1].strip() if share else text
    if not digits.isascii() or not digits.isdigit() or (share and int(digits) > 100) or int(digits) < least:
        wanted = f"a number of hosts from {least} on, or a share such as 10%"
        raise Problem(
            "rollout.steps" if option == _STEPS else "rollout.budget",
            repr(value),
            option,
            wanted,
            "Correct the value.",
        )
    return max(hosts * int(digits) // 100, 1) if share else int(digits)
