"""Further packages on a host: their commands and imports, and what is lost that was installed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from env_hosts import OPTIONS, Host, lock_text, plan, wanted

from module_utils.whisperx_common.extras import Extra, write
from module_utils.whisperx_container import model as container
from module_utils.whisperx_env import launch
from module_utils.whisperx_env.model import Wanted, want
from module_utils.whisperx_env.venv import Venv
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import decide, state
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Decision

EXTRAS = write([Extra("nltk", ">=3.9", ("nltk",), ("nltk",))])
# The digest of `wanted()` as of the last version without extras.
DIGEST = "2b8409b0f2ed57b26e55c37f25bbb11e88014ebe5be2a94e384527bfe6c7c9ae"
LOCK = lock_text({"whisperx": "1.0", "nltk": "3.9.2"}, extras=EXTRAS)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def decided(host: Host, what: Wanted) -> Decision:
    return decide.present(host.layout, state.read(host.layout), Venv(host.layout, OPTIONS, Hooks(), what))


def test_extras_bring_their_commands_and_imports() -> None:
    found = want(plan(imports=[{"package": "whisperx", "module": "whisperx", "optional": False}]), LOCK)
    assert found.commands == found.scripts == ("whisperx", "nltk")
    assert [row["module"] for row in found.imports] == ["whisperx", "nltk"]
    assert found.requested == ["nltk", "whisperx"]
    assert set(launch.render(found, "/r", "/r/lib")) == {"python", "whisperx", "nltk"}


def test_a_release_without_extras_keeps_its_name() -> None:
    """What was built before there were extras is adopted, not built again."""
    assert wanted().digest == DIGEST
    versions = {"whisperx": "1.0", "nltk": "3.9.2"}
    names = {
        want(plan(), LOCK).name,
        want(plan(), lock_text(versions)).name,
        want(plan(), LOCK, ["nltk"]).name,
    }
    assert len(names) == 3


def test_chosen_commands_are_linked_and_all_have_their_script(host: Host) -> None:
    what = want(plan(), LOCK, ["nltk"])
    assert what.scripts == ("nltk",) and "whisperx" in launch.render(what, "/r", "/r/lib")
    linked = [step.subject for step in decided(host, what).steps if step.kind == "link"]
    assert linked == ["nltk"]
    with pytest.raises(Problem) as caught:
        want(plan(), LOCK, ["sh"])
    assert caught.value.rule == "env.unknown-command"


def test_an_image_has_them_in_its_labels() -> None:
    built = {"release": "r", "labels": {container.LABEL + "extras": EXTRAS}}
    row = plan(runtime="container", container={"engine": "podman"})
    found = container.want(row, built, "", ["nltk"])
    assert (found.commands, found.scripts) == (("whisperx", "nltk"), ("nltk",))
    assert found.imports[-1]["module"] == "nltk" and found.requested == ["nltk", "whisperx"]
    assert container.want(row, {"release": "r"}, "").scripts == ("whisperx",)


def install_by_hand(release: Path, name: str, version: str, installer: str | None = "pip") -> None:
    info = release / "lib" / "python3.11" / "site-packages" / f"{name}-{version}.dist-info"
    info.mkdir()
    if installer is not None:
        (info / "INSTALLER").write_text(installer + "\n")


@pytest.mark.parametrize(("installer", "whom"), [("pip", "by pip"), ("uv\n", "by uv"), (None, "by hand")])
def test_additions_by_hand_are_named_before_an_upgrade(host: Host, installer: str | None, whom: str) -> None:
    path = host.release(wanted("1.0"))
    host.use(wanted("1.0"))
    assert decided(host, wanted("2.0")).notes == ()
    install_by_hand(path, "spacy", "3.8.1", installer)
    for what in (wanted("2.0"), wanted("1.0")):
        decision = decided(host, what)
        (note,) = [note for note in decision.notes if "by hand to release" in note]
        assert f"spacy 3.8.1 {whom}" in note and 'whisperx_plan_extras: {spacy: "==3.8.1"}' in note
        assert path.name in note


def test_what_the_next_release_has_is_not_lost(host: Host) -> None:
    path = host.release(wanted("1.0"))
    host.use(wanted("1.0"))
    install_by_hand(path, "nltk", "3.9.2")
    assert not [note for note in decided(host, want(plan(), LOCK)).notes if "by hand to" in note]


def test_a_release_whose_list_is_lost_says_nothing(host: Host) -> None:
    path = host.release(wanted("1.0"))
    host.use(wanted("1.0"))
    install_by_hand(path, "spacy", "3.8.1")
    for text in ("", "[]", '{"packages": 1}'):
        (path / "manifest.json").write_text(text)
        assert not [note for note in decided(host, wanted("2.0")).notes if "by hand to" in note]
