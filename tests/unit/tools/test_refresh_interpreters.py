"""From uv's list of downloads to the catalogue's rows: newest final patch, base build, a digest, no more."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tools import refresh_interpreters


def entry(version: str, machine: str = "x86_64", build: str = "20261110", **more: Any) -> dict[str, Any]:
    major, minor, patch = (int(part) for part in version.split("."))
    file = f"cpython-{version}%2B{build}-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz"
    return {
        "name": "cpython",
        "arch": {"family": machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "url": f"https://builds.example/download/{build}/{file}",
        "sha256": "a" * 64,
        "variant": None,
        "build": build,
        **more,
    }


def test_only_what_a_plan_may_take_becomes_a_row(tmp_path):
    listed = [
        entry("3.13.9"),
        entry("3.13.11"),
        entry("3.13.11", build="20261101"),
        entry("3.12.4", machine="aarch64"),
        entry("3.12.14"),
        entry("3.13.12", variant="freethreaded"),
        entry("3.13.13", arch={"family": "x86_64", "variant": "v3"}),
        entry("3.13.14", prerelease="rc1"),
        entry("3.13.15", sha256=None),
        entry("3.13.16", libc="musl"),
        entry("3.13.17", os="darwin"),
        entry("3.13.18", name="pypy"),
        entry("3.13.19", machine="riscv64"),
        entry("3.9.9"),
    ]
    source, target = tmp_path / "list.json", tmp_path / "rows.yml"
    source.write_text(json.dumps({str(number): one for number, one in enumerate(listed)}))
    assert refresh_interpreters.main([str(source), "--output", str(target)]) == 0
    rows = yaml.safe_load(target.read_text())["interpreters"]
    assert [(row["version"], row["machine"], row["build"]) for row in rows] == [
        ("3.13.11", "x86_64", "20261110"),
        ("3.12.14", "x86_64", "20261110"),
        ("3.12.4", "aarch64", "20261110"),
    ]
    assert rows[0]["file"].startswith("cpython-3.13.11+20261110-x86_64-")
    assert {row["confidence"] for row in rows} == {"documented"}
    assert [row.get("security", False) for row in rows] == [False, True, False]


def test_ours_is_what_the_tool_writes():
    """The hand has not been in the file: head and tail are the tool's."""
    text = (refresh_interpreters.CATALOGUE / "interpreters.yml").read_text()
    assert text.startswith(refresh_interpreters.HEAD) and text.endswith(refresh_interpreters.TAIL)
