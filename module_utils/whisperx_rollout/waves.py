"""Which hosts change together, and which are left alone after others failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..whisperx_problem import Problem

__all__ = ["allowance", "held", "waves"]

_STEPS = "whisperx_rollout_steps"
_BUDGET = "whisperx_rollout_budget"


def waves(
    pending: Mapping[str, str], steps: Sequence[int | str], canaries: Iterable[str] = ()
) -> list[list[str]]:
    """Return the hosts that change, in waves: the first is one host, the second one of each other class.

    ``pending``: host to class, in the inventory's order. ``steps``: sizes of the waves, numbers of hosts or
    shares such as "10%" of all that change; the first is for canaries, the last is repeated until all are in.
    ``canaries``: hosts that go first in their class where they change at all; else the first of the class.
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


def held(
    pending: Mapping[str, str], failed: Mapping[str, str], unreachable: Iterable[str], budget: int | str
) -> dict[str, str]:
    """Return the hosts that must not be touched any more, with the sentence that says why.

    ``failed``: hosts of ``pending`` that did not pass their gate or proof, with what was said.
    ``unreachable``: those that no longer answer; they say nothing about their class, but count in the budget.
    ``budget``: how many hosts may be lost, a number or a share of ``pending``; one more ends the roll-out.
    Raises Problem "rollout.budget".
    """
    lost = [*failed, *(host for host in unreachable if host not in failed)]
    allowed = allowance(len(pending), budget)
    if len(lost) > allowed:
        why = f"{len(lost)} hosts were lost ({_some(lost)}), {_BUDGET} allows {allowed} of {len(pending)}"
        return {host: f"the roll-out ended: {why}" for host in pending if host not in lost}
    broken: dict[str, str] = {}
    for host in failed:
        broken.setdefault(pending[host], host)
    return {
        host: f"{broken[identity]} of the same class failed first: {failed[broken[identity]]}"
        for host, identity in pending.items()
        if identity in broken and host not in lost
    }


def allowance(hosts: int, budget: int | str) -> int:
    """Return how many hosts may be lost. Raises Problem "rollout.budget"."""
    return _number(budget, hosts, _BUDGET, least=0)


def _canaries(pending: Mapping[str, str], wanted: Iterable[str]) -> list[str]:
    chosen: dict[str, str] = {}
    for host in [*(name for name in wanted if name in pending), *pending]:
        chosen.setdefault(pending[host], host)
    # The largest class first: it has the most to lose from a canary that comes late.
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
            "Mend the value.",
        )
    return max(hosts * int(digits) // 100, 1) if share else int(digits)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
