"""What people read has one word for one thing: these are out, each with the word to write instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.whisperx_release.summary import VERBS

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Term:
    """A word that is out. ``sample``: a text with it; ``where``: path ends of files that may have it."""

    pattern: str
    instead: str
    sample: str
    where: tuple[str, ...] = ()


TERMS = (
    Term(r"mend(s|ed|ing)?", "fix, repair, correct", "Mend what it names"),
    Term(r"brought", "transferred, installed", "3 MB brought"),
    Term(
        r"(is|are|was|were) told|tells? (what|why|how|whether|that|you|of)|to tell",
        "report, print, say",
        "it is told",
    ),
    Term(r"(what|which) came of|came through", "results, succeeded", "Tell what came of it"),
    Term(r"(do|does|did) not answer|no longer answers?", "does not respond", "the host does not answer"),
    Term(r"lacking", "missing", "nothing lacking"),
    Term(r"misspelt", "unknown variable", "misspelt variables"),
    Term(r"surroundings", "environment, host facts", "Surroundings of a host"),
    Term(r"papers", "artifacts", "the papers beside the image"),
    Term(r"half[- ]made|half[- ]built", "incomplete", "a half-made release"),
    Term(r"left alone|leave it at that", "held, skipped, not changed", "the rest is left alone"),
    Term(r"go(es)? on all the same|all the same", "continue anyway", "To go on all the same"),
    Term(r"(may|were|was) (be )?lost", "may fail, failed", "how many hosts may be lost"),
    Term(r"anew", "again", "resolved anew"),
    Term(r"proof|prov(e|es|ed|en|ing)", "verify, verification", "proved to level kernels"),
    Term(r"(taken into|put to|puts? it to) use", "activate", "before it is put to use"),
    Term(
        r"(release|image|environment|one) in use|what (is|was) in use", "active release", "the release in use"
    ),
    Term(
        r"the (release|one|environment|image) before", "previous release", "goes back to the release before"
    ),
    Term(r"coming (g?libc|driver|version)s?|what is coming", "pending", "a coming libc"),
    Term(r"cures?|cured", "fix", "site.yml cures it"),
    Term(r"at hand", "available, present", "with a registry at hand"),
    Term(r"whoever", "the person who, those who", "whoever starts it"),
    Term(r"such a python on the host", "Install Python 3.13", "Put such a Python on the host"),
)
_EXPRESSIONS = [
    (re.compile(rf"(?<![\w.-])(?:{term.pattern})(?![\w-])", re.IGNORECASE), term) for term in TERMS
]


def violations(path: Path, texts: Iterator[tuple[int, str]]) -> list[str]:
    """Return what is wrong in the texts of a file, each with its line and the word to write instead."""
    name = path.relative_to(ROOT).as_posix()
    return [
        f"{name}:{line}: {match.group(0)!r} in {text.strip()[:90]!r}; write {term.instead}"
        for line, text in texts
        for expression, term in _EXPRESSIONS
        if not name.endswith(term.where or ("\0",))
        for match in [expression.search(text)]
        if match
    ]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page, without what is code or the address of a link."""
    text = re.sub(
        r"(?s)```.*?```|<!--.*?-->", lambda block: "\n" * block.group(0).count("\n"), path.read_text("utf-8")
    )
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("    "):
            yield number, re.sub(r"``.*?``|`[^`]*`|\]\([^)]*\)", "", line)


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts in a program that a user may read: no docstrings, no names, no other program's code."""
    tree = ast.parse(path.read_text("utf-8"))
    silent = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            for line in node.value.splitlines():
                if " " in line.strip():
                    yield node.lineno, re.sub(r"[A-Z]\([^)]*\)|^\s*\w+:", "", line)


def sentences(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield the texts below the keys of a YAML document."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key in keys:
                for text in part if isinstance(part, list) else [part]:
                    if isinstance(text, str):
                        yield 0, re.sub(r"[A-Z]\([^)]*\)", "", text)
            yield from sentences(part, keys)
    elif isinstance(value, list):
        for part in value:
            yield from sentences(part, keys)


def load(path: Path) -> Any:
    return yaml.safe_load(re.sub(r"!\w+", "", path.read_text("utf-8")))


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
PROGRAMS = [
    path
    for folder in ("module_utils", "library", "action_plugins", "lookup_plugins")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
TITLES = [
    *sorted(ROOT.glob("*.yml")),
    *sorted(ROOT.glob("playbooks/**/*.yml")),
    *(path for part in ("tasks", "handlers") for path in sorted(ROOT.glob(f"roles/*/{part}/*.yml"))),
]
OPTIONS = sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))
ROWS = [
    ROOT / "roles/whisperx_plan/files/catalogue" / f"{name}.yml"
    for name in ("rules", "failures", "amendments", "blocked")
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pages(path: Path) -> None:
    assert violations(path, prose(path)) == []


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_messages_and_option_docs_in_code(path: Path) -> None:
    assert violations(path, literals(path)) == []


@pytest.mark.parametrize("path", TITLES, ids=name_of)
def test_titles_and_messages_of_tasks(path: Path) -> None:
    assert violations(path, sentences(load(path), ("name", "msg", "fail_msg", "success_msg"))) == []


@pytest.mark.parametrize("path", OPTIONS, ids=name_of)
def test_options_of_roles(path: Path) -> None:
    assert violations(path, sentences(load(path), ("short_description", "description"))) == []


@pytest.mark.parametrize("path", ROWS, ids=name_of)
def test_rows(path: Path) -> None:
    assert violations(path, sentences(load(path), ("sentence", "cure", "remedy", "wanted"))) == []


def test_variables_of_the_example() -> None:
    path = ROOT / "inventory/example/group_vars/all.yml"
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    assert violations(path, ((number, line) for number, line in lines if line.startswith("##"))) == []


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.sample)
def test_every_term_is_found_in_a_text_with_it(term: Term) -> None:
    assert violations(ROOT / "README.md", iter([(1, term.sample)]))


def test_code_and_names_are_no_text(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text('"""Mend it."""\nKEYS = ["brought", "unwell"]\nTEXT = "1 MB brought"\n')
    page = tmp_path / "page.md"
    page.write_text("Run `make mend`.\n\n```sh\nmend anew\n```\n\n[it](mend.md)\n\nIt is mended.\n")
    assert [text for _, text in literals(program)] == ["1 MB brought"]
    assert [number for number, text in prose(page) if "mend" in text] == [9]


def steps(path: Path) -> Iterator[str]:
    """Yield the sentences of a runtime's steps, as far as they are written in the call."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Step" and len(node.args) > 2:
            sentence = node.args[2]
            text = getattr(getattr(sentence, "func", None), "value", sentence)
            if isinstance(text, ast.Constant):
                yield str(text.value)


def test_a_step_begins_with_a_verb_that_a_dry_run_can_put_into_the_future() -> None:
    folders = ("whisperx_release", "whisperx_env", "whisperx_container")
    files = [path for folder in folders for path in sorted((ROOT / "module_utils" / folder).glob("*.py"))]
    found = {sentence.split()[0] for path in files for sentence in steps(path)}
    assert len(found) > 5 and found <= set(VERBS)
