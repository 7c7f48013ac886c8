"""The staged collection and its archive: whole, nothing of the checkout's own, the same bytes each time."""

from __future__ import annotations

import ast
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from tools.collection import ROOT
from tools.galaxy.artifact import build
from tools.galaxy.names import CONTROLLER
from tools.galaxy.stage import names_of, stage


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage") / "collection"
    stage(ROOT, folder)
    return folder


def test_every_module_role_and_playbook_is_in_it(staged: Path) -> None:
    names = names_of(ROOT)
    assert {path.stem for path in (staged / "plugins/modules").glob("*.py")} == names.modules
    assert {path.name for path in (staged / "roles").iterdir()} == names.roles
    assert {path.stem for path in (staged / "playbooks").iterdir()} == names.playbooks
    packages = {path.name for path in (ROOT / "module_utils").iterdir() if path.name.startswith("whisperx_")}
    assert {path.name for path in (staged / "plugins/module_utils").iterdir()} == packages - {CONTROLLER}
    assert {path.name for path in (staged / "plugins/plugin_utils").iterdir()} == {CONTROLLER}
    assert os.access(staged / "roles/whisperx_bake/files/in_root", os.X_OK)


def test_nothing_else_is_in_it(staged: Path) -> None:
    fixed = {"plugins", "roles", "playbooks", "docs", "meta", "changelogs", "inventory", "tests"}
    assert {path.name for path in staged.iterdir() if path.is_dir()} <= fixed
    unwanted = ("__pycache__", ".pyc", "locks", "reports", "meta/main.yml", "changelogs/fragments")
    found = [path.relative_to(staged).as_posix() for path in staged.rglob("*")]
    assert [name for name in found if name.endswith(unwanted) and not name.startswith("roles/")] == []
    assert not any(path.is_symlink() for path in staged.rglob("*"))
    # What ansible-test reads of a collection, and none of the checkout's tests.
    assert [path.name for path in (staged / "tests").iterdir()] == ["config.yml"]


def test_no_task_has_a_name_that_only_a_checkout_resolves(staged: Path) -> None:
    names = names_of(ROOT)
    short = {*names.modules, *names.roles}

    def keys(value: object) -> list[str]:
        if isinstance(value, list):
            return [name for item in value for name in keys(item)]
        if not isinstance(value, dict):
            return []
        own = [str(key) for key in value if "name" in value and key in names.modules]
        roles = [
            value.get("role"),
            *(value.get(f"ansible.builtin.{kind}_role", {}).get("name") for kind in ("import", "include")),
        ]
        own += [role for role in roles if role in short]
        return own + [name for part in value.values() for name in keys(part)]

    files = [*staged.glob("roles/*/tasks/*.yml"), *staged.glob("playbooks/*.yml")]
    assert len(files) > 40
    assert {
        path.name: keys(yaml.safe_load(path.read_text()))
        for path in files
        if keys(yaml.safe_load(path.read_text()))
    } == {}


def test_packages_of_module_utils_have_empty_beginnings(staged: Path) -> None:
    """In a checkout each has a docstring and no code, so that nothing is lost."""
    begun = sorted((ROOT / "module_utils").rglob("__init__.py"))
    assert [path for path in begun if len(ast.parse(path.read_text(encoding="utf-8")).body) > 1] == []
    files = list((staged / "plugins/module_utils").rglob("__init__.py"))
    assert len(files) > 30 and {path.stat().st_size for path in files} == {0}


def test_no_plugin_needs_what_only_a_checkout_has(staged: Path) -> None:
    plugins = [path for folder in ("action", "lookup") for path in (staged / "plugins" / folder).glob("*.py")]
    assert len(plugins) > 10
    assert [path.name for path in plugins if "_ROOT" in path.read_text(encoding="utf-8")] == []


def test_the_same_files_give_the_same_bytes(
    staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever and by whomever: another time, another umask, another order of the directory."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    other = tmp_path / "other"
    shutil.copytree(staged, other, copy_function=shutil.copyfile)
    for path in other.rglob("*"):
        if not path.is_dir():
            path.chmod(0o700 if os.access(staged / path.relative_to(other), os.X_OK) else 0o600)
    first, second = build(staged, tmp_path / "a"), build(other, tmp_path / "b")
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert first.name == second.name == f"whisperx-fleet-{version}.tar.gz"
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [first.name]
    with tarfile.open(first) as archive:
        assert archive.getnames()[:2] == ["MANIFEST.json", "FILES.json"]
        assert {(item.uid, item.gid, item.uname) for item in archive} == {(0, 0, "")}
        listing = json.load(archive.extractfile("FILES.json"))  # type: ignore[arg-type]
        listed = {item["name"] for item in listing["files"]} - {"."}
        assert listed == set(archive.getnames()) - {"MANIFEST.json", "FILES.json"}
        # What was staged, and so ansible-test's own settings too, is all in it.
        assert {path.relative_to(staged).as_posix() for path in staged.rglob("*")} - listed == {"galaxy.yml"}
