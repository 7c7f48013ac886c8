"""The changes: every operator, condition and constant of a file that may be changed, and into what."""

from __future__ import annotations

import ast
import copy
import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "draw", "mutants"]

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.In: ast.NotIn, ast.Is: ast.IsNot,
    ast.NotEq: ast.Eq, ast.LtE: ast.Lt, ast.GtE: ast.Gt, ast.NotIn: ast.In, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add,
}  # fmt: skip
MODES = {"w": "a", "a": "w", "wb": "ab", "ab": "wb", "r": "w", "rb": "wb", "x": "w", "xb": "wb"}
TUNING = re.compile(
    r"(?i)timeout|sleep|wait|block|chunk|retr|seconds|delay|buffer|size|read$|limit|width|indent"
)


@dataclass(frozen=True)
class Mutant:
    """A change: in ``path``, the text from ``start`` to ``end`` becomes ``text``."""

    path: str
    line: int
    start: int
    end: int
    text: str

    @property
    def package(self) -> str:
        """The package that is changed, a single file for itself."""
        return _package(self.path)

    def describe(self, source: str) -> str:
        """Return where it is, what stood there and what stands there now."""
        old = " ".join(source[self.start : self.end].split())
        return f"{self.path}:{self.line}: {old} -> {' '.join(self.text.split())}"


class Finder(ast.NodeVisitor):
    """Collects the expressions that may be changed, each with its changed forms."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.expr, ast.expr]] = []
        self.calls: list[str] = []

    def change(self, node: ast.expr, new: ast.expr) -> None:
        """Note that ``node`` may become ``new``."""
        self.found.append((node, new))

    def visit_Compare(self, node: ast.Compare) -> None:
        main = ast.unparse(node.left) == "__name__"
        for number, operator in enumerate(node.ops):
            if type(operator) in SWAPS and not main:
                new = copy.deepcopy(node)
                new.ops[number] = SWAPS[type(operator)]()  # type: ignore[call-overload]
                self.change(node, new)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.change(node, ast.BoolOp(SWAPS[type(node.op)](), node.values))  # type: ignore[arg-type]
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = [isinstance(side, (ast.Constant, ast.JoinedStr)) for side in (node.left, node.right)]
        types = self.calls[-1:] == ["isinstance"]
        if (
            type(node.op) in SWAPS
            and not types
            and (not any(texts) or _number(node.left) or _number(node.right))
        ):
            self.change(node, ast.BinOp(node.left, SWAPS[type(node.op)](), node.right))  # type: ignore[arg-type]
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.change(node, node.operand)
        self.generic_visit(node)

    def visit_condition(self, node: ast.If | ast.While | ast.IfExp) -> None:
        """Negate a condition."""
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "__name__ == '__main__'"):
            self.change(node.test, ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    visit_If = visit_While = visit_IfExp = visit_condition

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.change(node, ast.Constant(not value))
        elif _number(node) and not any(TUNING.search(name) for name in self.calls):
            self.change(node, ast.Constant(value + 1))  # type: ignore[operator]
        elif isinstance(value, str) and value in MODES and self.calls and self.calls[-1] == "open":
            self.change(node, ast.Constant(MODES[value]))

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        self.visit(node.func)
        for word in node.keywords:
            self.within(word.arg or "", word.value)
        for argument in node.args:
            self.within(name, argument)

    def within(self, name: str, node: ast.AST) -> None:
        """Visit what belongs to a name: an argument, a value."""
        self.calls.append(name)
        self.visit(node)
        self.calls.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        self.within(" ".join(ast.unparse(target) for target in node.targets), node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.within(ast.unparse(node.target), node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """Annotations are no program."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A message, and before Python 3.12 its parts do not say where they stand."""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.visit(node.args)
        for statement in node.body:
            self.visit(statement)


def _package(path: str) -> str:
    return Path(path).parts[1].removesuffix(".py")


def _number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def mutants(root: Path, path: str) -> Iterator[Mutant]:
    """Yield every change of a file below ``root``."""
    source = (root / path).read_text(encoding="utf-8")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    data, finder = source.encode(), Finder()
    finder.visit(ast.parse(source))
    for node, new in finder.found:
        start = len(data[: starts[node.lineno - 1] + node.col_offset].decode())
        end = len(data[: starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)].decode())
        yield Mutant(
            path,
            node.lineno,
            start,
            end,
            f"({ast.unparse(ast.fix_missing_locations(new))})",
        )


def draw(root: Path, number: int, seed: int, only: list[str]) -> list[Mutant]:
    """Return so many changes, the same for the same seed and the same files; no two of one place."""
    files = subprocess.run(
        ["git", "ls-files", "module_utils/*.py"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = [
        mutant
        for name in sorted(files)
        if not only or _package(name).removeprefix("whisperx_") in only
        for mutant in mutants(root, name)
    ]
    random.Random(seed).shuffle(wanted)
    places = {(mutant.path, mutant.start): mutant for mutant in reversed(wanted)}
    return [mutant for mutant in wanted if places[mutant.path, mutant.start] is mutant][:number]
