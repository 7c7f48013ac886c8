"""Managed Pythons on a host: which tree is taken, what is noticed of one that was edited, what goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_common.standalone import Archive
from module_utils.whisperx_env import pythons
from module_utils.whisperx_env.model import want
from module_utils.whisperx_env.pythons import Tree
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.model import Layout, Release

SHA = "0123456789abcdef" * 4
ARCHIVE = Archive("3.13.9", "20261110", "x86_64", "glibc 2.17", "cpython-3.13.9.tar.gz", SHA)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "root"), "", "")


def unpacked(layout: Layout, name: str = SHA) -> Tree:
    """Make a tree as a run leaves it."""
    tree = Tree(layout, ARCHIVE, name)
    binaries = Path(tree.program).parent
    binaries.mkdir(parents=True)
    Path(tree.program).write_text("program")
    (binaries / "python3").symlink_to("python3.13")
    library = Path(tree.path) / "lib" / "python3.13"
    library.mkdir(parents=True)
    (library / "ssl.py").write_text("one")
    found = pythons.contents(tree.folder, layout.root)
    write_json(tree.note, {"archive": ARCHIVE.record(), "files": found})
    return tree


def release(layout: Layout, name: str, tree: Tree | None) -> Release:
    """Make a release that stands on a tree."""
    path = Path(layout.release(name))
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(tree.program if tree else "/usr/bin/python3")
    record = {"python_path": tree.program, "python_archive": ARCHIVE.record()} if tree else {}
    return Release(name, str(path), {"id": name, **record})


def test_a_tree_is_taken_as_long_as_it_is_what_was_unpacked(layout: Layout) -> None:
    assert pythons.find(layout, ARCHIVE, ()) == (Tree(layout, ARCHIVE, SHA), False)
    tree = unpacked(layout)
    assert pythons.find(layout, ARCHIVE, {SHA}) == (tree, True)


LIBRARY = f"{ARCHIVE.key}/lib/python3.13"
EDITS = {
    "edited": lambda path: (path / LIBRARY / "ssl.py").write_text("two"),
    "gone": lambda path: (path / LIBRARY / "ssl.py").unlink(),
    "added": lambda path: (path / LIBRARY / "torch.py").write_text(""),
    "writable": lambda path: (path / LIBRARY / "ssl.py").chmod(0o666),
    "directory": lambda path: (path / LIBRARY).chmod(0o777),
    "link": lambda path: (path / LIBRARY / "more.py").symlink_to("/tmp/more.py"),
    "moved": lambda path: (path / f"{ARCHIVE.key}/bin/python3").rename(path / "python3"),
    "record": lambda path: path.with_name(path.name + ".json").write_text("{}"),
    "no record": lambda path: path.with_name(path.name + ".json").unlink(),
    "other archive": lambda path: write_json(
        f"{path}.json", {"archive": {**ARCHIVE.record(), "build": "20260101"}, "files": {}}
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_one_that_was_edited_gets_no_release(layout: Layout, edit: str) -> None:
    tree = unpacked(layout)
    EDITS[edit](Path(tree.folder))
    # Where nobody runs on it, it is unpacked again at its place; else another beside it.
    assert pythons.find(layout, ARCHIVE, ()) == (tree, False)
    assert pythons.find(layout, ARCHIVE, {SHA}) == (Tree(layout, ARCHIVE, f"{SHA}.2"), False)
    second = unpacked(layout, f"{SHA}.2")
    assert pythons.find(layout, ARCHIVE, {SHA, second.name}) == (second, True)


def test_the_quick_look_sees_what_is_gone_or_has_another_size(layout: Layout) -> None:
    tree = unpacked(layout)
    found = release(layout, "one", tree)
    assert pythons.hurt(found) == [] == pythons.hurt(release(layout, "system", None))
    library = Path(tree.path) / "lib" / "python3.13"
    (library / "added.py").write_text("")
    assert pythons.hurt(found) == []
    (library / "ssl.py").write_text("longer")
    assert pythons.hurt(found) == [f"its managed Python: {LIBRARY}/ssl.py was changed"]
    (library / "ssl.py").unlink()
    assert pythons.hurt(found) == [f"its managed Python: {LIBRARY}/ssl.py is gone"]
    (Path(tree.path) / "bin" / "python3").unlink()
    assert len(pythons.hurt(found)) == 2
    Path(tree.note).unlink()
    assert pythons.hurt(found) == [f"its managed Python ({tree.path}) is gone"]


def test_what_no_release_stands_on_goes_and_what_a_killed_run_left(layout: Layout) -> None:
    tree, second = unpacked(layout), unpacked(layout, f"{SHA}.2")
    one = release(layout, "one", tree)
    # A half-built release has no record; it stands on a tree all the same.
    half = replace(release(layout, "half", second), record=None)
    assert pythons.used(layout, [one, half, release(layout, "system", None)]) == {SHA, f"{SHA}.2"}
    assert pythons.surplus(layout, [SHA, f"{SHA}.2"]) == []
    assert pythons.surplus(layout, [SHA]) == [(f"{SHA}.2", "3.13.9")]
    top = Path(layout.root) / "pythons"
    other = "f" * 64
    (top / f"{other}.going").mkdir()
    (top / f"{other}.json.0a1b2c3d.new").write_text("")
    (top / "notes.txt").write_text("of somebody")
    assert pythons.surplus(layout, [SHA, f"{SHA}.2"]) == [(other, "")]
    pythons.forget(layout, other)
    pythons.forget(layout, SHA)
    assert sorted(path.name for path in top.iterdir()) == [f"{SHA}.2", f"{SHA}.2.json", "notes.txt"]


def test_a_link_in_place_of_the_directory_leads_nowhere(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / SHA).mkdir(parents=True)
    Path(layout.root).mkdir()
    (Path(layout.root) / "pythons").symlink_to(tmp_path / "elsewhere")
    assert pythons.surplus(layout, ()) == []


@pytest.mark.parametrize(("source", "managed"), [("managed", False), ("system", True)])
def test_plan_and_lock_agree_on_where_the_python_comes_from(source: str, managed: bool) -> None:
    from env_hosts import lock_text, plan

    header = {"python-archive": ARCHIVE.line()} if managed else {}
    with pytest.raises(Problem) as raised:
        want(plan(python_source=source), lock_text({"whisperx": "1.0"}, **header))
    assert raised.value.rule == "env.lock-mismatch"
    right = {"python_source": "managed" if managed else "system"}
    assert want(plan(**right), lock_text({"whisperx": "1.0"}, **header)).name
