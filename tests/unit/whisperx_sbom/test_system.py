"""The packages of a root's distribution, from the databases that package managers keep."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from module_utils.whisperx_sbom import system

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u13
Description: GNU C Library
 Version: of another line

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: g++
Status: hold ok installed
Architecture: amd64
Version: 4:12.2.0-3
"""
APK = "C:Q1abc=\nP:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\n\nP:busybox\nV:1.37.0-r12\nA:x86_64\n"
DESC = "%NAME%\nglibc\n\n%VERSION%\n2.42-1\n\n%ARCH%\nx86_64\n\n%LICENSE%\nGPL-2.0-or-later\n"
FILES = {
    "deb": ("var/lib/dpkg/status", STATUS, {"libc6": "2.36-9+deb12u13", "g++": "4:12.2.0-3"}),
    "apk": ("lib/apk/db/installed", APK, {"musl": "1.2.5-r9", "busybox": "1.37.0-r12"}),
    "alpm": ("var/lib/pacman/local/glibc-2.42-1/desc", DESC, {"glibc": "2.42-1"}),
}


def root_with(folder: Path, kind: str) -> dict[str, str]:
    name, text, expected = FILES[kind]
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(text)
    (folder / "etc").mkdir()
    (folder / "etc/os-release").write_text('NAME="X"\nID=debian\nVERSION_ID="12"\n')
    return expected


@pytest.mark.parametrize("kind", FILES)
def test_installed_packages_are_listed_in_a_valid_document(tmp_path: Path, kind: str) -> None:
    expected = root_with(tmp_path, kind)
    text = system.render(str(tmp_path))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = json.loads(text)["components"]
    assert {one["name"]: one["version"] for one in components} == expected
    assert all(
        one["purl"].startswith(f"pkg:{kind}/debian/") and "distro=debian-12" in one["purl"]
        for one in components
    )
    assert system.render(str(tmp_path)) == text


def test_names_and_versions_are_escaped_as_a_package_url_wants_it(tmp_path: Path) -> None:
    root_with(tmp_path, "deb")
    purls = [one["purl"] for one in json.loads(system.render(str(tmp_path)))["components"]]
    assert "pkg:deb/debian/g%2B%2B@4:12.2.0-3?arch=amd64&distro=debian-12" in purls
    assert any(purl.startswith("pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?") for purl in purls)


def test_rpm_is_asked_and_its_keys_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usr/lib/sysimage/rpm").mkdir(parents=True)
    (tmp_path / "usr/lib/sysimage/rpm/rpmdb.sqlite").write_text("")
    program = tmp_path / "bin/rpm"
    program.parent.mkdir()
    lines = ["bash\\t5.2.37-1.fc42\\tx86_64\\tGPL-3.0-or-later", "tar\\t2:1.35-5.fc42\\tx86_64\\tGPL"]
    lines += ["gpg-pubkey\\tabc-1\\t(none)\\tpubkey"]
    program.write_text("#!/bin/sh\nprintf '" + "\\n".join(lines) + "\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    text = system.render(str(tmp_path))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = json.loads(text)["components"]
    assert [one["name"] for one in components] == ["bash", "tar"]
    assert components[1]["purl"] == "pkg:rpm/linux/tar@1.35-5.fc42?arch=x86_64&distro=linux&epoch=2"


def test_a_root_without_a_database_has_none(tmp_path: Path) -> None:
    assert json.loads(system.render(str(tmp_path)))["components"] == []


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="takes a machine of Debian's kind")
def test_this_machine_has_what_dpkg_says() -> None:
    import subprocess

    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    installed = {
        tuple(line.split()[1:]) for line in said.stdout.splitlines() if line.startswith("installed ")
    }
    assert {(one.name, one.version) for one in system.packages("/") if one.kind == "deb"} == installed
