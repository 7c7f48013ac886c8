"""The example inventories load, and the annotated one leaves out no variable."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "inventory", ["inventory/local.yml", "inventory/user.yml", "inventory/example/hosts.yml"]
)
def test_inventory_loads_without_a_warning(inventory: str) -> None:
    listing = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "--inventory", inventory, "--list"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(listing.stdout)["_meta"]["hostvars"]
    assert "WARNING" not in listing.stderr


def test_dynamic_inventory_makes_hosts_and_groups_of_fact_files() -> None:
    """The recorded hosts of the tests, which somebody captured just so."""
    listing = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "--inventory", "inventory/dynamic", "--list"],
        cwd=ROOT,
        env=os.environ | {"WHISPERX_FACTS": str(ROOT / "tests/fixtures/hosts")},
        check=True,
        capture_output=True,
        text=True,
    )
    groups = json.loads(listing.stdout)
    hosts = groups["_meta"]["hostvars"]
    assert set(hosts) == {path.stem for path in (ROOT / "tests/fixtures/hosts").glob("*.json")}
    assert all(known["whisperx_host_source"] == "assume" for known in hosts.values())
    assert [name for name in groups["gpu_NVIDIA_L40S"]["hosts"] if not name.startswith("debian12-l40s")] == []
    assert "debian12-cpu--" in " ".join(groups["without_gpu"]["hosts"])
    assert {"os_debian", "os_ubuntu", "os_rocky"} <= set(groups)
    assert "WARNING" not in listing.stderr


def test_example_shows_every_public_variable() -> None:
    shown = set(
        re.findall(
            r"(?m)^#? ?(whisperx_[a-z_]+):",
            (ROOT / "inventory/example/group_vars/all.yml").read_text(encoding="utf-8"),
        )
    )
    public: set[str] = set()
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        public |= set(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    assert public == shown


def test_commented_values_are_the_defaults() -> None:
    """A line `# name: value` may be uncommented without a change of what happens."""
    text = (ROOT / "inventory/example/group_vars/all.yml").read_text(encoding="utf-8")
    commented = dict(re.findall(r"(?m)^# (whisperx_[a-z_]+): ?(.*)$", text))
    defaults: dict[str, object] = {}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        defaults.update(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    assert {name: yaml.safe_load(value) for name, value in commented.items()} == {
        name: defaults[name] for name in commented
    }
