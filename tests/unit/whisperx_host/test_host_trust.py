"""Interpreters that others than root can change: listed as such, with who and where, and never run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from host_trees import HostTree

from module_utils.whisperx_host.live import Live
from module_utils.whisperx_host.model import Python

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")

ALICE = 1000
ACCOUNTS = {
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
    "/etc/group": "root:x:0:\nalice:x:1000:\nmakers:x:70:alice\nstaff:x:50:\n",
}


def given(host: HostTree, path: str, owner: int = ALICE, group: int = 0, mode: int | None = None) -> None:
    """Give a file or directory of the host to somebody."""
    place = Path(host.root) / path.lstrip("/")
    place.mkdir(parents=True, exist_ok=True) if not place.exists() else None
    os.chown(place, owner, group)
    if mode is not None:
        place.chmod(mode)


def python(host: HostTree, version: str, live: Live | None = None) -> Python:
    """Return the one interpreter of a series."""
    return next(one for one in host.probe(live).pythons if one.version.startswith(version))


@pytest.fixture
def tools(host: HostTree) -> HostTree:
    """A host with a Python of root's in /opt/tools, behind a link from /usr/local/bin."""
    for path, text in ACCOUNTS.items():
        host.file(path, text)
    host.python("/opt/tools/bin/python3.12", "3.12.8").file("/opt/tools/lib/python3.12/os.py")
    return host.link("/usr/local/bin/python3.12", "/opt/tools/bin/python3.12")


@pytest.mark.parametrize(
    ("path", "change", "place"),
    [
        ("/opt/tools/bin/python3.12", {}, "/opt/tools/bin/python3.12"),
        ("/opt/tools/bin", {}, "/opt/tools/bin"),
        ("/opt/tools", {}, "/opt/tools"),
        ("/opt", {}, "/opt"),
        ("/opt/tools/lib", {}, "/opt/tools/lib"),
        ("/opt/tools/lib/python3.12", {}, "/opt/tools/lib/python3.12"),
        ("/opt/tools", {"owner": 0, "mode": 0o777}, "/opt/tools"),
        ("/opt/tools/bin", {"owner": 0, "group": 70, "mode": 0o775}, "/opt/tools/bin"),
        ("/opt/tools/bin/python3.12", {"owner": 0, "mode": 0o757}, "/opt/tools/bin/python3.12"),
    ],
)
def test_whatever_leads_to_it_counts(tools: HostTree, path: str, change: dict[str, int], place: str) -> None:
    given(tools, path, **change)
    found = python(tools, "3.12")
    assert not found.trusted and found.path == "/opt/tools/bin/python3.12"
    assert f"can change {place} (owner " in found.weakness
    assert ("alice (uid 1000)" in found.weakness) == (change.get("mode", 0) & 0o002 == 0)
    assert python(tools, "3.13").trusted


@pytest.mark.parametrize(
    "change",
    [{"owner": 0, "group": 50, "mode": 0o2775}, {"owner": 0, "group": 999, "mode": 0o775}, {"owner": 0}],
)
def test_root_alone(tools: HostTree, change: dict[str, int]) -> None:
    given(tools, "/opt/tools/bin", **change)
    assert python(tools, "3.12").trusted


def test_a_chain_of_links_to_a_users_own(tools: HostTree) -> None:
    tools.python("/home/alice/py/bin/python3.11", "3.11.9")
    given(tools, "/home/alice")
    tools.link("/srv/python", "/home/alice/py").link("/opt/x/bin", "/srv/python/bin")
    found = python(tools, "3.11")
    assert found.path == "/home/alice/py/bin/python3.11" and "/home/alice (owner alice" in found.weakness


def test_a_venv_of_a_users_own_python(tools: HostTree) -> None:
    tools.python("/home/alice/py/bin/python3.11", "3.11.9")
    given(tools, "/home/alice")
    tools.file("/opt/venv/pyvenv.cfg", "home = /home/alice/py/bin\n")
    tools.link("/opt/venv/bin/python3.11", "/home/alice/py/bin/python3.11")
    assert not python(tools, "3.11").trusted


def test_it_is_not_run_to_learn_its_version(tools: HostTree) -> None:
    ran: list[Any] = []
    live = Live(run=lambda command: ran.append(command[0]) or "3.11.9\n")
    tools.elf("/opt/a/bin/python3.11").elf("/opt/b/bin/python3.10")
    given(tools, "/opt/a")
    assert python(tools, "3.11", live) == Python(
        "/opt/a/bin/python3.11", "3.11", True, False, False, python(tools, "3.11", live).weakness
    )
    assert set(ran) == {"/opt/b/bin/python3.10"}


def test_only_what_is_not_trusted_says_so_in_the_facts(tools: HostTree) -> None:
    given(tools, "/opt/tools")
    rows = {row["path"]: row for row in tools.probe().to_dict()["pythons"]}
    assert rows["/opt/tools/bin/python3.12"]["trusted"] is False
    assert "weakness" not in rows["/usr/bin/python3.13"] and "trusted" not in rows["/usr/bin/python3.13"]
