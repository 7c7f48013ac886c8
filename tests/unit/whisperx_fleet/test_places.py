"""Where a collection's runs write: beside one written inventory, else in the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.whisperx_fleet.places import place


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "fleet/group_vars").mkdir(parents=True)
    (tmp_path / "fleet/hosts.yml").write_text("all: {hosts: {one: {}}}\n")
    # A variable of that name configures nothing.
    (tmp_path / "fleet/group_vars/all.yml").write_text("plugin: theirs\n")
    (tmp_path / "fleet/hosts.ini").write_text("plugin: is a host here\n")
    (tmp_path / "fleet/cloud.yml").write_text("---\nplugin: amazon.aws.aws_ec2\n")
    (tmp_path / "fleet/script").write_text("#!/bin/sh\n")
    (tmp_path / "fleet/script").chmod(0o755)
    (tmp_path / "written/host_vars").mkdir(parents=True)
    (tmp_path / "written/hosts.yml").write_text("all: {hosts: {one: {}}}\n")
    (tmp_path / "written/host_vars/one.yml").write_text("plugin: theirs\n")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/hosts.yml").write_text("all: {hosts: {one: {}}}\n")
    (tmp_path / "mixed/cloud.yaml").write_text("plugin: theirs\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        (["fleet/hosts.yml"], "fleet"),
        (["fleet/hosts.ini"], "fleet"),
        (["written"], "."),
        (["fleet/hosts.yml", "written"], None),
        (["one,two"], None),
        (["fleet/script"], None),
        (["fleet/cloud.yml"], None),
        (["mixed"], None),
        (["empty"], None),
        (["missing.yml"], None),
        ([], None),
    ],
    ids=str,
)
def test_beside_an_inventory_that_somebody_wrote(base: Path, sources: list[str], wanted: str | None) -> None:
    work = base / "work"
    work.mkdir()
    absolute = [name if "," in name else str(base / name) for name in sources]
    found = str((base / wanted).resolve()) if wanted else str(work)
    assert place(absolute, str(work)) == found


def test_relative_to_the_working_directory(base: Path) -> None:
    assert place(["hosts.yml"], str(base / "fleet")) == str(base / "fleet")
