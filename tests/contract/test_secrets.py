"""Whatever option of a module can hold an address, its credentials are among what the module never shows.

The options are those of the specifications and what is said of them: a new one is looked at by itself.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.whisperx_common.secrets import secrets_of

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "library").glob("whisperx_*.py"))
PASSWORD = "hunter2-zeppelin"
ADDRESS = f"https://robot:{PASSWORD}@index.example/simple"
# How an option that holds an address, or the variables of a command, is called or described.
NAMED = re.compile(r"url|index|links|mirror|proxy|endpoint|registr|environment|variables|options$|_source$")
DESCRIBED = re.compile(
    r"\b(address of|base address|package index|further indexes|mirror of|URL|variables for)\b", re.I
)
# Its action plugin hands it on to whisperx_assess, which says what is in it.
HANDED_ON = {("whisperx_host_facts", "environment")}


class Done(Exception):
    """Ends a module as soon as it said what it hides."""


class Hidden(set[str]):
    def update(self, *others: Iterable[str]) -> None:
        super().update(*others)
        raise Done


def specification(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    found: dict[str, Any] = {}

    def capture(argument_spec: dict[str, Any], **_rest: Any) -> None:
        found.update(argument_spec)
        raise Done

    module = importlib.import_module(f"ansible.modules.{name}")
    monkeypatch.setattr(module, "AnsibleModule", capture)
    with pytest.raises(Done):
        module.main()
    return found


def hidden(name: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return what a module hides when it is called with these options, before it does anything."""
    spy = type("Spy", (), {"params": values, "check_mode": True, "no_log_values": Hidden()})()
    module = importlib.import_module(f"ansible.modules.{name}")
    monkeypatch.setattr(module, "AnsibleModule", lambda *_args, **_named: spy)
    with pytest.raises(Done):
        module.main()
    return set(spy.no_log_values)


def empty(option: dict[str, Any]) -> Any:
    kind = option.get("type", "str")
    return option.get("default", {"list": [], "dict": {}, "bool": False, "int": 0, "float": 0.0}.get(kind))


def with_address(option: dict[str, Any]) -> Any:
    kind = option.get("type", "str")
    return {"list": [ADDRESS], "dict": {"https_proxy": ADDRESS}}.get(kind, ADDRESS)


def holds(name: str, option: dict[str, Any], description: str) -> bool:
    """Return whether an option can hold an address."""
    if option.get("options"):
        return any(holds(one, option["options"][one], "") for one in option["options"])
    if option.get("type", "str") not in ("str", "path", "list", "dict", "raw") or option.get("choices"):
        return False
    return bool(NAMED.search(name) or DESCRIBED.search(description))


@pytest.mark.parametrize("name", MODULES)
def test_no_option_with_an_address_shows_its_credentials(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    specified = specification(name, monkeypatch)
    documented = yaml.safe_load(importlib.import_module(f"ansible.modules.{name}").DOCUMENTATION)["options"]
    wanted = [
        option
        for option in specified
        if holds(option, specified[option], str(documented[option]["description"]))
        and (name, option) not in HANDED_ON
        and not specified[option].get("no_log")
    ]
    for option in wanted:
        values = {key: empty(one) for key, one in specified.items()} | {
            option: with_address(specified[option])
        }
        assert PASSWORD in hidden(name, values, monkeypatch), option


def test_the_options_that_are_known_to_hold_one_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the words above find what they should."""
    for name, options in {
        "whisperx_env": {"index_url", "extra_index_urls", "find_links", "torch_index", "wheelhouse_url"},
        "whisperx_lock": {"index_url", "extra_index_urls", "find_links", "torch_index"},
        "whisperx_image": {"index_url", "find_links", "environment", "registries"},
        "whisperx_wheelhouse": {"index_url", "url"},
        "whisperx_doctor": {"variables"},
        "whisperx_container": {"options"},
    }.items():
        documented = yaml.safe_load(importlib.import_module(f"ansible.modules.{name}").DOCUMENTATION)[
            "options"
        ]
        specified = specification(name, monkeypatch)
        found = {key for key in specified if holds(key, specified[key], str(documented[key]["description"]))}
        assert options <= found


@pytest.mark.parametrize(
    ("options", "secrets"),
    [
        ({"a": ADDRESS}, {PASSWORD}),
        ({"a": f"/srv/wheels, {ADDRESS} https://token4711@other.example"}, {PASSWORD, "token4711"}),
        ({"a": ["x", ADDRESS]}, {PASSWORD}),
        ({"a": {"HF_TOKEN": "hf_abcdef"}}, {"hf_abcdef"}),
        ({"a": ["--env=HF_TOKEN=hf_abcdef", "--memory=16g"]}, {"hf_abcdef"}),
        ({"a": "https://robot:p%2Fw%40x@index.example"}, {"p%2Fw%40x", "p/w@x"}),
        (
            {"a": "docker.io/library/debian@sha256:0123", "b": "plain", "c": None, "d": 3, "e": ["/srv"]},
            set(),
        ),
        ({"a": "see https://example.org/a@b\nand more lines"}, set()),
    ],
)
def test_what_is_hidden(options: dict[str, Any], secrets: set[str]) -> None:
    found = secrets_of(options)
    assert secrets <= found
    assert secrets or not found
