"""What documents and roles name of collections is in those of requirements.yml, and the connections load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tools.fetch_collections import TOP, wanted

BUILT_IN = {"ansible.builtin"}
_NAME = re.compile(r"\b((?:containers|community|ansible)\.[a-z_]+)\.[a-z_]+\b")
_CONNECTION = re.compile(r"\b((?:containers|community)\.[a-z]+\.(?:chroot|podman|buildah|docker(?:_api)?))\b")

# Loads what is named on the command line as a run does; prints what could not be.
LOADER = """
import json, sys
from ansible.plugins.loader import connection_loader, init_plugin_loader
init_plugin_loader([])
failed = {}
for name in sys.argv[1:]:
    found = connection_loader.find_plugin_with_context(name)
    if not found.resolved or connection_loader.get(name, class_only=True) is None:
        failed[name] = str(found.redirect_list)
print(json.dumps(failed))
"""


def documented(root: Path) -> set[str]:
    """The connections that pages and example inventories name."""
    pages = [*root.glob("docs/*.md"), *root.glob("inventory/**/*.yml"), *root.glob("roles/*/README.md")]
    found: set[str] = set()
    for page in pages:
        found |= set(_CONNECTION.findall(page.read_text(encoding="utf-8")))
    return found


def closure(top: Path, names: set[str]) -> set[str]:
    """``names`` and what their manifests want."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        path = top.joinpath(*name.split("."), "MANIFEST.json")
        facts = json.loads(path.read_text(encoding="utf-8"))["collection_info"]
        waiting |= set(facts["dependencies"]) - found
    return found


def test_all_that_is_used_is_required(root: Path, tracked: list[Path]) -> None:
    required = set(wanted(root / "requirements.yml")) | BUILT_IN
    used: dict[str, str] = {}
    for path in tracked:
        name = str(path.relative_to(root))
        if path.suffix == ".yml" and name.startswith(("playbooks/", "roles/", "inventory/")):
            text = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8"))
            used.update({match.group(1): name for match in _NAME.finditer(text)})
    used.update({name.rpartition(".")[0]: name for name in documented(root)})
    assert {name: place for name, place in used.items() if name not in required} == {}
    assert {"containers.podman", "community.docker", "community.general"} <= set(used)


def test_documented_connections_load(root: Path, tmp_path: Path) -> None:
    import ansible_collections

    top = next(place for place in map(Path, ansible_collections.__path__) if (place / "containers").is_dir())
    for name in closure(top, set(wanted(root / "requirements.yml"))):
        namespace, own = name.split(".")
        (tmp_path / TOP / namespace).mkdir(parents=True, exist_ok=True)
        (tmp_path / TOP / namespace / own).symlink_to(top / namespace / own)
    names = documented(root)
    assert {"community.general.chroot", "containers.podman.podman", "containers.podman.buildah"} <= names
    settings = tmp_path / "ansible.cfg"
    settings.write_text("", encoding="utf-8")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_CONFIG": str(settings)}
    environment["ANSIBLE_COLLECTIONS_SCAN_SYS_PATH"] = "false"
    result = subprocess.run(
        [sys.executable, "-c", LOADER, *sorted(names)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {}


def test_make_brings_them_before_each_verb(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    rules = [line for line in makefile.splitlines() if line.startswith(("site:", "$(VERBS):"))]
    assert len(rules) == 2 and all(rule.endswith("$(VENV)/.collections") for rule in rules)
    rows = yaml.safe_load((root / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert all(row["version"].startswith(">=") for row in rows)
