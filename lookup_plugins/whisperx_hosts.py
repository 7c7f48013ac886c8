# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup whisperx_hosts: returns the pattern of a play's hosts, and ends a run that has none.

Ansible ends a play without hosts as a success, also if the inventory is not there or cannot be parsed. Every
play of this project names its hosts by this lookup. It runs where a play is loaded, so it holds for any
inventory, --limit and ansible.cfg; no host is contacted.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: whisperx_hosts
author: The whisperx-fleet authors (@whisperx-fleet)
short_description: The hosts of a play, of which there must be some
description:
  - Returns its term, a pattern of hosts, if it matches at least one host of this run.
  - Else the run ends with exit status 1, and one sentence that says what was found and what to do.
options:
  _terms:
    description: The pattern, such as C(all).
    required: true
"""

import os
import typing as t
from pathlib import Path

import ansible.plugins
from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import IGNORED, InventoryManager
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

# In a checkout, plugins are loaded below ansible.plugins; a collection has module_utils beside them already.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in ansible.plugins.__path__:
    ansible.plugins.__path__.append(_ROOT)

from ..module_utils.whisperx_preflight.targets import Source, refuse_empty, refuse_unread  # noqa: E402
from ..module_utils.whisperx_problem import Problem  # noqa: E402

# Where no inventory is named, this one need not exist.
_DEFAULT = "/etc/ansible/hosts"


class LookupModule(LookupBase):  # type: ignore[misc]
    """Returns the pattern, or ends the run."""

    def run(
        self, terms: list[t.Any], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[str]:
        """Return the pattern. Ends ansible-playbook where no host is meant."""
        known = variables or {}
        pattern = terms[0] if isinstance(terms[0], str) else ",".join(terms[0])
        # A check of the syntax needs no inventory. A playbook that imports this one may be for others.
        required = boolean(known.get("whisperx_hosts_required", True), strict=False)
        if not context.CLIARGS.get("syntax") and required:
            try:
                self._require(pattern, known)
            except Problem as problem:
                # An AnsibleError would be shown as a fault of the playbook, with the line of this lookup.
                Display().error(f"{problem.sentence()} [{problem.rule}]", wrap_text=False)
                raise SystemExit(1) from None
        return [pattern]

    def _require(self, pattern: str, variables: t.Mapping[str, t.Any]) -> None:
        """Raise Problem where no host is meant, or a source of the inventory cannot be read."""
        names = [str(name) for name in variables.get("ansible_inventory_sources") or []]
        groups = variables.get("groups") or {}
        matched = hosts_of(self._loader, groups, pattern, variables.get("ansible_limit"))
        # A single file that was parsed needs no second look.
        if not matched or len(names) > 1 or any(os.path.isdir(name) for name in names):
            refuse_unread([self._source(path) for name in names for path in files_of(name)])
        if not matched:
            refuse_empty(names, pattern, variables.get("ansible_limit"), groups)

    def _source(self, name: str) -> Source:
        """Return what Ansible makes of a source. What asks a cloud for hosts is not asked again."""
        if "," in name or name == _DEFAULT:
            return Source(name)
        if not os.path.exists(name):
            return Source(name, there=False)
        if os.access(name, os.X_OK):
            return Source(name)
        why = ""
        if name.endswith((".yml", ".yaml", ".json")):
            try:
                content = self._loader.load_from_file(name, cache="none")
            except AnsibleError as error:
                return Source(name, unread=_reason(error))
            if isinstance(content, dict) and "plugin" in content:
                return Source(name)
            why = "" if isinstance(content, dict) else "it is no mapping of groups"
        inventory = InventoryManager(loader=self._loader, sources=[name], parse=False)
        return Source(name, unread="" if inventory.parse_source(name) else why or "see the warning above")


def hosts_of(loader: t.Any, groups: t.Mapping[str, t.Any], pattern: str, limit: str | None) -> list[str]:
    """Return the names of the hosts that a pattern and --limit mean, as Ansible selects them."""
    inventory = InventoryManager(loader=loader, parse=False)
    for group, hosts in groups.items():
        inventory.add_group(group)
        for host in hosts:
            inventory.add_host(host, group=group)
    if limit:
        inventory.subset(limit)
    return [str(host.name) for host in inventory.list_hosts(pattern)]


def files_of(name: str) -> list[str]:
    """Return the sources that a directory consists of, else the source itself."""
    if "," in name or not os.path.isdir(name):
        return [name]
    entries = [entry for entry in sorted(os.listdir(name)) if not IGNORED.search(os.fsencode(entry))]
    return [one for entry in entries for one in files_of(os.path.join(name, entry))]


def _reason(error: AnsibleError) -> str:
    """Return the first line of an error, and the line of the file if it says one."""
    line = getattr(error.obj, "line_num", None)
    return str(error).strip().partition("\n")[0].rstrip(".") + (f", line {line}" if line else "")
