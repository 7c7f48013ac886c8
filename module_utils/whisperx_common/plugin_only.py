"""Modules whose action plugin does all the work: what is in library/ is their page, and is never to run."""

from __future__ import annotations

from typing import Any

__all__ = ["refuse"]


def refuse(module: Any, name: str) -> None:
    """Fail the module ``name``: Ansible found it, and not the action plugin of that name beside it."""
    module.fail_json(
        msg="{} is an action plugin; wanted: it, in action_plugins beside this library.".format(name)
    )
