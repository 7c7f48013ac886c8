# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of the collection: the directory where its runs keep locks and reports."""

from __future__ import annotations

DOCUMENTATION = r"""
name: whisperx_place
author: The whisperx-fleet authors (@whisperx-fleet)
version_added: 0.1.0
short_description: The directory where runs keep locks and reports
description:
  - Returns the directory of the inventory, if that is one file or directory that somebody wrote.
  - For several inventories, a list of hosts, a script or the configuration of an inventory plugin it returns
    the working directory.
  - The roles take it for C(whisperx_plan_lock_dir) and C(whisperx_report_dir) when they run from the
    collection.
options:
  _terms:
    description: Names of files or directories below that directory; none for the directory itself.
    required: false
"""

EXAMPLES = r"""
- name: Report where the locks are
  ansible.builtin.debug:
    msg: "{{ lookup('whisperx.fleet.whisperx_place', 'locks') }}"
"""

RETURN = r"""
_list:
  description: The paths.
  type: list
  elements: path
"""

import os
import typing as t

from ansible.plugins.lookup import LookupBase

from ..module_utils.whisperx_fleet.places import place


class LookupModule(LookupBase):
    """Looks at the inventory's sources."""

    def run(
        self, terms: list[str], variables: t.Mapping[str, t.Any] | None = None, **given: t.Any
    ) -> list[str]:
        """Return the paths of the terms."""
        sources = [str(source) for source in (variables or {}).get("ansible_inventory_sources") or []]
        found = place(sources, os.getcwd())
        return [os.path.join(found, str(term)) for term in terms] or [found]
