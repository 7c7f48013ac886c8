"""Anything in the place of what is ours: every run works or says what is wrong, and none of it stays."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from tests.attack.strength import FULL
from tests.unit.whisperx_release.release_hosts import HOSTS, Host
from tests.unit.whisperx_release.spoiled_hosts import KINDS, Template, attempt, look, unharmed

# Below the host; {0} and {1} are the releases that are previous and active.
PLACES = [
    "root",
    "root/.whisperx-fleet",
    "root/.whisperx-fleet-rollback",
    "root/.whisperx-fleet-building",
    "root/.lock",
    "root/.progress",
    "root/current",
    "root/current.new",
    "root/previous",
    "root/cache",
    "root/files",
    "root/incoming",
    "root/index",
    "root/releases",
    "root/releases/other",
    "root/releases/other.going",
    "root/releases/{0}",
    "root/releases/{1}",
    "root/releases/{1}/release.json",
    "root/releases/{1}/manifest.json",
    "root/releases/{1}/requirements.txt",
    "root/releases/{1}/launch",
    "root/releases/{1}/launch/tiny",
    "root/releases/{1}/bin",
    "root/releases/{1}/bin/python",
    "root/releases/{1}/lib",
    "bin",
    "bin/tiny",
    "bin/other",
    "facts",
    "facts/whisperx.fact",
]
# In turn; all of them for each in the full form.
DEEDS = ("1.0", "2.0", "rolled_back", "absent")
# Somebody else's may be there, and is refused.
FOREIGN = ("root", "root/.whisperx-fleet", "root/.lock", "bin", "bin/tiny", "facts", "facts/whisperx.fact")


@pytest.fixture(scope="module", params=sorted(HOSTS))
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(HOSTS[request.param](tmp_path_factory.mktemp("host")))


def put(host: Host, place: str, kind: str) -> Path:
    """Put something in the place of what is there."""
    names = sorted(name for name in host.releases())
    path = host.base / place.format(*names)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind](path)
    return path


# The short form takes every fifth diagonal: each place with two kinds or three, each kind at six places.
# Five is prime to the number of deeds, so that the deeds come in turn.
CASES = [
    (place, kind)
    for (row, place), (column, kind) in itertools.product(enumerate(PLACES), enumerate(sorted(KINDS)))
    if FULL or (row + column) % 5 == 0
]


@pytest.mark.parametrize(("place", "kind"), CASES)
def test_anything_anywhere(template: Template, place: str, kind: str) -> None:
    turn = PLACES.index(place) + sorted(KINDS).index(kind)
    for deed in DEEDS if FULL else [DEEDS[turn % len(DEEDS)]]:
        host = template.restore()
        path = put(host, place, kind)
        look(host)
        predicted = attempt(host, deed, check=True)
        done = attempt(host, deed)
        assert (predicted is None) == (done is None) or place == "root/.lock"
        if kind == "link to a directory" and place in ("bin", "facts"):
            continue  # where users put their links is for them to say
        unharmed(host, place)
        if done is None:
            assert place in FOREIGN or deed == "rolled_back", (deed, place)
            assert os.path.lexists(path)
            continue
        for action in done.actions:
            if action.startswith("Removed /"):
                assert not os.path.lexists(action.split()[-1])
            name = action.split()[-1]
            if action.startswith(("Removed release", "Removed what was left")) and name != done.release:
                assert not os.path.lexists(host.layout.release(action.split()[-1]))
        if deed == "absent":
            left = [action for action in done.actions if "what this toolkit made" in action]
            whole = place in ("root", "root/.whisperx-fleet")
            assert os.path.lexists(host.layout.root) == bool(left) or whole
        elif deed == "rolled_back":
            assert host.current() == host.says() == "1.0" or place.startswith("root/releases")
        elif place == "root/current.new":
            assert host.current() == host.says() == deed
        else:
            host.whole(deed)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_links_of_ours_lead_to_stays(template: Template, kind: str) -> None:
    """Nothing that lies elsewhere goes or changes because a name of ours leads there."""
    host = template.restore()
    outside = host.base / "elsewhere"
    if os.path.lexists(outside):
        shutil.rmtree(outside)
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "file").write_text("theirs", encoding="utf-8")
    for name in ("cache", "releases/other", "previous", "incoming"):
        path = put(host, "root/" + name, kind)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        path.symlink_to(outside)
    attempt(host, "3.0")
    attempt(host, "absent")
    assert (outside / "deep" / "file").read_text(encoding="utf-8") == "theirs"


@pytest.mark.parametrize("deed", ["1.0", "2.0", "3.0", "rolled_back", "absent"])
@pytest.mark.parametrize("name", ["releases", "files", "cache", "index", "incoming"])
def test_a_directory_of_ours_that_leads_elsewhere_takes_nothing_with_it(
    template: Template, name: str, deed: str
) -> None:
    """What a planted link leads to looks like half-built releases; root would remove them all."""
    host = template.restore()
    put(host, "root/" + name, "link to a directory")
    attempt(host, deed, check=True)
    attempt(host, deed)
    unharmed(host, "root/" + name)
    left = os.path.lexists(host.root)
    assert not left or deed != "absent" or os.listdir(host.root) == [name], "what is not ours stays"
    if left and deed == "absent":
        return
    attempt(host, "3.0")
    unharmed(host, "root/" + name)
    host.whole("3.0")
