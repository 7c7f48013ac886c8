"""What is on a host and what is wanted give the steps."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from env_hosts import OPTIONS, Host, wanted

from module_utils.whisperx_env.model import Options, Wanted
from module_utils.whisperx_env.venv import Venv
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import decide, state
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Decision, State


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def decided(host: Host, what: Wanted, options: Options = OPTIONS) -> Decision:
    return decide.present(host.layout, state.read(host.layout), Venv(host.layout, options, Hooks(), what))


def back(host: Host, release: str = "", last: str = "") -> Decision:
    found = state.read(host.layout)
    target = decide.return_target(host.layout, found, release, last)
    return decide.rolled_back(host.layout, found, target, Venv(host.layout, OPTIONS, Hooks()))


def kinds(decision: Decision) -> list[str]:
    return [step.kind for step in decision.steps]


ARRIVAL = ["build", "gate", "verify", "complete", "switch", "link", "fact", "tidy"]


def test_an_empty_host_gets_everything(host: Host) -> None:
    decision = decided(host, wanted())
    assert kinds(decision) == ARRIVAL
    assert decision.before == {} and decision.after == {"whisperx": "1.0", "numpy": "2.0"}
    assert decision.has("build")


def test_an_empty_directory_is_as_good_as_none(host: Host) -> None:
    host.root.mkdir()
    assert kinds(decided(host, wanted())) == ARRIVAL


def test_a_converged_host_gets_nothing(host: Host) -> None:
    host.release(wanted())
    host.use(wanted())
    decision = decided(host, wanted())
    assert decision.steps == () and decision.release == wanted().name
    assert decision.before == decision.after == {"whisperx": "1.0", "numpy": "2.0"}


def test_another_version_is_built_and_the_old_one_kept(host: Host) -> None:
    host.release(wanted("1.0"))
    host.use(wanted("1.0"))
    decision = decided(host, wanted("2.0"))
    assert kinds(decision) == ["build", "gate", "verify", "complete", "switch", "fact", "tidy"]
    assert decision.before["whisperx"] == "1.0" and decision.after["whisperx"] == "2.0"


def test_another_environment_of_the_same_packages_is_another_release(host: Host) -> None:
    assert wanted(environment={"A": "1"}).name != wanted().name
    assert wanted(notes=["seen on Tuesday"]).name == wanted().name


def test_a_whole_release_is_proved_again_and_switched_to_without_a_build(host: Host) -> None:
    for version in ("1.0", "2.0"):
        host.release(wanted(version))
    host.use(wanted("2.0"))
    assert kinds(decided(host, wanted("1.0"))) == ["gate", "verify", "complete", "switch", "fact", "tidy"]


def test_what_a_killed_run_left_goes_first(host: Host) -> None:
    host.release(wanted())
    host.use(wanted())
    (host.root / "releases" / "half").mkdir()
    shutil.copytree(
        host.root / "releases" / wanted().name, host.root / "releases" / "old.going", symlinks=True
    )
    decision = decided(host, wanted())
    assert [step.subject for step in decision.steps] == ["half", "old.going", ""]


def test_a_current_link_to_a_half_built_release_counts_as_none(host: Host) -> None:
    path = host.release(wanted())
    host.use(wanted())
    (path / "release.json").unlink()
    decision = decided(host, wanted())
    assert kinds(decision)[:2] == ["build", "gate"] and decision.release != path.name


def test_a_damaged_release_is_rebuilt_under_another_name_and_goes_last(host: Host) -> None:
    path = host.release(wanted())
    host.use(wanted())
    (path / "lib" / "python3.11" / "site-packages" / "numpy" / "core.so").unlink()
    decision = decided(host, wanted())
    assert decision.release == wanted().name + ".2"
    assert kinds(decision) == [
        "distrust",
        "build",
        "gate",
        "verify",
        "complete",
        "switch",
        "fact",
        "discard",
        "tidy",
    ]
    assert decision.steps[-2].subject == wanted().name
    assert "core.so is gone" in decision.notes[0]


def test_a_numbered_release_is_as_good_as_the_first(host: Host) -> None:
    host.release(wanted(), name=wanted().name + ".2")
    host.use(wanted(), wanted().name + ".2")
    assert decided(host, wanted()).steps == ()


def test_a_lower_proof_is_made_up_for_and_a_higher_one_stays(host: Host) -> None:
    host.release(wanted(), verify={"level": "kernels"})
    host.use(wanted())
    assert kinds(decided(host, wanted(), replace(OPTIONS, verify_level="pipeline"))) == [
        "verify",
        "complete",
        "fact",
        "tidy",
    ]
    assert decided(host, wanted(), replace(OPTIONS, verify_level="import")).steps == ()


def test_commands_that_are_no_longer_brought_lose_their_link(host: Host) -> None:
    host.release(wanted())
    host.use(wanted())
    steps = decided(host, wanted(scripts=[])).steps
    assert [(step.kind, step.subject) for step in steps if "link" in step.kind] == [("unlink", "whisperx")]


@pytest.mark.parametrize(
    ("keep", "left"), [(1, {"3.0", "4.0"}), (2, {"3.0", "4.0"}), (3, {"2.0", "3.0", "4.0"})]
)
def test_the_oldest_releases_go_but_never_current_and_previous(host: Host, keep: int, left: set[str]) -> None:
    for number in (1, 2, 3):
        host.release(wanted(f"{number}.0"), created=f"2026-01-0{number}T00:00:00Z")
    host.use(wanted("3.0"))
    decision = decided(host, wanted("4.0"), replace(OPTIONS, keep=keep))
    gone = {step.subject for step in decision.steps if step.kind == "discard"}
    names = {version: wanted(version).name for version in ("1.0", "2.0", "3.0")}
    assert gone == {name for version, name in names.items() if version not in left}


def test_rollback_goes_to_the_previous_release(host: Host) -> None:
    for version in ("1.0", "2.0"):
        host.release(wanted(version))
    host.use(wanted("2.0"))
    host.before(wanted("1.0").name)
    decision = back(host)
    assert kinds(decision) == ["fits", "remember", "switch", "fact"]
    assert (decision.before["whisperx"], decision.after["whisperx"]) == ("2.0", "1.0")


def test_rollback_finds_the_other_release_when_a_kill_lost_the_link(host: Host) -> None:
    for number in (1, 2, 3):
        host.release(wanted(f"{number}.0"), created=f"2026-01-0{number}T00:00:00Z")
    host.use(wanted("3.0"))
    host.before(wanted("3.0").name)
    assert back(host).release == wanted("2.0").name


def test_rollback_to_a_named_release(host: Host) -> None:
    for number in (1, 2, 3):
        host.release(wanted(f"{number}.0"), created=f"2026-01-0{number}T00:00:00Z")
    host.use(wanted("3.0"))
    assert back(host, wanted("1.0").name).release == wanted("1.0").name
    assert back(host, wanted("3.0").name).steps == ()
    with pytest.raises(Problem) as raised:
        back(host, "other")
    assert raised.value.rule == "env.no-previous" and wanted("1.0").name in raised.value.wanted


def test_a_second_rollback_does_not_go_forth_again(host: Host) -> None:
    for version in ("1.0", "2.0"):
        host.release(wanted(version))
    host.use(wanted("1.0"))
    host.before(wanted("2.0").name)
    assert back(host, last=wanted("1.0").name).steps == ()


def test_removal_names_what_is_ours(host: Host) -> None:
    host.release(wanted())
    host.use(wanted())
    venv = Venv(host.layout, OPTIONS, Hooks())
    steps = kinds(decide.absent(host.layout, state.read(host.layout), venv))
    assert steps == ["unlink", "forget", "sweep", "sweep", "erase"]
    assert decide.absent(host.layout, State(exists=False), venv).before == {}


def place(store: Path, name: str) -> None:
    """Make a set of models the active one."""
    (store / "sets" / name).mkdir(parents=True)
    (store / "sets" / name / "manifest.json").write_text("{}")
    (store / "current").unlink(missing_ok=True)
    (store / "current").symlink_to(f"sets/{name}")


@pytest.mark.parametrize(
    ("placed", "proved", "level", "again"),
    [
        ("", "", "pipeline", False),
        ("first", "", "pipeline", True),
        ("first", "first", "speech", False),
        ("second", "first", "pipeline", True),
        # None are left; and what stops before the models says nothing of them.
        ("", "first", "pipeline", False),
        ("second", "first", "kernels", False),
    ],
)
def test_other_models_are_proved_once(
    host: Host, tmp_path: Path, placed: str, proved: str, level: str, again: bool
) -> None:
    store = tmp_path / "models"
    if placed:
        place(store, placed)
    what = wanted(environment={"WHISPERX_MODELS_DIR": str(store)})
    host.release(what, verify={"level": "speech", "models": proved})
    host.use(what)
    decision = decided(host, what, replace(OPTIONS, verify_level=level))
    assert kinds(decision) == (["verify", "complete", "fact", "tidy"] if again else [])
