"""Somebody is faster: in a directory like /tmp a place of ours is made between the check and its creation."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_common import trust
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_release.release_hosts import HOSTS, Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to others")

NOBODY = 65534
PLANTED = (".lock", ".whisperx-fleet", "current", "whisperx.fact", "tiny", "files", "releases", "cache")
# What is made with each option; whether there is a directory of others' above it too.
OPTIONS = [("root", "venv"), ("bin_dir", "venv"), ("facts_dir", "venv"), ("shared_cache", "venv")]
OPTIONS += [(option, "container") for option in ("root", "bin_dir", "facts_dir")]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory like /tmp, below one that every user may enter."""
    top = Path(tempfile.mkdtemp(prefix="whisperx-race-"))
    top.chmod(0o755)
    (top / "tmp").mkdir()
    (top / "tmp").chmod(0o1777)
    yield top / "tmp"
    shutil.rmtree(top)


def own_directory(place: Path, victim: Path) -> None:
    """A directory of theirs, full of links to what is root's."""
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    for name in PLANTED:
        (place / name).symlink_to(victim if name in PLANTED[:5] else victim.parent)
        os.lchown(place / name, NOBODY, NOBODY)


def link_to_roots(place: Path, victim: Path) -> None:
    """A link of theirs to a directory of root's."""
    place.symlink_to(victim.parent)
    os.lchown(place, NOBODY, NOBODY)


def open_to_all(place: Path, victim: Path) -> None:
    """A directory that the user opened, and root's by chance."""
    place.mkdir()
    place.chmod(0o777)


def tree(top: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        info = path.lstat()
        text = path.read_text() if stat.S_ISREG(info.st_mode) else ""
        found[str(path)] = (info.st_mode, info.st_uid, path.readlink() if path.is_symlink() else text)
    return found


def host_in(shared: Path, runtime: str, option: str, deep: bool) -> tuple[Host, Path]:
    """Return a host with one of its places in the shared directory, and what is made there first."""
    host = HOSTS[runtime](shared.parent / "host")
    place = shared / "ours" / "deep" if deep else shared / "ours"
    host.layout = replace(host.layout, **{option: str(place)})
    return host, shared / "ours"


@pytest.mark.parametrize("made", [own_directory, link_to_roots, open_to_all])
@pytest.mark.parametrize("deep", [False, True], ids=["itself", "above"])
@pytest.mark.parametrize(("option", "runtime"), OPTIONS)
def test_what_was_made_before_us_is_refused(
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[[Path, Path], None],
    deep: bool,
    option: str,
    runtime: str,
) -> None:
    host, place = host_in(shared, runtime, option, deep)
    (shared.parent / "roots").mkdir(mode=0o700)
    victim = shared.parent / "roots" / "file"
    victim.write_text("root's own")
    real = trust.make_directories
    theirs: dict[str, Any] = {}

    def slower(path: str, mode: int = 0o755) -> None:
        if Path(path).is_relative_to(place) and not theirs:
            made(place, victim)
            theirs.update({"": None}, **(tree(place) if not place.is_symlink() else {}))
        real(path, mode)

    monkeypatch.setattr(trust, "make_directories", slower)
    with pytest.raises(Problem) as raised:
        host.present("1.0")
    assert theirs, "the place was never made"
    assert raised.value.rule == "env.untrusted-directory" and str(place) in raised.value.found
    # An empty directory is what came of it, at most.
    made_by_us = {str(path) for path in ([place / "deep", victim.parent / "deep"] if deep else [])}
    after = tree(shared.parent)
    assert victim.read_text() == "root's own" and stat.S_IMODE(victim.stat().st_mode) == 0o644
    below = {path for path in after if path.startswith((f"{place}/", f"{victim.parent}/"))}
    assert below - {*theirs, *made_by_us, str(victim)} == set()
    # The fact file comes last, when the release is active.
    assert host.says() == ("1.0" if option == "facts_dir" else "")


@pytest.mark.parametrize("deed", ["1.0", "rolled_back", "absent"])
@pytest.mark.parametrize("runtime", sorted(HOSTS))
def test_a_root_that_was_given_away_meanwhile(
    shared: Path, monkeypatch: pytest.MonkeyPatch, runtime: str, deed: str
) -> None:
    """The module looked at it, then somebody with the right to do so gave it away: the lock is not opened."""
    host, place = host_in(shared, runtime, "root", False)
    for version in ("1.0", "2.0"):
        host.present(version)
    before = tree(place)
    real = os.path.isdir

    def given(path: Any) -> bool:
        if str(path) == host.layout.root:
            os.chown(place, NOBODY, NOBODY)
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr("module_utils.whisperx_release.engine.os.path.isdir", given)
        with pytest.raises(Problem) as raised:
            host.do(deed)
    assert raised.value.rule == "env.untrusted-directory"
    os.chown(place, 0, 0)
    assert tree(place) == before


@pytest.mark.parametrize("runtime", sorted(HOSTS))
def test_undisturbed_a_root_below_a_directory_like_tmp_is_fine(shared: Path, runtime: str) -> None:
    host, place = host_in(shared, runtime, "root", True)
    host.present("1.0")
    host.whole("1.0")
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    host.absent()


def test_a_containers_role_has_rules_of_its_own(shared: Path) -> None:
    host, place = host_in(shared, "container", "root", False)
    host.layout = replace(host.layout, role="whisperx_container")
    open_to_all(place, shared)
    with pytest.raises(Problem) as raised:
        host.present("1.0")
    assert raised.value.rule == "container.untrusted-directory"
    assert "whisperx_container_root" in raised.value.remedy
