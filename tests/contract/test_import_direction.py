"""Packages say their side, and imports point one way: no cycle, nothing borrowed from a neighbour."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "module_utils"
PACKAGES = sorted(path.name for path in UTILS.iterdir() if (path / "__init__.py").exists())

# What every package may use: the shape of errors, and what no package owns.
COMMON = {"whisperx_problem", "whisperx_common", "whisperx_libraries"}
# What each package may use beside that. A helper that two neighbours need belongs to whisperx_common.
MAY_USE: Mapping[str, set[str]] = {
    "whisperx_common": set(),
    "whisperx_host": set(),
    "whisperx_verify": {"whisperx_release"},
    "whisperx_bake": set(),
    "whisperx_abi": set(),
    "whisperx_catalogue": set(),
    "whisperx_fleet": set(),
    "whisperx_action": {"whisperx_fleet"},
    "whisperx_measure": {"whisperx_abi"},
    "whisperx_plan": {"whisperx_catalogue", "whisperx_fleet", "whisperx_measure"},
    "whisperx_lock": {"whisperx_abi", "whisperx_catalogue"},
    "whisperx_release": set(),
    "whisperx_placed": set(),
    "whisperx_service": {"whisperx_release"},
    "whisperx_env": {
        "whisperx_release",
        "whisperx_abi",
        "whisperx_verify",
        "whisperx_placed",
        "whisperx_service",
    },
    "whisperx_container": {"whisperx_release", "whisperx_host", "whisperx_verify", "whisperx_service"},
    "whisperx_models_host": {"whisperx_release"},
    "whisperx_sbom": {"whisperx_release", "whisperx_env"},
    "whisperx_guard": {"whisperx_release", "whisperx_abi"},
    "whisperx_image": {
        "whisperx_release",
        "whisperx_env",
        "whisperx_host",
        "whisperx_verify",
        "whisperx_models_host",
    },
    "whisperx_wheelhouse": {"whisperx_lock", "whisperx_sbom"},
    "whisperx_models": {"whisperx_lock", "whisperx_wheelhouse", "whisperx_models_host", "whisperx_fleet"},
    # They read or set up what others made.
    "whisperx_audit": {
        "whisperx_release",
        "whisperx_env",
        "whisperx_abi",
        "whisperx_placed",
        "whisperx_service",
    },
    "whisperx_metrics": {"whisperx_release", "whisperx_service", "whisperx_audit"},
    "whisperx_doctor": {
        "whisperx_release",
        "whisperx_host",
        "whisperx_abi",
        "whisperx_verify",
        "whisperx_service",
    },
    "whisperx_firstboot": {"whisperx_release", "whisperx_env", "whisperx_host", "whisperx_abi"},
    "whisperx_removal": {"whisperx_guard", "whisperx_firstboot"},
    "whisperx_preflight": set(),
    "whisperx_rollout": {"whisperx_fleet"},
    "whisperx_report": {"whisperx_fleet"},
}
SIDES = ("Target: ", "Controller: ", "Both sides: ")


def module_of(path: Path) -> str:
    """Return a file's dotted name below module_utils; a package's is that of its folder."""
    parts = path.relative_to(UTILS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(UTILS.rglob("*.py"))}


def imported(name: str) -> Iterator[str]:
    """Yield the modules of module_utils that a module imports, in functions too."""
    path = FILES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
        for alias in node.names:
            whole, within = ".".join([*base, alias.name]), ".".join(base)
            yield whole if whole in FILES else within


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_its_side_first(package: str) -> None:
    text = ast.get_docstring(ast.parse(FILES[package].read_text(encoding="utf-8"))) or ""
    assert text.startswith(SIDES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    used = {
        (name, other)
        for name in FILES
        if name.split(".")[0] == package
        for other in imported(name)
        if other.split(".")[0] not in {package, *COMMON, *MAY_USE.get(package, ())}
    }
    assert used == set()


def test_every_package_has_a_place() -> None:
    assert set(PACKAGES) == set(MAY_USE), "name each package in MAY_USE, with what it may import"


def test_what_a_package_may_use_goes_one_way() -> None:
    assert list(TopologicalSorter(MAY_USE).static_order())


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {name: set(imported(name)) - {name} for name in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


# Inside the planner: facts and findings below, then what the GPU can do, the rules, the set, the words.
ROOMS = ("gpu", "rules", "solve", "explain", "output")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_planner_uses_only_those_before_it(room: str) -> None:
    before = ROOMS[: ROOMS.index(room) + 1]
    used = {
        (name, other)
        for name in FILES
        if name.startswith(f"whisperx_plan.{room}.")
        for other in imported(name)
        if other.startswith("whisperx_plan.") and other.split(".")[1] in ROOMS
        if other.split(".")[1] not in before
    }
    assert used == set()
