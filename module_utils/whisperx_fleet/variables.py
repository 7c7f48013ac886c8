"""The variables of many hosts, each host's fetched once.

What a host sent (facts, results of modules) is data and is never templated. What the inventory says may hold
templates; of that the variables asked for are templated, and no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

__all__ = ["Fleet", "HostVars", "at", "has_template", "origin_of"]

# How Jinja's expressions and statements begin, by the settings that Ansible has.
_OPENINGS = ("{{", "{%", "{#")


class HostVars(Protocol):
    """The part of Ansible's ``hostvars`` that is used here."""

    def raw_get(self, host_name: str) -> Any:
        """Return a host's variables as they are."""

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        """Return a host's variables, each templated when it is asked for."""


class Fleet:
    """The hosts of a play with their variables.

    ``active``: those that take part, ``all``: those that took part at its beginning, ``batch``: those of the
    present batch; all in the order of the inventory.
    """

    def __init__(self, task_vars: Mapping[str, Any]) -> None:
        self.active = [str(name) for name in task_vars.get("ansible_play_hosts") or []]
        self.all = [str(name) for name in task_vars.get("ansible_play_hosts_all") or []]
        self.batch = [str(name) for name in task_vars.get("ansible_play_batch") or []]
        self._hostvars: HostVars = task_vars["hostvars"]
        self._raw: dict[str, Mapping[str, Any]] = {}

    def raw(self, host: str) -> Mapping[str, Any]:
        """Return the variables of a host as they are, without a template of any of them being run."""
        if host not in self._raw:
            self._raw[host] = self._hostvars.raw_get(host)
        return self._raw[host]

    def recorded(self, path: str, hosts: Iterable[str] | None = None) -> dict[str, Any]:
        """Return host to what a task left at ``path``, such as "__whisperx_venv_result.actions", as data.

        Hosts that have nothing there are left out. ``hosts``: by default all of the play.
        """
        parts = path.split(".")
        found = {host: at(self.raw(host), parts) for host in (self.all if hosts is None else hosts)}
        return {host: value for host, value in found.items() if value is not None}

    def setting(self, name: str, default: Any, hosts: Iterable[str] | None = None) -> dict[str, Any]:
        """Return host to the value of a variable of the inventory, templated for that host.

        ``default``: for hosts without it. A role's own default is not among the variables of a host.
        ``hosts``: by default those that take part.
        """
        return {
            host: self._value(host, name) if name in self.raw(host) else default
            for host in (self.active if hosts is None else hosts)
        }

    def _value(self, host: str, name: str) -> Any:
        value = self.raw(host)[name]
        return self._hostvars[host][name] if has_template(value) else value


def at(value: Any, path: Sequence[str]) -> Any:
    """Return what is at ``path`` in nested mappings, None where there is nothing."""
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def has_template(value: Any) -> bool:
    """Return whether a string in the value may be a template."""
    if isinstance(value, str):
        return any(opening in value for opening in _OPENINGS)
    if isinstance(value, Mapping):
        return any(has_template(one) for one in (*value.keys(), *value.values()))
    if isinstance(value, list | tuple):
        return any(has_template(one) for one in value)
    # Of any other kind, such as a vaulted string, Ansible knows what it is.
    return not (value is None or isinstance(value, bool | int | float))


def origin_of(name: object) -> str:
    """Return where a variable is set, by its name as Ansible has it: `all.yml, line 3`, "" if unknown.

    ansible-core from 2.19 on tags what it reads with its origin, in a part of it that may change.
    """
    try:
        origin = import_module("ansible._internal._datatag._tags").Origin.get_tag(name)
    except (ImportError, AttributeError):
        return ""
    if origin is None:
        return ""
    if not origin.path:
        return str(origin.description or "").strip("<>")
    line = f", line {origin.line_num}" if origin.line_num else ""
    path = os.path.relpath(origin.path)
    return f"{origin.path if path.startswith('..') else path}{line}"
