"""What travels to a host runs on Python 3.8 with the standard library alone."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 8)

UTILS = ROOT / "module_utils"


def side(file: Path) -> str:
    """Return the first word of a file's docstring, which says where it, or its package, runs."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition(":")[0]


SINGLE = {path.stem: side(path) for path in sorted(UTILS.glob("*.py"))}
PACKAGES = {path.parent.name: side(path) for path in sorted(UTILS.glob("*/__init__.py"))} | SINGLE
TARGET_PACKAGES = [name for name, where in PACKAGES.items() if where != "Controller"]
FILES = sorted(
    [
        *(UTILS / f"{name}.py" for name in TARGET_PACKAGES if name in SINGLE),
        *(path for name in TARGET_PACKAGES for path in (UTILS / name).rglob("*.py")),
    ]
)
# Modules run under Ansible, which brings these.
LIBRARY = sorted((ROOT / "library").glob("*.py"))


def is_for_the_controller(module: Path) -> bool:
    """Say whether a module of library/ uses a package of the controller, and so runs there."""
    used = {
        part
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
        for part in (node.module or "").split(".")
    }
    return any(PACKAGES.get(part) == "Controller" for part in used)


# The probes run inside the environment they prove and import what it holds: only here, only in functions.
PROBED = {"ctranslate2", "faster_whisper", "numpy", "torch", "torchaudio", "whisperx"}

# Names newer than Python 3.8 that are easily written by habit.
TOO_NEW = {
    "removeprefix",
    "removesuffix",
    "is_relative_to",
    "readlink",
    "hardlink_to",
    "bit_count",
    "file_digest",
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=OLDEST)


def imports(module: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield the top name of each absolute import, and whether it stands at module level."""
    top = {id(node) for node in module.body}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0], id(node) in top


def identity(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_ruff_holds_the_same_packages_to_the_oldest_python() -> None:
    versions = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["per-file-target-version"]
    listed = {pattern for pattern in versions if pattern.startswith("module_utils/")}
    assert listed == {
        f"module_utils/{name}.py" if name in SINGLE else f"module_utils/{name}/*" for name in TARGET_PACKAGES
    }
    assert set(versions.values()) == {"py38"}


@pytest.mark.parametrize("path", FILES, ids=identity)
class TestTargetFile:
    def test_imports_the_standard_library_and_its_own_alone(self, path: Path) -> None:
        allowed = set(sys.stdlib_module_names)
        inside = allowed | (PROBED if path.parent.name == "whisperx_verify" else set())
        foreign = [
            name for name, at_top in imports(tree(path)) if name not in (allowed if at_top else inside)
        ]
        assert foreign == []

    def test_annotations_are_not_evaluated(self, path: Path) -> None:
        module = tree(path)
        has_code = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in module.body)
        futures = [
            node for node in module.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        ]
        assert futures or not has_code

    def test_uses_no_name_newer_than_the_oldest_python(self, path: Path) -> None:
        used = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        allowed_os = {"readlink"}  # os.readlink is old; pathlib's is not, and pathlib is not used on targets
        assert used & (TOO_NEW - allowed_os) == set()


@pytest.mark.parametrize("path", [path for path in LIBRARY if not is_for_the_controller(path)], ids=identity)
def test_target_modules_import_ansible_and_the_standard_library(path: Path) -> None:
    foreign = {name for name, _ in imports(tree(path))} - set(sys.stdlib_module_names) - {"ansible"}
    assert foreign == set()


@pytest.mark.parametrize("path", LIBRARY, ids=identity)
def test_modules_import_their_code_relatively(path: Path) -> None:
    absolute = [
        node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and "whisperx" in (node.module or "")
    ]
    assert absolute == []
