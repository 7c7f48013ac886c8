"""The documents name things that exist."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(" ".join(re.findall(r"(?m)^(?:VERBS|GOALS) := ((?:.*\\\n)*.*)", MAKEFILE)).split())


def code(text: str) -> str:
    """Return only what stands in code blocks and between backticks."""
    return "\n".join(re.findall(r"(?s)```.*?```|`[^`\n]+`", text))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as its readers' programs make them."""
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?s)```.*?```", "", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_lines(text: str) -> list[str]:
    """Return the lines of prose that end in the middle of a sentence, or have a second sentence."""
    found, before = [], ""
    for line in [*re.sub(r"(?s)```.*?```|<!--.*?-->", "", text).splitlines(), ""]:
        prose = bool(line.strip()) and not re.match(r"[#|>!*-]|\d+\. | {2,}", line)
        goes_on = bool(before) and line.strip() and not re.match(r"[#|>!-]|\d+\. ", line)
        if goes_on and not re.search(r"[.:;?!]\)?$", before):
            found.append(before)
        if prose and re.search(r"[a-z`)][.?!] [A-Z]", re.sub(r"`[^`]*`", "`", line)):
            found.append(line)
        before = line if prose or re.match(r"[-*] |\d+\. ", line) else ""
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
class TestDocument:
    def test_make_targets_exist(self, document: Path) -> None:
        named = set(
            re.findall(
                r"(?m)(?:^|`|sudo |\w=\S+ )make ([a-z][a-z-]*)", code(document.read_text(encoding="utf-8"))
            )
        )
        assert named - TARGETS == set()

    def test_linked_files_exist(self, document: Path) -> None:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        assert [link for link in links if not (document.parent / link).exists()] == []

    def test_linked_headings_exist(self, document: Path) -> None:
        text = document.read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)#:]*\.md)?#([\w-]+)\)", text)
        missing = [
            f"{file}#{anchor}"
            for file, anchor in links
            if anchor not in anchors((document.parent / file).read_text(encoding="utf-8") if file else text)
        ]
        assert missing == []

    def test_a_line_is_a_sentence(self, document: Path) -> None:
        """Prose has one sentence on a line, so that a changed word is one changed line."""
        assert broken_lines(document.read_text(encoding="utf-8")) == []

    def test_playbooks_and_tools_exist(self, document: Path) -> None:
        named = set(
            re.findall(
                r"(?<!/)\b((?:playbooks|tools|inventory|molecule|bench|requirements)/[\w./-]+\.(?:yml|py|txt|md))",
                code(document.read_text(encoding="utf-8")),
            )
        )
        assert [name for name in sorted(named) if not (ROOT / name).exists()] == []

    def test_role_variables_exist(self, document: Path) -> None:
        defaults: set[str] = set()
        for path in ROOT.glob("roles/*/defaults/main.yml"):
            defaults |= set(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        roles = {path.name for path in (ROOT / "roles").iterdir()}
        prefixes = tuple(f"{name}_" for name in roles if "_" in name)
        modules = {path.stem for path in (ROOT / "library").glob("*.py")}
        named = {
            word
            for word in re.findall(r"`(whisperx_[a-z_]+)\b", document.read_text(encoding="utf-8"))
            if word.startswith(prefixes)
        }
        metrics = (ROOT / "module_utils/whisperx_metrics/collect.py").read_text(encoding="utf-8")
        assert named - defaults - modules - roles - set(re.findall(r'"(whisperx_[a-z_]+)"', metrics)) == set()


def test_troubleshooting_names_ids_that_exist() -> None:
    named = re.findall(r"`([a-z]+\.[a-z-]+)`", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"))
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("module_utils", "library", "action_plugins", "roles")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yml")
    )
    assert set(named) - set(re.findall(r"[\"' ]([a-z]+\.[a-z-]+)\b", code)) == set()


def test_troubleshooting_has_every_id_that_is_raised() -> None:
    raised = set()
    for folder in ("module_utils", "library", "action_plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            raised |= set(re.findall(r'Problem\(\s*"([a-z]+\.[a-z-]+)"', path.read_text(encoding="utf-8")))
    documented = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert [name for name in sorted(raised) if f"`{name}`" not in documented] == []


def test_readme_has_exactly_two_set_up_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"(?s)## Set up.*?```sh\n(.*?)```", readme)
    assert block and len(block.group(1).strip().splitlines()) == 2


def test_pictures_are_small_and_shown() -> None:
    pictures = sorted((ROOT / "docs/images").iterdir())
    shown = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    assert pictures
    for picture in pictures:
        content = picture.read_bytes()
        assert (
            content.startswith(b"\x89PNG" if picture.suffix == ".png" else b"<svg ")
            and len(content) < 200_000
        )
        assert f"](images/{picture.name})" in shown


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/images").glob("*.svg")), ids=lambda path: path.name)
def test_drawings_are_read_by_everybody(picture: Path) -> None:
    """A title and a description for those who do not see it, colours for a dark page, nothing loaded."""
    text = picture.read_text(encoding="utf-8")
    drawing = ElementTree.fromstring(text)
    parts = {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in drawing}
    assert parts["title"] and parts["desc"] and "prefers-color-scheme: dark" in parts["style"]
    assert not re.search(r"(?:href|src|url\()=?[\"']?https?:|<script", text)
