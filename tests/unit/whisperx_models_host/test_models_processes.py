"""Whose set a process uses, in a tree as /proc is, with a root directory of its own or the host's."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.whisperx_models_host.processes import used

SET = "0123456789abcdef"


def process(proc: Path, root: Path, name: str, text: str) -> None:
    """Make a process with a root directory and one text."""
    (proc / "77").mkdir(parents=True)
    (proc / "self").mkdir()
    (proc / "self/root").symlink_to("/")
    (proc / "77/root").symlink_to(root)
    (proc / "77" / name).write_text(text)


@pytest.mark.parametrize("name", ["maps", "environ", "cmdline"])
@pytest.mark.parametrize(
    ("inside", "place", "uses"),
    [
        (False, "{store}", True),
        (False, "{real}", True),
        # Another store of the host, which has the same set: a run there is no use of this one.
        (False, "/opt/other/models", False),
        # A container has the store where it was mounted.
        (True, "/models", True),
        (True, "{store}", True),
    ],
)
def test_a_set_is_used_below_its_own_store(
    tmp_path: Path, name: str, inside: bool, place: str, uses: bool
) -> None:
    real, store = tmp_path / "real", tmp_path / "store"
    real.mkdir()
    store.symlink_to(real)
    path = place.format(store=store, real=real)
    root = tmp_path if inside else Path("/")
    process(tmp_path / "proc", root, name, f"HF_HUB_CACHE={path}/sets/{SET}/hub\0")
    found = used(str(store / "sets"), [SET, "f" * 16], str(tmp_path / "proc"))
    assert found == ({SET: 77} if uses else {})


def test_an_open_file_is_a_use(tmp_path: Path) -> None:
    process(tmp_path / "proc", Path("/"), "maps", "")
    (tmp_path / "proc/77/fd").mkdir()
    (tmp_path / "proc/77/fd/3").symlink_to(f"{tmp_path}/sets/{SET}/model.bin")
    assert used(f"{tmp_path}/sets", [SET], str(tmp_path / "proc")) == {SET: 77}
