"""The guard with the real dnf 4 and rpm, as Debian packages them; the packages are empty stand-ins."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from guard_lab import Box

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("podman"), reason="takes root and podman: it makes a test host"
)

_SPEC = "Name: {}\\nVersion: {}\\nRelease: 1\\nSummary: lab\\nLicense: MIT\\nBuildArch: x86_64\\n"
_SPEC += "%%description\\n%%files\\n"
_LIST = "/etc/dnf/plugins/versionlock.list"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    host = Box(tmp_path_factory.mktemp("guard"))
    try:
        host.apt("update")
        host.apt("install", "--no-install-recommends", "dnf", "dnf-plugins-core", "rpm", "createrepo-c")
        for name, version in (("glibc", "2.36"), ("glibc", "2.41"), ("other", "1")):
            host.shell(f"mkdir -p /rpms && printf '{_SPEC.format(name, version)}' > /rpms/{name}.spec")
            host.shell(f"rpmbuild -bb --quiet --define '_rpmdir /rpms' /rpms/{name}.spec")
        host.run("createrepo_c", "--quiet", "/rpms")
        host.guard()
        yield host
    finally:
        host.remove()


def dnf(box: Box, *arguments: str, code: int = 0, **environment: str) -> str:
    lab = ["--repofrompath=lab,/rpms", "--setopt=reposdir=/none", "--releasever=1", "--disableplugin=local"]
    return box.run("dnf", "--assumeyes", "--nogpgcheck", *lab, *arguments, code=code, **environment)


def test_it_lets_pass_what_does_not_matter(box: Box) -> None:
    assert "whisperx-guard" not in dnf(box, "install", "glibc-2.36", "other")


def test_it_stops_the_glibc_that_would_not_load_the_release(box: Box) -> None:
    said = dnf(box, "upgrade", "glibc", code=1)
    assert (
        "guard.libc: glibc 2.41-1 installs glibc 2.41" in said and "Error: stopped by whisperx-guard" in said
    )
    assert box.run("rpm", "-q", "glibc").startswith("glibc-2.36")


@pytest.mark.parametrize("name", ["a b", "$(touch pwned)", "x;touch pwned;", "quote'\"", "two\nlines"])
def test_a_file_with_a_hostile_name_hides_no_other_package(box: Box, name: str) -> None:
    path = f"/tmp/{name}.rpm"
    box.shell("cp /rpms/x86_64/other-1-1.x86_64.rpm /tmp/plain.rpm")
    box.run("cp", "/tmp/plain.rpm", path)
    said = dnf(box, "upgrade", "glibc", path, code=1)
    assert "guard.libc" in said and box.run("rpm", "-q", "glibc").startswith("glibc-2.36")
    assert "pwned" not in box.shell("find / -xdev -name 'pwned*'")
    box.run("rm", path)


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("dnf.conf", "plugins=no"),
        ("dnf.conf", "pluginpath=/usr/share/dnf/plugins"),
        ("plugins/whisperx_guard.conf", "enabled=0"),
    ],
)
def test_where_dnf_would_not_call_it_it_is_refused(box: Box, file: str, setting: str) -> None:
    path = f"/etc/dnf/{file}"
    box.shell(f"test ! -e {path} || cp {path} /tmp/kept; printf '[main]\\n{setting}\\n' > {path}")
    try:
        # So it is: dnf does what the guard stops.
        assert "whisperx-guard" not in dnf(box, "upgrade", "glibc") + dnf(box, "downgrade", "glibc-2.36")
        with pytest.raises(AssertionError, match="calls no plugin of ours"):
            box.guard()
    finally:
        box.shell(f"if test -e /tmp/kept; then mv /tmp/kept {path}; else rm {path}; fi")
    assert box.guard()["actions"] == []
    dnf(box, "upgrade", "glibc", code=1)


def test_a_hold_is_a_line_of_versionlock(box: Box) -> None:
    box.shell(f"echo 'other-0:1-1.*' >> {_LIST}")
    # dpkg's libc6 is on this host too.
    assert box.guard(hold=["libc"])["held"] == {"libc": ["libc6:amd64", "glibc-0:2.36-1.*"]}
    assert box.guard(hold=["libc"])["actions"] == []
    assert "Nothing to do" in dnf(box, "upgrade", "glibc")
    assert "Unlocked glibc-0:2.36-1.*" in box.guard()["actions"]
    assert box.shell(f"grep -v '^#' {_LIST}").split() == ["other-0:1-1.*"]


def test_it_fails_open(box: Box) -> None:
    box.shell("mv /usr/local/lib/whisperx-guard/hook /tmp/hook")
    dnf(box, "reinstall", "other")
    box.shell("mv /tmp/hook /usr/local/lib/whisperx-guard/hook")


def test_told_to_it_only_warns(box: Box) -> None:
    assert "guard.libc" in dnf(box, "upgrade", "glibc", WHISPERX_GUARD="off")
    assert box.run("rpm", "-q", "glibc").startswith("glibc-2.41")


def test_it_leaves_nothing(box: Box) -> None:
    box.guard(state="absent")
    assert (
        box.shell(
            "find / -xdev -path /proc -prune -o -path /checkout -prune -o -name '*whisperx*guard*' -print"
        )
        == ""
    )
