# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup whisperx_lines: returns lines as the one value that this run's callback prints line by line.

Callbacks that print YAML keep the lines of a text and fold a list; all others print a list by lines, and a
text of several lines as one.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: whisperx_lines
author: The whisperx-fleet authors (@whisperx-fleet)
short_description: Lines for a person, as the callback of this run prints them
description:
  - Returns one value, for the message of M(ansible.builtin.debug).
  - It is a text if results are printed as YAML, else a list of lines.
options:
  _terms:
    description: A list of lines, or a text.
    required: true
"""

import typing as t

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):  # type: ignore[misc]
    """Returns a text or a list."""

    def run(
        self, terms: list[t.Any], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[str | list[str]]:
        """Return the lines of the first term as one value."""
        lines = terms[0].splitlines() if isinstance(terms[0], str) else [str(line) for line in terms[0]]
        return ["\n".join(lines) if _is_yaml() else lines]


def _is_yaml() -> bool:
    """Return whether results are printed as YAML."""
    wanted = {"plugin_type": "callback", "plugin_name": "default"}
    try:
        return bool(constants.config.get_config_value("result_format", **wanted) == "yaml")
    except AnsibleError:
        # Not every callback has that setting.
        return False
