"""What no file of the project says: where packages are downloaded from, and the machine it was written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Written in two halves, so that this file does not say them either.
HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "deb.debian" + ".org",
    "security.debian" + ".org",
    "npmjs" + ".org",
]
PLACES = [
    "/work" + "/main",
    "/work" + "/shared",
    "/tmp" + "/lab",
    "/root" + "/.pyenv",
    "/opt" + "/wheels",
    "/opt" + "/pypi",
]


@pytest.mark.parametrize("phrase", HOSTS + PLACES)
def test_no_file_says(phrase: str, tracked: list[Path]) -> None:
    saying = [path.name for path in tracked if phrase.encode() in path.read_bytes()]
    assert saying == []


def test_requirements_are_locked_by_hash(root: Path) -> None:
    for name in ("controller.txt", "collections.txt", "test.txt", "data.txt", "ee.txt"):
        text = (root / "requirements" / name).read_text(encoding="utf-8")
        entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^#.*\n", "", text))
        assert [entry for entry in entries if entry.strip() and "--hash=sha256:" not in entry] == []
        assert not re.search(r"https?://|--index|--extra", text)


def test_the_locks_agree(root: Path) -> None:
    def pins(name: str) -> set[tuple[str, str]]:
        """Some packages have one version for each Python."""
        text = (root / "requirements" / name).read_text(encoding="utf-8")
        return set(re.findall(r"(?m)^([a-z0-9.-]+)==(\S+)", text))

    controller = pins("controller.txt")
    for other in (pins("test.txt"), pins("ee.txt")):
        assert controller - other == set()
    carrier = pins("collections.txt")
    assert carrier and carrier - pins("test.txt") == set()
