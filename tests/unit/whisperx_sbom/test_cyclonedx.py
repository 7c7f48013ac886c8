"""Bills of materials against the schema of CycloneDX, as its own library has it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from module_utils.whisperx_common import lockfile
from module_utils.whisperx_common.standalone import Archive
from module_utils.whisperx_sbom.cyclonedx import render

RELEASE = "whisperx-3.8.6-cu128-0123456789ab"
PACKAGES = [
    (
        "whisperx",
        "3.8.6",
        "License-Expression: BSD-2-Clause",
        ["torch>=2", "ctranslate2<5", "rich; extra == 'x'"],
    ),
    ("torch", "2.8.0+cu128", "License: BSD-3-Clause", []),
    ("ctranslate2", "4.6.0", "Classifier: License :: OSI Approved :: MIT License", ["numpy"]),
    ("numpy", "2.1.0", "License: " + "Copyright (c) 2005\n        All rights reserved.", []),
    ("rich", "14.0.0", "Summary: text\n        of two lines", []),
]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of five packages, METADATA and lock only."""
    locked = []
    for number, (name, version, line, needs) in enumerate(PACKAGES):
        info = tmp_path / "site-packages" / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}", line]
        (info / "METADATA").write_text(
            "\n".join(lines + [f"Requires-Dist: {need}" for need in needs]) + "\n\nText.\n"
        )
        wheel = f"{name}-{version}-py3-none-any.whl"
        locked.append(lockfile.LockedPackage(name, version, f"{number:064x}", wheel, 100, "index"))
    header = {"whisperx-fleet-lock": "1", "class": "lab", "request": '{"whisperx":""}', "platform": "linux"}
    header |= {"python": "3.13", "device": "cuda", "torch-build": "cu128", "uv": "0"}
    (tmp_path / "requirements.txt").write_text(lockfile.render(lockfile.Lock(header, tuple(locked))))
    return tmp_path


def test_it_is_what_the_schema_asks_for(release: Path) -> None:
    text = render(str(release), str(release / "site-packages"), RELEASE)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_says_what_is_installed(release: Path) -> None:
    text = render(str(release), str(release / "site-packages"), RELEASE)
    document = json.loads(text)
    parts = {part["name"]: part for part in document["components"]}
    assert sorted(parts) == sorted(name for name, *_ in PACKAGES)
    assert parts["torch"]["purl"] == "pkg:pypi/torch@2.8.0%2Bcu128"
    assert parts["torch"]["hashes"] == [{"alg": "SHA-256", "content": f"{1:064x}"}]
    assert parts["whisperx"]["licenses"] == [{"expression": "BSD-2-Clause"}]
    assert parts["ctranslate2"]["licenses"] == [{"license": {"name": "MIT License"}}]
    assert "licenses" not in parts["numpy"]
    needs = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert needs[parts["whisperx"]["purl"]] == [parts["ctranslate2"]["purl"], parts["torch"]["purl"]]
    assert needs[f"whisperx-fleet/{RELEASE}"] == [parts["whisperx"]["purl"]]
    assert text == render(str(release), str(release / "site-packages"), RELEASE)


def test_a_managed_python_is_a_component_with_its_digest(release: Path) -> None:
    archive = Archive("3.13.9", "20261110", "x86_64", "glibc 2.17", "cpython-3.13.9.tar.gz", "a" * 64)
    path = release / "requirements.txt"
    lock = lockfile.parse(path.read_text())
    path.write_text(lockfile.render(replace(lock, header={**lock.header, "python-archive": archive.line()})))
    text = render(str(release), str(release / "site-packages"), RELEASE)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    part = document["components"][0]
    assert (part["name"], part["version"]) == ("cpython", "3.13.9")
    assert part["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    needs = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert part["bom-ref"] in needs[f"whisperx-fleet/{RELEASE}"]
