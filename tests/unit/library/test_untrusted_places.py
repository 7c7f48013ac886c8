"""Every module that writes refuses a place that others can change, before anything is written there."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
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


class Hostvars:
    """The variables of one host, which left a result."""

    def raw_get(self, host_name: str) -> dict[str, Any]:
        return {"result": {host_name: "fine"}}


VARIABLES = {"hostvars": Hostvars(), "ansible_play_hosts_all": ["a"]}


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
    result: dict[str, Any] = plugin.run(task_vars=VARIABLES)
    return result


# A variable that names a file on the controller, the module that writes it, and its option.
WRITERS = {
    "whisperx_plan_output": ("whisperx_plan", "output"),
    "whisperx_plan_page": ("whisperx_plan", "page"),
    "whisperx_report_output": ("whisperx_report", "output"),
    "whisperx_report_moved": ("whisperx_report", "moved"),
    "whisperx_report_page": ("whisperx_report", "page"),
    "whisperx_report_resume": ("whisperx_report", "resume"),
    "whisperx_host_output": ("whisperx_host_inventory", "output"),
    "whisperx_audit_output": ("whisperx_collect", "output"),
    "whisperx_doctor_output": ("whisperx_collect", "output"),
}
# The same, of what other programs write under names that are known beforehand.
STREAMS = {
    "whisperx_bake_tar": ("whisperx_outputs", "streams"),
    "whisperx_bake_disk": ("whisperx_outputs", "streams"),
    "whisperx_bake_papers": ("whisperx_outputs", "directories"),
}
# Directories, which MODULES above has.
DIRECTORIES = {
    "whisperx_plan_lock_dir": ("whisperx_lock", "lock_dir"),
    "whisperx_plan_cache_dir": ("whisperx_lock", "cache_dir"),
    "whisperx_wheelhouse_dir": ("whisperx_wheelhouse", "dir"),
    "whisperx_wheelhouse_output": ("whisperx_wheelhouse", "output"),
    "whisperx_image_dir": ("whisperx_image", "directory"),
    "whisperx_image_cache": ("whisperx_image", "cache"),
}
# Its three files, each in the table above, have their defaults from it.
UNREAD = {"whisperx_report_dir"}
HOW = {
    "whisperx_plan": (run, act),
    "whisperx_report": (run, act),
    "whisperx_host_inventory": (run, act),
    "whisperx_collect": (act,),
}
FILES = [
    (how, variable, module, option) for variable, (module, option) in WRITERS.items() for how in HOW[module]
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
    "whisperx_collect": {"paths": {"hosts": "result"}},
}
# Options of the controller's specifications that say where something is written there.
SAID = re.compile(
    r"(?i)(file|directory)( of the locks)? on the (controller|builder)\b|the store on the controller|bundle"
)
# What is read there, and not written.
READ = re.compile(r"_(facts|catalogue|compare|uv|container_root|bundle(_.*)?)$|whisperx_models|_mirror$")


def specified() -> dict[str, str]:
    """Return variable to description, of those that name a place on the controller to write to."""
    found = {}
    for path in sorted((CATALOGUE.parents[2]).glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            for name, option in entry.get("options", {}).items():
                text = "".join(option["description"])
                if option["type"] in ("str", "path") and SAID.search(text) and not READ.search(name):
                    found[name] = text
    return found


def test_every_variable_that_names_a_place_to_write_to_is_tried_here() -> None:
    assert set(specified()) - UNREAD == {*WRITERS, *STREAMS, *DIRECTORIES}
    tried = {(module, option) for module, option, _, _ in MODULES}
    assert {*DIRECTORIES.values()} <= tried


@pytest.mark.parametrize("variable", [*WRITERS, *STREAMS, *DIRECTORIES])
def test_roles_write_there_with_the_modules_that_are_tried_here(variable: str) -> None:
    module, option = (WRITERS | STREAMS | DIRECTORIES)[variable]
    role = CATALOGUE.parents[2] / "_".join(variable.split("_")[:2]) / "tasks"
    uses = []
    for path in sorted(role.glob("*.yml")):
        for task in flat(yaml.safe_load(path.read_text())):
            text = json.dumps(task)
            if variable in text or "__" + variable in text:
                uses.append(task)
    assert [task for task in uses if module in task and option in task[module]], uses
    # Those that write themselves, without a look of their own.
    for task in uses:
        for name in ("ansible.builtin.copy", "ansible.builtin.template", "ansible.builtin.file"):
            assert name not in task or variable in STREAMS, task


def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield tasks, those in blocks too."""
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part, []))


@pytest.mark.parametrize("made", [given_away, open_above, behind_a_link])
@pytest.mark.parametrize(("how", "variable", "module", "option"), FILES)
def test_files_on_the_controller(
    shared: Path, made: Any, how: Any, variable: str, module: str, option: str
) -> None:
    place = made(shared)
    before = tree(shared)
    file = str(place / "out.md")
    named = {"variable": variable} if module == "whisperx_collect" else {}
    result = how(module, {**FURTHER[module], **named, option: file})
    assert tree(shared) == before
    if module == "whisperx_report":  # it fails nothing, for the summary must still be printed
        said = [line for line in result["lines"] if file in line]
        assert not result.get("failed") and len(said) == 1 and "can change" in said[0], result
    else:
        area = variable.split("_")[1]
        assert result.get("failed") and result["rule"] == f"{area}.untrusted-directory", result
        assert variable in result["remedy"]


@pytest.mark.parametrize("made", [given_away, open_above, behind_a_link])
@pytest.mark.parametrize(
    ("variable", "option"),
    [
        *[(variable, option) for variable, (_, option) in STREAMS.items()],
        ("whisperx_audit_output", "files"),
        ("whisperx_doctor_output", "files"),
    ],
)
def test_outputs_are_refused_beforehand(shared: Path, made: Any, variable: str, option: str) -> None:
    place = made(shared)
    before = tree(shared)
    path = str(place if option == "directories" else place / "out")
    result = act("whisperx_outputs", {option: {variable: path, "whisperx_none_output": ""}})
    assert result["rule"] == f"{variable.split('_')[1]}.untrusted-directory", result
    assert variable in result["remedy"] and tree(shared) == before
    fine = act("whisperx_outputs", {option: {variable: str(shared / "ours" / "out")}})
    assert not fine.get("failed"), fine


@pytest.mark.parametrize("made", [given_away, open_above, behind_a_link])
def test_a_disk(shared: Path, made: Any) -> None:
    place = made(shared)
    before = tree(shared)
    options = {"path": str(place / "disk"), "tree": "/", "machine": "x86_64", "used": 1}
    result = run("whisperx_bake_disk", options)
    assert result["rule"] == "bake.untrusted-directory" and tree(shared) == before


@pytest.mark.parametrize("option", ["streams", "directories", "files"])
def test_only_what_gets_a_random_name_may_lie_in_a_directory_like_tmp(shared: Path, option: str) -> None:
    shared.chmod(0o1777)
    path = str(shared if option == "directories" else shared / "out")
    result = act("whisperx_outputs", {option: {"whisperx_bake_tar": path}})
    assert bool(result.get("failed")) == (option != "files"), result


def test_no_output_is_no_place() -> None:
    empty = {name: {"whisperx_bake_tar": ""} for name in ("files", "streams", "directories")}
    assert not act("whisperx_outputs", empty).get("failed")


def test_no_file_of_a_plan_is_written_when_one_is_refused(shared: Path) -> None:
    place = given_away(shared)
    before = tree(shared)
    files = {"output": str(shared / "plan.json"), "page": str(place / "plan.md")}
    result = act("whisperx_plan", {**FURTHER["whisperx_plan"], **files})
    assert result["rule"] == "plan.untrusted-directory" and tree(shared) == before


# What a report has to know of a host for its file to name that host.
NAMING = {
    "resume": {"lost": {"a": {"state": "failed", "message": "no"}}},
    "moved": {"result": {"a": {"changed": True, "actions": ["Switched from one to two"]}}},
}


@pytest.mark.parametrize(("how", "variable", "module", "option"), FILES)
def test_a_file_in_a_directory_like_tmp_is_written_under_a_name_of_its_own(
    shared: Path, how: Any, variable: str, module: str, option: str
) -> None:
    shared.chmod(0o1777)
    victim = shared / "victim"
    victim.write_text("root's own")
    file = shared / "out.md"
    file.symlink_to(victim)
    os.lchown(file, NOBODY, NOBODY)
    known = {"known": NAMING[option]} if option in NAMING else {}
    named = {"variable": variable} if module == "whisperx_collect" else {}
    result = how(module, {**FURTHER[module], **known, **named, option: str(file)})
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
