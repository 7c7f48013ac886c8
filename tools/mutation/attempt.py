"""The attempts: which tests could notice a change, and whether they do, in a copy of the tree."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from .changes import Mutant

__all__ = ["candidates", "copied", "failing", "noticed"]

# One change may make a test wait for ever, which counts as noticed.
LIMIT = 300


def candidates(root: Path, path: str) -> tuple[list[str], list[str]]:
    """Return the tests of a file's own package, and all others that import the file, however far away."""
    package = Path(path).parts[1].removesuffix(".py")
    own = sorted(str(test) for test in (root / "tests/unit" / package).glob("test_*.py"))
    known: dict[str, set[str]] = {}

    def imports(name: str) -> set[str]:
        if name not in known:
            known[name] = set()
            names = _imported(root, name)
            known[name] = names.union(*(imports(other) for other in sorted(names)))
        return known[name]

    tests = sorted(str(test.relative_to(root)) for test in (root / "tests").glob("[cu]*/**/test_*.py"))
    others = [
        str(root / test) for test in tests if path in imports(test) or test.startswith("tests/contract")
    ]
    return own, [test for test in others if test not in own]


def _imported(root: Path, name: str) -> set[str]:
    """Return the project's files that a file imports by name; a package counts with its __init__."""
    here, wanted = root / name, set[Path]()
    for node in ast.walk(ast.parse(here.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted |= {Path(*alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here.parents[node.level - 1].relative_to(root) if node.level else Path()
            base = base.joinpath(*(node.module or "").split("."))
            wanted |= {base, *(base / alias.name for alias in node.names)}
    found = set()
    for path in wanted:
        text = re.sub(r"^ansible/modules/", "library/", re.sub(r"^ansible/(?=module_utils/)", "", str(path)))
        for one in (f"{text}.py", f"{text}/__init__.py", f"{here.parent.relative_to(root)}/{path}.py"):
            if (root / one).is_file():
                found.add(one)
    return found


def noticed(root: Path, mutant: Mutant) -> str:
    """Try a change in a copy of the tree; return what noticed it: "own", "other" or ""."""
    file = root / mutant.path
    source = file.read_text(encoding="utf-8")
    file.write_text(source[: mutant.start] + mutant.text + source[mutant.end :], encoding="utf-8")
    try:
        for name, tests in zip(("own", "other"), candidates(root, mutant.path), strict=True):
            if tests and not _passes(root, tests):
                return name
        return ""
    finally:
        file.write_text(source, encoding="utf-8")


def failing(root: Path, paths: list[str]) -> list[str]:
    """Return the packages of some files whose own tests fail without a change, which notice everything."""
    own = {Path(path).parts[1]: candidates(root, path)[0] for path in paths}
    return [package for package, tests in sorted(own.items()) if tests and not _passes(root, tests)]


def _passes(root: Path, tests: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(root.parent)}
    silent = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=silent, stdout=silent, stderr=silent, start_new_session=True
    ) as child:
        try:
            return child.wait(LIMIT) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def copied(source: Path, folder: Path) -> Path:
    """Copy the tracked files of a checkout; some tests ask git which they are."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=source, capture_output=True, text=True, check=True
    ).stdout
    for name in names.rstrip("\0").split("\0"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, folder / name, follow_symlinks=False)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all", "--force"], cwd=folder, check=True)
    return folder
