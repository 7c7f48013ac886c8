"""What ansible-test asks of a collection's code, as far as the source tells it. `make attack` runs it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = sorted((ROOT / "module_utils").rglob("*.py"))
MODULES = sorted((ROOT / "library").glob("*.py"))
PLUGINS = sorted(
    path for path in ROOT.glob("*_plugins/*.py") if path.parent.name != "tests" and path.stem != "__init__"
)
# The file that may miss what only a controller has; the package that is not below module_utils there.
LIBRARIES, ACTIONS = "whisperx_libraries", "whisperx_action"
STARTS = {
    f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output", "getoutput")
}
CONTROLLER = {"jinja2", "markupsafe", "packaging", "resolvelib", "yaml"}


def identity(path: Path) -> str:
    return str(path.relative_to(ROOT))


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", [*UTILS, *MODULES], ids=identity)
def test_modules_can_be_imported_where_a_controllers_libraries_are_missing(path: Path) -> None:
    top = ast.parse(path.read_text(encoding="utf-8")).body
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in top if isinstance(node, ast.ImportFrom) and not node.level]
    wrong = [name for name in names if name.partition(".")[0] in CONTROLLER]
    if ACTIONS not in path.parts:
        wrong += [name for name in names if name.startswith("ansible.") and "module_utils" not in name]
    assert wrong == [] or path.stem == LIBRARIES, f"import {wrong} by way of module_utils/{LIBRARIES}.py"


@pytest.mark.parametrize("path", [*UTILS, *MODULES, *PLUGINS], ids=identity)
def test_code_keeps_to_what_the_collections_checks_allow(path: Path) -> None:
    names = [node for node in nodes(path) if isinstance(node, ast.Name)]
    assert "_" not in {node.id for node in names}, "say what is left unused: _status"
    assert not any(isinstance(node, ast.Assert) for node in nodes(path)), "raise AssertionError, or cast"
    if path.parent.name == "library" or "module_utils" in path.parts:
        called = {
            node.func.id for node in nodes(path) if isinstance(node, ast.Call) and hasattr(node.func, "id")
        }
        assert "print" not in called, "write to sys.stdout"


@pytest.mark.parametrize(
    "path", [path for path in [*UTILS, *MODULES] if ACTIONS not in path.parts], ids=identity
)
def test_programs_are_started_knowingly_without_a_modules_run_command(path: Path) -> None:
    """ansible-test of 2.21 wants AnsibleModule.run_command; this code also runs where there is no module."""
    text = path.read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    lines = [text.splitlines()[node.lineno - 1] for node in calls if ast.unparse(node.func) in STARTS]
    assert [line for line in lines if not line.endswith("pylint: disable=ansible-bad-function")] == []


@pytest.mark.parametrize("path", MODULES, ids=identity)
def test_the_path_of_a_persons_home_is_resolved_outside_of_modules(path: Path) -> None:
    assert "expanduser" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [*MODULES, *PLUGINS], ids=identity)
def test_ansible_doc_reads_plugins_without_a_warning(path: Path) -> None:
    top = ast.parse(path.read_text(encoding="utf-8")).body
    targets = [target for node in top if isinstance(node, ast.Assign) for target in node.targets]
    assert all(isinstance(target, ast.Name) for target in targets), "assign one name on a line"
