"""Hosts without a Python for modules: what is missing, in words, and its installation by a shell."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ..whisperx_problem import Problem

__all__ = ["INSTALL", "missing", "run_module"]

_WANTED = "Python 3.9 or newer with its whole standard library"
# As ansible-core (2.19) and the shells of hosts say it.
_ABSENT = re.compile(r"interpreter '[^']*' was not found|python[\d.]*: (?:not found|No such file)|rc[= ]127")
_INCOMPLETE = re.compile(r"No module named '([A-Za-z0-9_]+)")
_OLD = re.compile(r"(?:requires a minimum of|needs|requires) Python (?:version )?3\.\d+.*")
# The package that has the standard library too. Some distributions have an old one under the plain name, and
# a newer one beside it. Ansible adds a command to it.
INSTALL = """
set -e
fits() {
  for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
    "$name" -c 'import sys, json, zipfile; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && return 0
  done
  return 1
}
take() {
  for package in "$@"; do
    install "$package" && fits && return 0
  done
  fits
}
if command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  install() { apt-get -q -y --no-install-recommends install "$1"; }
  take python3
elif command -v dnf >/dev/null; then
  install() { dnf -q -y install "$1"; }
  take python3 python3.12 python3.11 python39
elif command -v microdnf >/dev/null; then
  install() { microdnf -y install "$1"; }
  take python3 python3.12 python3.11 python39
elif command -v zypper >/dev/null; then
  install() { zypper --non-interactive install "$1"; }
  take python3 python313 python312 python311
elif command -v apk >/dev/null; then
  install() { apk add --no-cache "$1"; }
  take python3
elif command -v pacman >/dev/null; then
  install() { pacman -Sy --noconfirm --needed "$1"; }
  take python
else
  echo 'none of apt-get, dnf, microdnf, zypper, apk and pacman is there' >&2
  exit 3
fi
""".strip()


def missing(result: Mapping[str, Any]) -> str:
    """Return what is wrong with a host's Python, by the result of a module; "" if nothing is."""
    if not result.get("failed") or result.get("unreachable"):
        return ""
    said = {key: str(result.get(key) or "") for key in ("msg", "module_stderr", "module_stdout")}
    text = "\n".join(said.values())
    absent = _ABSENT.search(f"{text}\nrc {result.get('rc')}")
    if absent and ("module_stderr" in result or "module_stdout" in result):
        last = said["module_stderr"].strip() or said["module_stdout"].strip() or said["msg"]
        return f"No Python was found ({last.rpartition(chr(10))[2]})"
    old = _OLD.search(text)
    if old:
        return f"The Python is too old ({old.group(0)})"
    # A module that began says in its own words what it does not find.
    incomplete = _INCOMPLETE.search(said["module_stderr"] + said["module_stdout"])
    if incomplete and incomplete.group(1) in sys.stdlib_module_names:
        return f"The Python is incomplete, as that of python3-minimal is (no module {incomplete.group(1)})"
    return ""


def run_module(
    action: Any,
    variables: Mapping[str, Any],
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the result of a module on the host of ``action``, an action plugin.

    ``name`` and ``options`` are by default those of the task. If the host's Python is missing, the result
    says what to do; with ``whisperx_host_bootstrap`` it is installed by the shell, and the module runs again.
    """
    given = dict(action._task.args) if options is None else dict(options)

    def once() -> dict[str, Any]:
        found: dict[str, Any] = action._execute_module(
            module_name=name or action._task.action, module_args=dict(given), task_vars=dict(variables)
        )
        return found

    result = once()
    lacking = missing(result)
    if not lacking:
        return result
    asked = action._templar.template(variables.get("whisperx_host_bootstrap", False))
    if not boolean(asked, strict=False):
        return _refused(result, lacking, _by_hand())
    if action._task.check_mode:
        return _refused(
            result, lacking, "Would install it; run without --check, for nothing is known before."
        )
    done = action._low_level_execute_command(INSTALL)
    if done["rc"] != 0:
        last = (str(done["stderr"]).strip() or str(done["stdout"]).strip()).rpartition("\n")[2]
        return _refused(
            result, lacking, f"whisperx_host_bootstrap could not install it: {last}. {_by_hand()}"
        )
    result = once()
    lacking = missing(result)
    return _refused(result, lacking, _by_hand()) if lacking else {**result, "changed": True}


def _by_hand() -> str:
    return (
        "Install it (apt-get, dnf or zypper install python3; apk add python3; pacman -S python), or set "
        "whisperx_host_bootstrap: true. If it has another path, set ansible_python_interpreter."
    )


def _refused(result: Mapping[str, Any], lacking: str, remedy: str) -> dict[str, Any]:
    """Return the result as a failure in words, without what the shell printed."""
    problem = Problem("host.no-python", lacking, "", _WANTED, remedy)
    kept = {
        key: value for key, value in result.items() if not key.startswith("module_std") and key != "exception"
    }
    return {**kept, "failed": True, "changed": False, "msg": problem.sentence(), **problem.record()}
