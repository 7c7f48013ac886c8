"""A role's argument specification, its defaults and its comments say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.whisperx_host.osrelease import family_of

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(role: Path) -> dict[str, dict[str, Any]]:
    return load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options") or {}


def defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults" / "main.yml"
    return (load(path) if path.exists() else None) or {}


def test_there_are_roles() -> None:
    assert {"whisperx_host", "whisperx_plan", "whisperx_venv", "whisperx_verify"} <= {
        role.name for role in ROLES
    }


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    def test_specification_names_exactly_the_defaults(self, role: Path) -> None:
        required = {name for name, option in options(role).items() if option.get("required")}
        assert set(options(role)) - required == set(defaults(role))

    def test_a_default_stated_twice_is_the_same(self, role: Path) -> None:
        stated = {name: option["default"] for name, option in options(role).items() if "default" in option}
        assert stated == {name: defaults(role)[name] for name in stated}

    def test_every_option_is_described(self, role: Path) -> None:
        assert [name for name, option in options(role).items() if not option.get("description")] == []

    def test_every_default_has_a_comment_above_it(self, role: Path) -> None:
        path = role / "defaults" / "main.yml"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        bare = [
            line
            for before, line in zip(["", *lines], lines, strict=False)
            if re.match(r"[a-z_]+:", line) and not before.startswith("#")
        ]
        assert bare == []

    def test_variables_carry_the_name_of_the_role(self, role: Path) -> None:
        # A role's main variable may have its very name, or its plural.
        own = re.compile(rf"{role.name}(s|_\w+)?")
        assert [name for name in defaults(role) if not own.fullmatch(name)] == []

    def test_entry_point_is_a_table_of_contents(self, role: Path) -> None:
        assert len(load(role / "tasks" / "main.yml")) <= 8

    def test_specification_has_a_short_description(self, role: Path) -> None:
        assert load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["short_description"]


def test_every_known_distribution_has_packages_of_the_engines() -> None:
    rows = load(ROOT / "roles/whisperx_plan/files/catalogue/distros.yml")["distros"]
    families = {family_of(row["id"], "") for row in rows}
    packages = load(ROOT / "roles/whisperx_container/vars/main.yml")["__whisperx_container_packages"]
    assert {engine: set(named) for engine, named in packages.items()} == {
        "podman": families,
        "docker": families,
    }


def test_the_entry_role_runs_what_site_runs() -> None:
    """Waves apart, and what is there for tags alone. A role that one has would be missing in the other."""

    def imported(*paths: Path) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()

        def walk(value: Any) -> None:
            for item in (
                value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
            ):
                walk(item)
            for kind in ("import", "include"):
                role = value.get(f"ansible.builtin.{kind}_role") if isinstance(value, dict) else None
                if role:
                    found.add((role["name"], role.get("tasks_from", "main")))

        for path in paths:
            walk(load(path))
        return found

    site = imported(ROOT / "playbooks/site.yml", ROOT / "roles/whisperx_rollout/tasks/change.yml")
    apart = {role for role in site if role[0] == "whisperx_rollout"}
    apart |= {("whisperx_plan", "show"), ("whisperx_verify", "main")}
    entry = imported(*(ROOT / "roles/whisperx/tasks").glob("*.yml"))
    assert site - apart - entry == set() and apart <= site
