"""The options of the decision, as the module whisperx_plan documents them."""

from __future__ import annotations

from typing import Any

from .model import INTERPRETERS, REMEDIES

__all__ = ["ARGUMENTS"]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "hosts": {"type": "dict"},
    "unread": {"type": "dict", "default": {}},
    "packages": {"type": "dict", "default": {"whisperx": ""}},
    "runtime": {"type": "str", "choices": ["venv", "container", "auto"], "default": "auto"},
    "device": {"type": "str", "choices": ["auto", "cuda", "cpu"], "default": "auto"},
    "remedies": {"type": "list", "elements": "str", "choices": list(REMEDIES), "default": list(REMEDIES)},
    "unknown": {"type": "str", "choices": ["refuse", "gate"], "default": "refuse"},
    "interpreters": {
        "type": "list",
        "elements": "str",
        "choices": list(INTERPRETERS),
        "default": list(INTERPRETERS),
    },
    "container_base": {"type": "str", "default": ""},
    "container_root": {"type": "str", "default": ""},
    "container_facts": {"type": "dict", "default": {}},
    "container_engine": {"type": "str", "choices": ["", "podman", "docker"], "default": ""},
    "container_install": {"type": "bool", "default": False},
    "gpus": {"type": "list", "elements": "str", "default": []},
    "extras": {"type": "dict", "default": {}},
    "wheels": {"type": "list", "elements": "path", "default": []},
    "bundle": {"type": "path"},
    "lock_dir": {"type": "path"},
    "cache_dir": {"type": "path"},
    "requests": {"type": "dict", "default": {}},
    "catalogue": {"type": "path", "required": True},
    "everything": {"type": "bool", "default": False},
    "output": {"type": "path"},
    "page": {"type": "path"},
    "templates": {"type": "path"},
    "compare": {"type": "path"},
}
