"""Action plugin whisperx_preflight: validates the variables of all hosts of the play in one task.

Options: ``roles``, the directory of the roles, and ``values``, whether values are validated as well. Returns
``stages``, what runs by the tags; ``invalid``, host to what is wrong with its values; ``earlier``, whether
hosts still have the results of an earlier roll-out of this run. No host is contacted.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import ansible.plugins
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.action import ControllerAction  # noqa: E402
from ..module_utils.whisperx_fleet.variables import Fleet, origin_of  # noqa: E402
from ..module_utils.whisperx_preflight.names import (  # noqa: E402
    PREFIX,
    defined,
    refuse_strangers,
    refuse_unknown,
    specifications,
)
from ..module_utils.whisperx_preflight.stages import STAGES, stages  # noqa: E402
from ..module_utils.whisperx_problem import Problem  # noqa: E402
from ..module_utils.whisperx_service.model import services_of  # noqa: E402

# Facts that are described wrongly refuse their host in the decision, with the field that is wrong.
_FACTS = ("whisperx_host_assume", "whisperx_host_override")
CANARIES = "whisperx_rollout_canaries"
_EARLIER = ("__whisperx_rollout_failed.state", "__whisperx_rollout_proved")


class ActionModule(ControllerAction):
    """Validates names and values."""

    def answer(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], fleet: Fleet
    ) -> dict[str, t.Any]:
        """Return stages, invalid and earlier. Raises Problem for a variable that no role defines."""
        roles = Path(given["roles"])
        known = defined(roles)
        # As Ansible has them, with their origins; of a name that many hosts have, the first.
        names: dict[str, str] = {}
        for host in fleet.active:
            for name in fleet.raw(host):
                if name not in known or name == CANARIES:
                    names.setdefault(name, name)
        # Those of the play and of roles' callers are among the task's own.
        for name in variables:
            if name.startswith(PREFIX) and name not in known:
                names.setdefault(name, name)
        refuse_unknown({name: origin_of(key) for name, key in names.items()}, known)
        refuse_strangers(canaries(fleet, names.get(CANARIES, "")), variables.get("groups") or {})
        wanted = variables.get("ansible_run_tags") or ["all"]
        skipped = variables.get("ansible_skip_tags") or []
        own = set(self._task.tags) - {"always", *STAGES}
        return {
            "stages": stages(wanted, skipped, own),
            "invalid": invalid(fleet, specifications(roles)) if given.get("values") else {},
            "earlier": any(value for path in _EARLIER for value in fleet.recorded(path).values()),
        }


def canaries(fleet: Fleet, name: str) -> dict[str, list[str]]:
    """Return where the canaries are set to their names. ``name``: the variable's, as Ansible has it."""
    origin = origin_of(name)
    place = f"{CANARIES} in {origin}" if origin else CANARIES
    found: dict[str, None] = {}
    for value in fleet.setting(CANARIES, []).values():
        listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
        found |= dict.fromkeys(str(one).strip() for one in listed)
    return {place: [one for one in found if one]}


def invalid(fleet: Fleet, known: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, str]:
    """Return host to what is wrong with its variables; hosts where nothing is are left out."""
    found = {}
    for host in fleet.active:
        names = [name for name in fleet.raw(host) if name in known and name not in _FACTS]
        try:
            values = {name: fleet.setting(name, None, [host])[host] for name in names}
        except AnsibleError as error:
            found[host] = f"Validation of variables failed: {error}"
            continue
        # With these alone nothing is missing.
        validator = ArgumentSpecValidator({name: dict(known[name]) for name in names})
        errors = validator.validate(values, validate_role_argument_spec=True).error_messages
        try:
            services_of(values.get("whisperx_services"))
        except Problem as problem:
            errors = [*errors, problem.sentence()]
        if errors:
            found[host] = f"Validation of variables failed: {'; '.join(errors)}"
    return found
