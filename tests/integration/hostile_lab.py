"""Hosts that lie: whatever a module is asked there, the answer is full of templates that would leave a trace.

A host is a program in the place of its Python. It runs nothing of what Ansible sends, and prints what is
written for that module. Each string of an answer is a payload that would touch a file of its own in one
directory, the canaries', if any template engine, shell or YAML reader of the controller took it for more than
text; the file's name says which string of which answer it was.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["PAYLOADS", "Fleet", "answers", "poisoned"]

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = os.environ.get("WHISPERX_FLEET_PLAYBOOK") or str(Path(sys.executable).parent / "ansible-playbook")


def _call(path: str) -> str:
    return f"lookup('pipe', 'touch {path}')"


# One syntax each: a function from the canary's path to what a host says in place of a string.
PAYLOADS: Mapping[str, Callable[[str], Any]] = {
    "expression": lambda path: "{{ " + _call(path) + " }}",
    "statement": lambda path: "{% if " + _call(path) + " %}x{% endif %}",
    "comment": lambda path: "{# {{ #}{{ " + _call(path) + " }}{# }} #}",
    "nested": lambda path: "{{ '{{' }} " + _call(path) + " {{ '}}' }}",
    "bare": _call,
    "header": lambda path: (
        f"#jinja2: variable_start_string:'[%', variable_end_string:'%]'\n[% {_call(path)} %]"
    ),
    "literal": lambda path: "{'a': '{{ " + _call(path).replace("'", '"') + " }}'}",
    "unsafe tag": lambda path: '!unsafe "{{ ' + _call(path) + ' }}"',
    "vault tag": lambda path: "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {{ " + _call(path) + " }}",
    "python tag": lambda path: f"!!python/object/apply:os.system ['touch {path}']",
    "shell": lambda path: f"$(touch {path})`touch {path}`;touch {path}\ntouch {path}",
    "unsafe mark": lambda path: {"__ansible_unsafe": "{{ " + _call(path) + " }}"},
    "vault mark": lambda path: {"__ansible_vault": "{{ " + _call(path) + " }}"},
}
# What has to be true for a plan to be made. A host of which all strings are poisoned is refused at once.
DECIDES = re.compile(
    r"(facts|hosts[.]image)[.](os|libc|machine|pythons|cpu|gpus|nvidia_driver|container_engines)[.].*(id|version|family|path|flags|"
    r"\d|name|state|compute_capability|cuda)$|(facts|hosts[.]image)[.]machine$|"
    # Of a bake: its one profile, and that there is no other.
    r"whisperx_bake_target[.](profiles[.]0|(hosts|requests|profiles)[.]key)$"
)


def poisoned(value: Any, where: str, turn: int, canaries: Path, keep: re.Pattern[str] | None = None) -> Any:
    """Return a record with every string replaced, and a field more in every mapping.

    The strings take the payloads in turn, beginning with number ``turn``: a host per payload has every string
    in every syntax. ``keep`` fits the paths of strings that stay.
    """
    count = iter(range(10**9))
    names = list(PAYLOADS)

    def one(place: str) -> Any:
        name = names[(turn + next(count)) % len(names)]
        trace = re.sub(r"[^A-Za-z0-9.]+", "-", f"{place}-{name}")[:200]
        return PAYLOADS[name](str(canaries / trace))

    def walk(part: Any, place: str) -> Any:
        if isinstance(part, str):
            return part if keep and keep.search(place) else one(place)
        if isinstance(part, list):
            return [walk(inner, f"{place}.{number}") for number, inner in enumerate(part)]
        if isinstance(part, dict):
            alone = keep and keep.search(f"{place}.key")
            further = {} if alone else {str(one(f"{place}.key")): one(f"{place}.further")}
            return {key: walk(inner, f"{place}.{key}") for key, inner in part.items()} | further
        return part

    return walk(value, where)


def answers(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what each module says on success, from the samples of its documentation."""
    told: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "library").glob("whisperx_*.py")):
        fields = yaml.safe_load(_returned(path)) or {}
        told[path.stem] = {name: _sample(field) for name, field in fields.items()} | {"changed": True}
    told["whisperx_host_facts"] = {"changed": False, "ansible_facts": {"whisperx_host": dict(facts)}}
    assessed = {"asked": {"lock": "text"}, "options": {"root": "/x"}, "result": {"summary": ["text"]}}
    told["whisperx_assess"] = told["whisperx_host_facts"] | {"assessed": assessed}
    env = {
        "actions": ["build r1", "switch to r1"],
        "release": "r1",
        "wanted_files": [],
        "record": {"versions": {"torch": "1"}},
    }
    told["whisperx_env"] |= env | {"diff": {"before": "torch==1\n", "after": "torch==2\n"}}
    told["whisperx_container"] |= {
        "tag": True,
        "surplus": ["localhost/x:1"],
        "load": False,
        "engine": "podman",
    }
    told["whisperx_bake_target"] |= {"hosts": {"image": dict(facts)}, "requests": {}, "profiles": ["image"]}
    told["whisperx_bake_target"] |= {"found": {"machine": "x86_64"}, "sizes": {"environments": 1}}
    told["whisperx_bake_finish"] |= {"sboms": {"r1": "text"}, "files": {"/a": "b"}, "varying": {"/c": "d"}}
    told["whisperx_bake_finish"] |= {"sizes": {"environments": 1}, "digest": "0", "findings": []}
    told["whisperx_audit"]["report"] = {
        "state": "broken",
        "findings": [{"file": "a", "found": "b"}],
        "changes": [{"sentence": "c"}],
        "breaks": [{"sentence": "d"}],
    }
    told["whisperx_doctor"] |= {
        "verdict": "unfit",
        "page": ["a page"],
        "environments": [{"failures": [{"id": "x"}]}],
    }
    return told


def _returned(path: Path) -> str:
    """Return a module's RETURN, without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RETURN":
            return str(ast.literal_eval(node.value))
    return ""


def _sample(field: Mapping[str, Any]) -> Any:
    if "sample" in field:
        return field["sample"]
    if field.get("contains"):
        inner = {name: _sample(part) for name, part in field["contains"].items()}
        return [inner] if field.get("type") == "list" else inner
    return {"list": ["text"], "dict": {"field": "text"}, "bool": True, "int": 1, "float": 1.0}.get(
        field.get("type", "str"), "text"
    )


class Fleet:
    """Hosts that lie, below one directory. ``turns``: so many hosts answer with what looks like success.

    With as many turns as there are payloads, every string of every answer comes in every syntax.
    """

    def __init__(self, base: Path, facts: Mapping[str, Any], turns: int = 2) -> None:
        self.base, self.canaries = base, base / "canaries"
        self.canaries.mkdir()
        (base / "none.cfg").touch()
        self.hosts: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, Any] = {}
        told = answers(facts)
        for turn in range(turns):
            self._host(f"lies-{turn:02}", told, turn * len(PAYLOADS) // turns, DECIDES)
        # All of it, so that nothing can be decided; a module that fails; one that prints anything but JSON.
        self._host("poisoned", told, 0, None)
        failing = {"failed": True, "msg": "no", "rule": "env.odd", "module_stderr": "a\nb", "exception": "c"}
        self._host("fails-env", told | {"whisperx_env": failing}, 3, DECIDES)
        noise = canary_text("noise", self.canaries)
        self._host("noise", dict.fromkeys(told, noise), 5, DECIDES)

    def _host(self, name: str, told: Mapping[str, Any], turn: int, keep: re.Pattern[str] | None) -> None:
        folder = self.base / "hosts" / name
        folder.mkdir(parents=True)
        plant = {"whisperx_report_output": str(self.canaries / f"{name}-planted.json")}
        for module, answer in told.items():
            text = answer
            if isinstance(answer, dict):
                answer = dict(answer)
                facts = answer.pop("ansible_facts", {"whisperx_host": {}})["whisperx_host"]
                record = poisoned(answer, f"{name}.{module}", turn, self.canaries, keep)
                inside = poisoned(facts, "facts", turn, self.canaries, keep) if facts else {}
                record["ansible_facts"] = {**({"whisperx_host": inside} if facts else {}), **plant}
                text = json.dumps(record)
            (folder / f"{module}.json").write_text(text)
        other = poisoned({"changed": False, "msg": "x", "stdout": "x"}, f"{name}.other", turn, self.canaries)
        (folder / "other.json").write_text(json.dumps(other))
        python = folder / "python"
        python.write_text(
            "#!/bin/sh\n# Ansible's own wrapper is /DIR/AnsiballZ_MODULE.py\n"
            'module="${1##*/AnsiballZ_}"; file="${0%/*}/${module%.py}.json"\n'
            '[ -e "$file" ] || file="${0%/*}/other.json"\ncat "$file"; cat "$file" >&2\n'
        )
        python.chmod(0o755)
        self.hosts[name] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": str(python),
            "ansible_become": False,
        }

    def run(
        self, playbooks: str, *words: str, inventory: str = "", inject: bool = False, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run playbooks, in one go, over the hosts or over another inventory."""
        (self.base / "hosts.json").write_text(json.dumps({"all": {"hosts": self.hosts}}))
        given = {
            "whisperx_plan_lock_dir": str(self.base / "locks"),
            "whisperx_report_dir": str(self.base / "reports"),
            "whisperx_plan_packages": {"ctranslate2": ""},
            **self.variables,
            **variables,
        }
        names = [str(ROOT / f"playbooks/{name}.yml") for name in playbooks.split()]
        (self.base / "play.json").write_text(json.dumps([{"import_playbook": name} for name in names]))
        command = [PLAYBOOK, str(self.base / "play.json"), "-i", inventory or str(self.base / "hosts.json")]
        settings = {
            # No configuration: whatever Ansible does by itself is what an attacker meets.
            "ANSIBLE_CONFIG": str(self.base / "none.cfg"),
            "ANSIBLE_LIBRARY": str(ROOT / "library"),
            "ANSIBLE_MODULE_UTILS": str(ROOT / "module_utils"),
            "ANSIBLE_ACTION_PLUGINS": str(ROOT / "action_plugins"),
            "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
            "ANSIBLE_LOCAL_TEMP": str(self.base / "tmp"),
            "ANSIBLE_REMOTE_TMP": str(self.base / "tmp"),
            "ANSIBLE_FORKS": "4",
            "ANSIBLE_INJECT_FACT_VARS": str(inject),
            "ANSIBLE_NOCOLOR": "1",
            "WHISPERX_FACTS": str(self.base / "facts"),
        }
        return subprocess.run(
            [*command, "-e", json.dumps(given), *words],
            cwd=ROOT,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def traces(self) -> list[str]:
        """Return the canaries that somebody made."""
        return sorted(path.name for path in self.canaries.iterdir())


def canary_text(name: str, canaries: Path) -> str:
    """Return every payload that is a text, one a line."""
    made = (payload(str(canaries / f"{name}-{key}".replace(" ", "-"))) for key, payload in PAYLOADS.items())
    return "\n".join(text for text in made if isinstance(text, str))


def leaves(value: Any) -> Iterator[str]:
    """Yield every string of a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
