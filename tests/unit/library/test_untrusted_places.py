"""Every module that writes refuses a place that others can change, before anything is written there."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader

from module_utils.whisperx_firstboot import records, sources
from module_utils.whisperx_guard import install as guard
from module_utils.whisperx_guard.model import Config
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE
from tests.unit.whisperx_plan.hosts import facts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to others")

NOBODY = 65534
# What the toolkit writes under these names, somebody put there as a link to a file of root's.
PLANTED = (
    ".lock",
    ".whisperx-fleet",
    ".whisperx-fleet.new",
    "whisperx.fact",
    "whisperx.fact.new",
    "current.new",
)

NO_IMAGE: dict[str, Any] = {"plans": {}, "locks": {}, "roots": {}}

# Module, the option that names a directory, further options, the rule.
MODULES = [
    *[
        ("whisperx_env", option, {"state": state}, "env")
        for option in ("root", "bin_dir", "facts_dir", "cache")
        for state in ("rolled_back", "absent")
    ],
    *[
        ("whisperx_container", option, {"state": state}, "container")
        for option in ("root", "bin_dir", "facts_dir", "store")
        for state in ("rolled_back", "absent")
    ],
    ("whisperx_verify", "root", {}, "verify"),
    ("whisperx_lock", "lock_dir", {"classes": {}}, "lock"),
    ("whisperx_lock", "cache_dir", {"classes": {}, "lock_dir": "/root/absent"}, "lock"),
    ("whisperx_wheelhouse", "dir", {"locks": {}}, "wheelhouse"),
    ("whisperx_wheelhouse", "output", {"locks": {}, "state": "bundled", "dir": "/root/absent"}, "wheelhouse"),
    ("whisperx_image", "directory", NO_IMAGE, "image"),
    (
        "whisperx_image",
        "cache",
        {"plans": {}, "locks": {}, "roots": {}, "directory": "/root/absent"},
        "image",
    ),
    ("whisperx_bake_finish", "root", {"releases": [], "_ansible_check_mode": True}, "bake"),
]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="whisperx-places-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def given_away(shared: Path) -> Path:
    """The directory belongs to another user."""
    place = shared / "place"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    return place


def open_above(shared: Path) -> Path:
    """Anybody may put something else in the directory's place."""
    place = shared / "open" / "place"
    place.mkdir(parents=True)
    place.parent.chmod(0o777)
    return place


def behind_a_link(shared: Path) -> Path:
    """In a directory like /tmp somebody made a link to where the directory is."""
    real = shared / "real"
    real.mkdir()
    (shared / "tmp").mkdir()
    (shared / "tmp").chmod(0o1777)
    place = shared / "tmp" / "place"
    place.symlink_to(real)
    os.lchown(place, NOBODY, NOBODY)
    return place


def run(module: str, options: dict[str, Any]) -> dict[str, Any]:
    """Run a module and return its JSON."""
    main = importlib.import_module(f"ansible.modules.{module}").main
    printed = io.StringIO()
    with patch_module_args(options), contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        main()
    result: dict[str, Any] = json.loads(printed.getvalue())
    return result


def tree(top: Path) -> dict[str, Any]:
    """Return everything below a directory: type, mode, owner, contents."""
    found: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        info = path.lstat()
        text = path.read_text() if stat.S_ISREG(info.st_mode) else ""
        found[str(path)] = (info.st_mode, info.st_uid, path.readlink() if path.is_symlink() else text)
    return found


@pytest.mark.parametrize("made", [given_away, open_above, behind_a_link])
@pytest.mark.parametrize(("module", "option", "further", "area"), MODULES)
def test_refused_and_nothing_written(
    shared: Path, made: Any, module: str, option: str, further: dict[str, Any], area: str
) -> None:
    place = made(shared)
    victim = shared / "victim"
    victim.write_text("root's own")
    victim.chmod(0o600)
    for name in PLANTED:
        (place / name).symlink_to(victim)
    for name in ("files", "releases", "launch"):
        (place / name).symlink_to(shared)
    before = tree(shared)
    trusted = {"root": str(shared / "ours"), "bin_dir": "", "facts_dir": ""}
    base = trusted if module in ("whisperx_env", "whisperx_container") else {}
    result = run(module, {**base, **further, option: str(place)})
    assert result.get("failed") and result["rule"] == f"{area}.untrusted-directory", result
    assert "nobody" in result["found"] or "everyone" in result["found"]
    assert tree(shared) == before


def act(module: str, options: dict[str, Any]) -> dict[str, Any]:
    """Run an action plugin, as a task with these options does, and return its result."""
    task, context = Task(), PlayContext()
    task.action, task.args = module, options
    plugin = importlib.import_module(f"ansible.plugins.action.{module}").ActionModule(
        task=task,
        connection=connection_loader.get("local", context),
        play_context=context,
        loader=DataLoader(),
        templar=None,
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(task_vars={"hostvars": {}})
    return result


# How a file is written on the controller, with an option that names it.
FILES = [
    *[(how, "whisperx_plan", option) for how in (run, act) for option in ("output", "page")],
    *[(how, "whisperx_report", option) for how in (run, act) for option in ("output", "page", "resume")],
    (run, "whisperx_host_inventory", "output"),
]
FURTHER: dict[str, dict[str, Any]] = {
    "whisperx_plan": {
        "hosts": {"a": facts()},
        "catalogue": str(CATALOGUE),
        "packages": {"ctranslate2": ""},
        "templates": str(CATALOGUE.parent / "page"),
    },
    "whisperx_report": {
        "hosts": ["a"],
        "known": {},
        "run": {"playbook": "site.yml", "at": "2026-01-01 00:00 UTC", "check": False, "notes": []},
        "templates": str(CATALOGUE.parents[2] / "whisperx_report/files/page"),
    },
    "whisperx_host_inventory": {"hosts": {"a": facts()}},
}


@pytest.mark.parametrize("made", [given_away, open_above, behind_a_link])
@pytest.mark.parametrize(("how", "module", "option"), FILES)
def test_files_on_the_controller(shared: Path, made: Any, how: Any, module: str, option: str) -> None:
    place = made(shared)
    before = tree(shared)
    file = str(place / "out.md")
    result = how(module, {**FURTHER[module], option: file})
    assert tree(shared) == before
    if module == "whisperx_report":  # it fails nothing, for the summary must still be printed
        said = [line for line in result["lines"] if file in line]
        assert not result.get("failed") and len(said) == 1 and "can change" in said[0], result
    else:
        area = module.removeprefix("whisperx_").removesuffix("_inventory")
        assert result.get("failed") and result["rule"] == f"{area}.untrusted-directory", result


def test_no_file_of_a_plan_is_written_when_one_is_refused(shared: Path) -> None:
    place = given_away(shared)
    before = tree(shared)
    files = {"output": str(shared / "plan.json"), "page": str(place / "plan.md")}
    result = act("whisperx_plan", {**FURTHER["whisperx_plan"], **files})
    assert result["rule"] == "plan.untrusted-directory" and tree(shared) == before


@pytest.mark.parametrize(("how", "module", "option"), FILES)
def test_a_file_in_a_directory_like_tmp_is_written_under_a_name_of_its_own(
    shared: Path, how: Any, module: str, option: str
) -> None:
    shared.chmod(0o1777)
    victim = shared / "victim"
    victim.write_text("root's own")
    file = shared / "out.md"
    file.symlink_to(victim)
    os.lchown(file, NOBODY, NOBODY)
    known = {"known": {"lost": {"a": {"state": "failed", "message": "no"}}}} if option == "resume" else {}
    result = how(module, {**FURTHER[module], **known, option: str(file)})
    assert not result.get("failed"), result
    assert victim.read_text() == "root's own"
    assert not file.is_symlink() and "a" in file.read_text()
    assert sorted(path.name for path in shared.iterdir()) == ["out.md", "victim"]


@pytest.mark.parametrize("folder", ["usr/local/lib/whisperx-guard", "etc/apt/apt.conf.d"])
def test_the_guard(shared: Path, folder: str) -> None:
    (shared / "etc/apt/apt.conf.d").mkdir(parents=True)
    (shared / folder).mkdir(parents=True, exist_ok=True)
    os.chown(shared / folder, NOBODY, 0)
    before = tree(shared)
    places = guard.Places(base=str(shared))
    for deed in (
        lambda: guard.install(places, Config("block", ("/opt/whisperx",), (), {}), [], False),
        lambda: guard.remove(places, False),
    ):
        with pytest.raises(Problem) as caught:
            deed()
        assert caught.value.rule == "guard.untrusted-directory"
    assert tree(shared) == before


@pytest.mark.parametrize("made", [given_away, open_above, behind_a_link])
def test_the_first_boot(shared: Path, made: Any) -> None:
    place = made(shared)
    image = records.Image(str(place), "import", (), str(shared / "facts.d"), str(shared / "bin"))
    before = tree(shared)
    with pytest.raises(Problem) as caught:
        sources.install(image, "/usr/bin/python3", importlib, records.Places(str(shared)), False)
    assert caught.value.rule == "firstboot.untrusted-directory"
    assert tree(shared) == before
