"""The collections that make brings: those of requirements.yml and what they want, whole, and nothing else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from module_utils.whisperx_problem import Problem
from tools import fetch_collections
from tools.fetch_collections import lacking, unpack


def manifest(version: str, **dependencies: str) -> str:
    wants = {name.replace("_", "."): versions for name, versions in dependencies.items()}
    return json.dumps({"collection_info": {"version": version, "dependencies": wants}})


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "ansible-12.3.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {
            "containers/podman/MANIFEST.json": manifest("1.18.0"),
            "containers/podman/plugins/connection/podman.py": "podman",
            "community/docker/MANIFEST.json": manifest("4.8.0", community_filtering=">=1.0.0"),
            "community/filtering/MANIFEST.json": manifest("1.1.0", community_docker="*"),
            "cisco/ios/MANIFEST.json": manifest("9.0.0"),
            "containers/podman/../../../../escaped": "no",
            "community/__init__.py": "",
        }.items():
            archive.writestr(f"ansible_collections/{name}", text)
        archive.writestr("ansible_community/x.py", "")
    return path


def names(target: Path) -> list[str]:
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())


def test_unpacks_what_is_named_and_what_that_wants(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site" / "ansible_collections"
    asked = {"containers.podman": ">=1.16.0", "community.docker": ">=4"}
    assert lacking(asked, target) == asked
    unpack(wheel, asked, target)
    assert names(target) == [
        "community/docker/MANIFEST.json",
        "community/filtering/MANIFEST.json",
        "containers/podman/MANIFEST.json",
        "containers/podman/plugins/connection/podman.py",
    ]
    assert lacking(asked, target) == {}
    assert not (tmp_path / "escaped").exists()


def test_one_whose_dependency_is_gone_is_lacking(wheel: Path, tmp_path: Path) -> None:
    unpack(wheel, {"community.docker": ""}, tmp_path / "c")
    (tmp_path / "c/community/filtering/MANIFEST.json").unlink()
    assert lacking({"community.docker": ""}, tmp_path / "c") == {"community.filtering": ">=1.0.0"}


def test_replaces_an_older_one_as_a_whole(wheel: Path, tmp_path: Path) -> None:
    old = tmp_path / "containers" / "podman"
    old.mkdir(parents=True)
    (old / "MANIFEST.json").write_text(manifest("1.10.0"), encoding="utf-8")
    (old / "removed.py").write_text("", encoding="utf-8")
    assert lacking({"containers.podman": ">=1.16.0"}, tmp_path)
    unpack(wheel, {"containers.podman": ">=1.16.0"}, tmp_path)
    assert names(old) == ["MANIFEST.json", "plugins/connection/podman.py"]


@pytest.mark.parametrize("versions", [">=2", "<1"])
def test_another_version_is_refused(wheel: Path, tmp_path: Path, versions: str) -> None:
    with pytest.raises(Problem) as caught:
        unpack(wheel, {"containers.podman": versions}, tmp_path / "c")
    assert "containers.podman 1.18.0" in caught.value.sentence()
    assert names(tmp_path / "c") == []


def test_one_that_the_package_lacks_is_named(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        unpack(wheel, {"no.such": ""}, tmp_path / "c")
    assert "no.such not at all" in caught.value.sentence()


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "collections.txt"
    lock.write_text("ansible==12.3.0 --hash=sha256:" + "0" * 64 + "\n", encoding="utf-8")
    empty = tmp_path / "index"
    empty.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(empty))
    with pytest.raises(Problem) as caught:
        fetch_collections.download(lock, tmp_path)
    assert "ansible-galaxy collection install -r requirements.yml" in caught.value.remedy
