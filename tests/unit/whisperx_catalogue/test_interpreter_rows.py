"""The standalone builds of CPython in the catalogue: real rows, and rows that pin nothing."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from module_utils.whisperx_catalogue.fields import Fields
from module_utils.whisperx_catalogue.interpreter_rows import read_mirror, read_standalone
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import CATALOGUE, catalogue

ROW = {
    "version": "3.13.9",
    "build": "20261110",
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.17"},
    "file": "cpython-3.13.9+20261110-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
    "sha256": "5a" * 32,
}


def fields(row: dict[str, Any]) -> Fields:
    return Fields(row, "catalogue.malformed", "interpreters.yml", "Correct it")


def test_every_minor_version_is_there_for_both_machines():
    rows = catalogue().rows.standalone
    for machine in ("x86_64", "aarch64"):
        minors = [row.version[:2] for row in rows if row.machine == machine]
        assert {(3, 10), (3, 11), (3, 12), (3, 13)} <= set(minors)
        assert len(minors) == len(set(minors)), "one patch per minor version: the newest"


def test_a_row_agrees_with_its_file_name():
    for row in catalogue().rows.standalone:
        version = ".".join(str(part) for part in row.version)
        assert row.file.startswith(f"cpython-{version}+{row.build}-{row.machine}-unknown-linux-gnu-")
        assert row.base.startswith("https://")
    digests = [row.sha256 for row in catalogue().rows.standalone]
    assert len(digests) == len(set(digests))


def test_nothing_here_was_measured():
    whole = yaml.safe_load((CATALOGUE / "interpreters.yml").read_text())
    assert {row["confidence"] for row in whole["interpreters"]} == {"documented"}


def test_a_row_is_read():
    found = read_standalone(fields(ROW), "where", "https://builds.example/of")
    assert (found.version, found.libc, found.size) == ((3, 13, 9), ("glibc", (2, 17)), None)
    assert read_standalone(fields({**ROW, "size": 7}), "where", "").size == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, None) for key in ROW),
        ("version", "3.13"),
        ("version", "3.13.9.1"),
        ("version", "latest"),
        ("build", "2026"),
        ("build", "../../x"),
        ("file", "../cpython-3.13.9.tar.gz"),
        ("file", "cpython-3.13.9/x.tar.gz"),
        ("file", "cpython-3.13.9.zip"),
        ("file", "cpython-3.13.9\n.tar.gz"),
        ("sha256", "5A" * 32),
        ("sha256", "5a" * 31),
        ("libc", "glibc"),
        ("libc", {"family": "glibc"}),
        ("libc", {"family": "uclibc", "version": "1"}),
        ("size", -1),
    ],
)
def test_a_row_that_pins_nothing_is_refused_by_its_field(key, value):
    with pytest.raises(Problem) as caught:
        read_standalone(fields({**ROW, key: value}), "where", "")
    assert caught.value.rule == "catalogue.malformed" and key in caught.value.where


@pytest.mark.parametrize("base", ["", None, "http://builds.example", "file:///srv", "builds.example"])
def test_an_address_without_tls_is_none(base):
    with pytest.raises(Problem):
        read_mirror(fields({"base": base}), "where")
