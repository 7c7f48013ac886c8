"""A module's documentation is its argument specification, and ansible-doc renders it."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible.module_utils.basic
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "library").glob("whisperx_*.py"))

COMPARED = ("type", "required", "default", "choices", "elements", "aliases")
UNSET = {"type": "str", "required": False, "default": None, "choices": None, "elements": None, "aliases": []}


class Captured(Exception):
    """Carries the arguments with which a module asked for its AnsibleModule."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__("captured")
        self.arguments = arguments


def specification(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the module `name` passes to AnsibleModule, by running its main() up to there."""

    def capture(*positional: Any, **named: Any) -> None:
        raise Captured({**({"argument_spec": positional[0]} if positional else {}), **named})

    module = importlib.import_module(f"ansible.modules.{name}")
    monkeypatch.setattr(module, "AnsibleModule", capture)
    with pytest.raises(Captured) as caught:
        module.main()
    return caught.value.arguments


def documentation(name: str) -> dict[str, Any]:
    module = importlib.import_module(f"ansible.modules.{name}")
    return yaml.safe_load(module.DOCUMENTATION)


def normal(option: dict[str, Any], key: str) -> Any:
    value = option.get(key, UNSET[key])
    # A default is documented as YAML would write it; a no-default list of aliases is none.
    return UNSET[key] if value in (None, []) else value


def test_there_are_modules() -> None:
    assert {
        "whisperx_host_facts",
        "whisperx_plan",
        "whisperx_lock",
        "whisperx_env",
        "whisperx_verify",
    } <= set(MODULES)


@functools.cache
def rendered() -> dict[str, Any]:
    """Return the page of every module, as ansible-doc makes them in one call."""
    command = [Path(sys.executable).parent / "ansible-doc", "--type", "module", "--json"]
    command += ["--module-path", ROOT / "library", *MODULES]
    pages: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return pages


@pytest.mark.parametrize("name", MODULES)
class TestModule:
    def test_documented_options_are_the_specified_ones(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        specified = specification(name, monkeypatch)["argument_spec"]
        documented = documentation(name).get("options") or {}
        assert {
            option: {key: normal(documented[option], key) for key in COMPARED} for option in documented
        } == {option: {key: normal(specified[option], key) for key in COMPARED} for option in specified}

    def test_check_mode_is_supported_and_said_so(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert specification(name, monkeypatch)["supports_check_mode"] is True
        assert documentation(name)["attributes"]["check_mode"]["support"] == "full"

    def test_ansible_doc_renders_it_with_examples_and_returns(self, name: str) -> None:
        page = rendered()[name]
        assert page["doc"]["short_description"] and page["examples"].strip() and page["return"]

    def test_main_is_short(self, name: str) -> None:
        lines = (ROOT / "library" / f"{name}.py").read_text(encoding="utf-8").splitlines()
        assert lines[0] == "#!/usr/bin/python"
        assert "GNU General Public License v3.0+" in "\n".join(lines[:4])


def test_modules_come_from_this_tree() -> None:
    module = importlib.import_module(f"ansible.modules.{MODULES[0]}")
    assert Path(module.__file__ or "").is_relative_to(ROOT)
    assert ansible.module_utils.basic.AnsibleModule
