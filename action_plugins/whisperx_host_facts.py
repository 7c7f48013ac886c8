"""Action plugin of whisperx_host_facts: a host that is only described is not contacted.

A description that cannot be read is handed to the decision, which refuses that host and no other.
Where the task names an environment, whisperx_assess runs, which reads the same facts and assesses it as well.
"""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

import ansible.plugins
from ansible.plugins.action import ActionBase

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_fleet.interpreter import run_module  # noqa: E402
from ..module_utils.whisperx_libraries import load_yaml  # noqa: E402
from ..module_utils.whisperx_plan.layout import complaints  # noqa: E402

_LAYOUT = "roles/whisperx_host/meta/argument_specs.yml"
# Beside action_plugins in a checkout, beside plugins in a collection.
_SPECIFICATION = next(
    path / _LAYOUT for path in Path(__file__).resolve().parents if (path / "roles").is_dir()
)
_DESCRIBING = ("whisperx_host_assume", "whisperx_host_override")


class ActionModule(ActionBase):
    """Runs whisperx_host_facts, or returns what is assumed."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        given = dict(self._task.args)
        environment, models = given.pop("environment", None), given.pop("models", None)
        parts = [given.pop("assume", None), given.pop("override", None)]
        wrong = [
            sentence
            for name, part in zip(_DESCRIBING, parts, strict=True)
            if part not in (None, {})
            for sentence in complaints(specification(), name, part)
        ]
        assume = {key: value for part in parts if isinstance(part, t.Mapping) for key, value in part.items()}
        if wrong:
            facts = {"schema": 1, **assume, "malformed": "; ".join(wrong)}
            return {**result, "changed": False, "ansible_facts": {"whisperx_host": facts}}
        if given.get("source", "probe") == "assume":
            facts = {"schema": 1, **assume}
            return {**result, "changed": False, "ansible_facts": {"whisperx_host": facts}}
        given["assume"], name = assume, self._task.action
        if environment and given.get("root", "/") == "/":
            # From the same collection, whatever the play's own names resolve to.
            collection, dot, _separator = name.rpartition(".")
            name, given["environment"] = f"{collection}{dot}whisperx_assess", environment
            if models:
                given["models"] = models
            given.pop("source", None)
        result.update(run_module(self, task_vars or {}, name, given))
        return result


@functools.cache
def specification() -> dict[str, t.Any]:
    """Return the layout of described facts, which is that of the role's own variable."""
    content = load_yaml(_SPECIFICATION.read_text(encoding="utf-8"))
    found: dict[str, t.Any] = content["argument_specs"]["main"]["options"][_DESCRIBING[0]]
    return found
