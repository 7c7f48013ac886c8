"""From what a person names, or nothing, to environments."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from module_utils.whisperx_common.tree import Tree
from module_utils.whisperx_doctor.locate import locate
from module_utils.whisperx_doctor.places import find
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_doctor.small_venv import make_release, make_venv, site_of

NAMES = ("ctranslate2", "torch")


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    return make_venv(tmp_path / "venv", {"torch": ""})


def test_a_venv_its_python_and_its_packages_are_the_same(venv: Path) -> None:
    for path in (venv, venv / "bin/python", site_of(venv)):
        found = locate(str(path), Tree())
        assert found.kind == "venv"
        assert found.python == (str(venv / "bin/python"),)
        assert found.sites == (str(site_of(venv)),)


def test_a_root_of_ours_is_its_release_in_use(tmp_path: Path) -> None:
    release = make_release(tmp_path, {"torch": ""})
    for path, kind in ((tmp_path, "managed"), (release, "release")):
        found = locate(str(path), Tree())
        assert (found.kind, found.device) == (kind, "cpu")
        assert found.python == (str(release / "launch/python"),)
        assert dict(found.variables) == {"LAB": "1"}
        assert found.imports and found.imports[0]["module"] == "torch"


def test_a_release_in_a_container_has_its_packages_in_the_image(tmp_path: Path) -> None:
    release = make_release(tmp_path, {})
    assert locate(str(tmp_path), Tree()).contained is None
    base = {"name": "a.tar", "facts": {"libc": {"family": "glibc", "version": "2.36"}}}
    record = {"runtime": "container", "engine": "docker", "versions": {"torch": "2.8.0"}, "base": base}
    (release / "release.json").write_text(json.dumps(record))
    contained = {"engine": "docker", "versions": {"torch": "2.8.0"}, "facts": base["facts"]}
    assert locate(str(tmp_path), Tree()).contained == contained


def test_a_damaged_record_is_said_and_the_files_are_looked_at(tmp_path: Path) -> None:
    release = make_release(tmp_path, {"torch": ""})
    (release / "release.json").write_text("{")
    found = locate(str(tmp_path), Tree())
    assert "release.json cannot be read" in found.trouble
    assert found.sites == (str(site_of(release)),)


def test_a_root_of_ours_without_a_release(tmp_path: Path) -> None:
    (tmp_path / ".whisperx-fleet").write_text("{}")
    with pytest.raises(Problem) as caught:
        locate(str(tmp_path), Tree())
    assert caught.value.rule == "doctor.no-release"


def test_packages_without_an_environment_get_the_python_they_were_built_for(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / "torch").mkdir(parents=True)
    (target / "torch-1.0.dist-info").mkdir()
    (target / "torch/_C.cpython-399-x86_64-linux-gnu.so").touch()
    found = locate(str(target), Tree())
    assert (found.kind, found.python, found.pythonpath) == ("packages", (), str(target))
    assert locate(str(target), Tree(), "/bin/true").python == ("/bin/true",)


@pytest.mark.parametrize(("make", "words"), [(True, "no Python environment"), (False, "no such path")])
def test_what_is_none_is_told(tmp_path: Path, make: bool, words: str) -> None:
    path = tmp_path / "thing"
    if make:
        path.mkdir()
    with pytest.raises(Problem) as caught:
        locate(str(path), Tree())
    assert caught.value.rule == "doctor.path" and words in caught.value.found


class TestFind:
    """A whole machine as a directory; what is there is found below it, and nothing of this machine."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Tree:
        make_venv(tmp_path / "srv/app/.venv", {"ctranslate2": ""})
        make_venv(tmp_path / "home/ann/.local/share/pipx/venvs/whisperx", {"torch": ""})
        make_venv(tmp_path / "home/ann/other", {"requests": ""})
        make_release(tmp_path / "opt/speech", {"ctranslate2": ""})
        conda = make_venv(tmp_path / "opt/conda/envs/asr", {"torch": ""})
        (conda / "pyvenv.cfg").unlink()
        for place in (conda, tmp_path / "opt/conda"):
            (place / "conda-meta").mkdir()
        mine = tmp_path / "home/bob/.local/lib/python3.12/site-packages"
        (mine / "ctranslate2-4.4.0.dist-info").mkdir(parents=True)
        system = tmp_path / "usr/lib/python3/dist-packages"
        (system / "torch-2.6.0.dist-info").mkdir(parents=True)
        (tmp_path / "usr/bin").mkdir()
        (tmp_path / "usr/bin/python3.13").write_text("")
        return Tree(str(tmp_path))

    def test_finds_what_carries_one_of_our_packages(self, tree: Tree) -> None:
        found, whole = find(tree, ["/usr/bin/python3.13"], NAMES)
        assert whole
        assert {item.path: item.kind for item in found} == {
            "/srv/app/.venv": "venv",
            "/home/ann/.local/share/pipx/venvs/whisperx": "venv",
            "/opt/speech": "managed",
            "/opt/conda/envs/asr": "conda",
            "/home/bob/.local/lib/python3.12/site-packages": "packages",
            "/usr/bin/python3.13": "interpreter",
        }
        assert all(item.python == () for item in found)

    def test_a_link_that_leads_out_of_the_tree_does_not(self, tmp_path: Path, venv: Path) -> None:
        (tmp_path / "root/opt").mkdir(parents=True)
        (tmp_path / "root/opt/away").symlink_to(venv)
        with pytest.raises(Problem):
            locate("/opt/away", Tree(str(tmp_path / "root")))

    def test_links_in_a_circle_end(self, tmp_path: Path) -> None:
        (tmp_path / "opt").mkdir()
        os.symlink("..", tmp_path / "opt/up")
        assert find(Tree(str(tmp_path)), [], NAMES) == ([], True)
