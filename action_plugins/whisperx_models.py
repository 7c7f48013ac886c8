"""Action plugin of whisperx_models: transfers the files that are missing on a host, only if it needs them.

A listing of the host's store came with its facts. It says what would change, so that a host whose models stay
as they are is not contacted, and an assessment or a dry run contacts none.
"""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import ansible.plugins
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_action.transfer import send  # noqa: E402
from ..module_utils.whisperx_fleet.interpreter import run_module  # noqa: E402
from ..module_utils.whisperx_fleet.results import summarised, transferred, wanted_files  # noqa: E402
from ..module_utils.whisperx_fleet.variables import at  # noqa: E402
from ..module_utils.whisperx_models.hosts import LISTING, prediction  # noqa: E402
from ..module_utils.whisperx_models.manifest import contents  # noqa: E402
from ..module_utils.whisperx_problem import Problem  # noqa: E402

_NOTHING = {"schema": 1, "models": []}


class ActionModule(ActionBase):
    """Runs whisperx_models, twice where files have to travel first."""

    # Said true, Ansible would make a directory on every host before it knew whether one has to have files.
    TRANSFERS_FILES = False
    _requires_connection = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result, the host's name put before every line of its summary."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        host, given = str(variables.get("inventory_hostname", "")), dict(self._task.args)
        only_asked = bool(self._task.check_mode or given.get("assess"))
        try:
            result = self._known(given, variables, only_asked) or self._placed(given, variables, only_asked)
        except Problem as problem:
            result = {"failed": True, "changed": False, "msg": problem.sentence(), **problem.record()}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        if given.get("assess") and not self._task.check_mode:
            # A question changes nothing; in check mode the answer stands for the run.
            result["changed"] = False
        result["summary"] = summarised(result, host)
        return result

    def _known(
        self, given: dict[str, t.Any], variables: t.Mapping[str, t.Any], only_asked: bool
    ) -> dict[str, t.Any] | None:
        """Return the result where the listing says enough: a question, or nothing to do. Raises Problem."""
        wanted = given.get("manifest") if given.get("state", "present") == "present" else _NOTHING
        found = prediction(at(variables, LISTING), given, wanted or _NOTHING)
        if found is None or not (only_asked or not found["actions"]):
            return None
        return found

    def _placed(
        self, given: dict[str, t.Any], variables: dict[str, t.Any], only_asked: bool
    ) -> dict[str, t.Any]:
        options = {**given, "files": []}
        if not only_asked and self._connection.transport != "local":
            # Room is asked for there too, before anything travels.
            self._make_tmp_path()
            options["staging"] = self._connection._shell.tmpdir
        result = self._call(options, variables)
        # A host may ask for anything: what is no file of its models is none of its business.
        wanted = wanted_files(result) & set(contents(given.get("manifest") or _NOTHING))
        if only_asked or result.get("failed") or not wanted:
            return result
        paths, size = self._transfer(given, wanted, str(variables.get("inventory_hostname", "")))
        files = [{"sha256": name, "path": path} for name, path in paths.items()]
        result = self._call({**given, "files": files}, variables)
        result["bytes_brought"] = transferred(result) + size
        return result

    def _call(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        return run_module(self, variables, options=options)

    def _transfer(self, given: dict[str, t.Any], wanted: set[str], host: str) -> tuple[dict[str, str], int]:
        """Make files readable on the host; return their paths there by SHA-256, and the bytes of them."""
        here = {
            one["sha256"]: str(one["path"]) for one in given.get("files") or [] if one["sha256"] in wanted
        }
        absent = [name for name in sorted(wanted) if not os.path.isfile(here.get(name, ""))]
        if absent:
            raise AnsibleActionFail(
                f"{len(absent)} files of models are not on the controller, the first is {absent[0]}; wanted: "
                "the files that role whisperx_models, tasks_from store, downloads. Run site.yml."
            )
        largest_first = sorted(here, key=lambda name: -os.path.getsize(here[name]))
        return send(self, {name: here[name] for name in largest_first}, host, "files of models")
