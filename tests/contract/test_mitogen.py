"""Mitogen is told of everything that the modules import; without, they would end at their first import."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = "ansible.module_utils"
SEARCH = [str(ROOT / "module_utils"), *ansible.module_utils.__path__]


def imported(path: Path, package: str) -> Iterator[str]:
    """Yield the project's modules that a file imports, at its head or in a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            whole = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for name in (whole, *(f"{whole}.{one.name}" for one in node.names)):
                if file_of(name) is not None:
                    yield name


def file_of(name: str) -> Path | None:
    path = ROOT / "module_utils" / Path(*name.removeprefix(UTILS).strip(".").split("."))
    found = [one for one in (path.with_suffix(".py"), path / "__init__.py") if one.exists()]
    return found[0] if found else None


def everything(module: Path) -> set[str]:
    """Return the project's modules that a module of library/ needs, directly or by others."""
    found: set[str] = set()
    left = [(module, "ansible.modules")]
    while left:
        for name in imported(*left.pop()):
            path = file_of(name)
            if name not in found and path is not None:
                found.add(name)
                left.append((path, name if path.name == "__init__.py" else name.rpartition(".")[0]))
    return found


@pytest.fixture(scope="module")
def finder() -> Any:
    """Mitogen's finder as the strategy leaves it."""
    path = ROOT / "strategy_plugins" / "whisperx_mitogen.py"
    spec = importlib.util.spec_from_file_location("whisperx_mitogen", path)
    assert spec is not None and spec.loader is not None
    strategy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(strategy)
    return strategy.finder


@pytest.mark.parametrize("module", sorted((ROOT / "library").glob("*.py")), ids=lambda path: path.stem)
def test_mitogen_sends_what_a_module_imports(module: Path, finder: Any) -> None:
    sent = {name for name, _, _ in finder.scan(f"ansible.modules.{module.stem}", str(module), SEARCH)}
    wanted = everything(module)
    assert wanted and not wanted - sent
