"""A root that moved: what stays at the old place is named, and its commands are not taken for anybody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import outside
from module_utils.whisperx_release.model import Layout


def layout_of(folder: Path, root: str) -> Layout:
    """Return the paths of a root that exists and is ours, with commands and facts that all roots share."""
    layout = Layout(str(folder / root), str(folder / "bin"), str(folder / "facts"))
    Path(layout.releases, "one").mkdir(parents=True)
    Path(layout.marker).write_text("{}")
    return layout


def test_what_stays_at_the_old_place_is_named_until_the_fact_is_of_the_new_one(tmp_path: Path) -> None:
    old, new = layout_of(tmp_path, "old"), layout_of(tmp_path, "new")
    assert outside.elsewhere(new) == []
    outside.write_fact(old, {"id": "one"})
    (sentence,) = outside.elsewhere(new)
    assert sentence.startswith(f"left {old.root}, an environment of this toolkit (releases: 1)")
    assert f"-e whisperx_venv_root={old.root} -e whisperx_venv_state=absent" in sentence
    assert outside.elsewhere(old) == []
    outside.write_fact(new, {"id": "one"})
    assert outside.elsewhere(new) == []
    outside.write_fact(old, {"id": "one"})
    Path(old.marker).unlink()  # it was removed
    assert outside.elsewhere(new) == []


def test_a_command_of_the_old_place_is_refused_with_the_way_to_remove_it(tmp_path: Path) -> None:
    old, new = layout_of(tmp_path, "old"), layout_of(tmp_path, "new")
    outside.write_command(old, "whisperx")
    outside.check(old, ["whisperx"])
    with pytest.raises(Problem) as raised:
        outside.check(new, ["whisperx"])
    assert raised.value.rule == "env.foreign-command"
    assert f"another environment of this toolkit, {old.root}" in raised.value.found
    assert f"-e whisperx_venv_root={old.root} -e whisperx_venv_state=absent" in raised.value.remedy


@pytest.mark.parametrize("target", ["/usr/bin/true", "old/previous/launch/whisperx", "old/launch/whisperx"])
def test_another_file_of_that_name_is_nobodys(tmp_path: Path, target: str) -> None:
    layout_of(tmp_path, "old")
    new = layout_of(tmp_path, "new")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/whisperx").symlink_to(tmp_path / target)
    with pytest.raises(Problem, match="a file that this toolkit did not make"):
        outside.check(new, ["whisperx"])
