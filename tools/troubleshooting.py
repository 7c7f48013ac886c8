#!/usr/bin/env python3
"""Write what is made of the failure rows: parts of docs/troubleshooting.md, and the doctor's knowledge.

    tools/troubleshooting.py            # write both
    tools/troubleshooting.py --check    # exit code 1 when what is committed is not what would be written

The knowledge is JSON, for a host has no YAML parser: the failure rows, the packages to import and the one
threshold that the ABI audit needs, each from its own file of the catalogue.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_doctor.rows import read  # noqa: E402

__all__ = ["KNOWLEDGE", "PAGE", "knowledge", "main", "page"]

CATALOGUE = ROOT / "roles/whisperx_plan/files/catalogue"
KNOWLEDGE = ROOT / "roles/whisperx_doctor/files/knowledge.json"
PAGE = ROOT / "docs/troubleshooting.md"
# The families of the rows, in the order of the page.
_FAMILIES = {
    "A": "C library, ELF, processor",
    "B": "CUDA libraries, driver, GPU",
    "C": "Resolver, Python, packaging",
    "D": "torch, pyannote, Hugging Face",
    "E": "Environment",
    "F": "Containers",
    "": "What any environment can have",
}


def knowledge(catalogue: Path = CATALOGUE) -> dict[str, Any]:
    """Return the document that the doctor reads. Raises Problem for a malformed row."""
    failures = _yaml(catalogue / "failures.yml")
    packages = _yaml(catalogue / "packages.yml")["packages"]
    rules = {row["id"]: row for row in _yaml(catalogue / "rules.yml")["rules"]}
    sonames = _yaml(catalogue / "sonames.yml")
    document = {
        "schema": failures["schema"],
        "execstack_refused_from": rules["libc.execstack"]["thresholds"]["glibc"],
        "optional_sonames": sorted({row["soname"] for row in sonames["optional"] + sonames["ignored"]}),
        "actions": failures["actions"],
        "packages": [
            {"name": row["name"], "module": row["module"], "optional": bool(row.get("optional"))}
            for row in packages
        ],
        "failures": failures["failures"],
    }
    read(document)
    return document


def page(text: str, document: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> str:
    """Return the page ``text`` with its generated sections made anew."""
    return _put(_put(text, "failures", _failures(document)), "rules", _rules(rules))


def _failures(document: Mapping[str, Any]) -> list[str]:
    lines = ["| what this toolkit does | command |", "| --- | --- |"]
    for row in document["actions"]:
        command = f"make {row['make']}" + (f' ARGS="{row["arguments"]}"' if row["arguments"] else "")
        lines.append(f"| `{row['id']}`: {row['sentence']} | `{command}` |")
    lines.append("")
    for letter, name in _FAMILIES.items():
        lines += [f"### {name}", "", "| id | what it is | do | this toolkit |", "| --- | --- | --- | --- |"]
        for row in document["failures"]:
            if row.get("field", "")[:1] == letter:
                lines.append(_failure(row))
        lines.append("")
    return lines[:-1]


def _failure(row: Mapping[str, Any]) -> str:
    said = "".join(f"<br>{_code(words)}" for words in row.get("says", ()))
    offered = ", ".join(f"`{name}`" for name in row["toolkit"]) or "no"
    sentence = re.sub(r"\{(\w+)\}", r"*\1*", row["sentence"])
    cells = [f"`{row['id']}`", sentence + said, row["cure"], offered]
    return "| " + " | ".join(cell.replace("|", "\\|").strip() for cell in cells) + " |"


def _code(words: str) -> str:
    """Return ``words`` as code on one line, also where there are backticks in them."""
    words = " ".join(words.splitlines())
    return f"`` {words} ``" if "`" in words else f"`{words}`"


def _rules(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| id | says | do |", "| --- | --- | --- |"]
    for row in rules:
        cells = (f"`{row['id']}`", str(row["sentence"]), str(row["remedy"]))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _put(text: str, name: str, lines: Sequence[str]) -> str:
    """Return ``text`` with the section between the markers of ``name`` replaced."""
    begin, end = f"<!-- {name}: made by make docs -->", f"<!-- {name}: end -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return "\n".join([head + begin, "", *lines, "", end + tail])


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(description="Make docs/troubleshooting.md and the doctor's knowledge.")
    parser.add_argument("--check", action="store_true", help="write nothing, tell whether something is stale")
    options = parser.parse_args(arguments)
    document = knowledge()
    rules = _yaml(CATALOGUE / "rules.yml")["rules"]
    wanted = {
        KNOWLEDGE: json.dumps(document, indent=1, ensure_ascii=False) + "\n",
        PAGE: page(PAGE.read_text(encoding="utf-8"), document, rules),
    }
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if options.check:
        for path in stale:
            print(f"{path.name} is not what the failure rows give; run make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
