"""A package run as the guard meets it: when it stops, what it says, and on which packages it looks."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_guard_judge import make

from module_utils.whisperx_guard import dpkg, hold, hold_dnf, main, rpm
from module_utils.whisperx_guard.managed import managed
from module_utils.whisperx_guard.model import Change, Config, row_of, rows

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the objects are of x86_64")
LIBC = "libc6 2.36-9 {0} same < {1} {0} same /var/cache/apt/archives/libc6.deb\n"
PACKAGES = ({"match": "libc6|glibc", "what": "libc", "version": r"\d+\.\d+"},)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with glibc 2.36 and no more; what goes to the system log goes nowhere."""
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.36" if name == "CS_GNU_LIBC_VERSION" else "")
    monkeypatch.setattr(main.syslog, "syslog", lambda *_: None)
    (tmp_path / "guard").mkdir()
    return tmp_path


RPM = """#!/bin/sh
case "$1" in
  -qf) printf '%s\\n' python3-libs 'file /x is not owned by any package' ;;
  *) printf '%s\\n' 'glibc/0:2.36-1/x86_64' 'glibc/0:2.30-1/i686' 'tzdata/1:2024-2/noarch' 'strange' ;;
esac
"""


@pytest.fixture
def with_rpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rpm").write_text(RPM)
    (tmp_path / "bin/rpm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def run(
    host: Path, text: str, mode: str = "block", manager: str = "apt", switch: str = "", option: str = ""
) -> int:
    config = Config(mode, (str(host / "root"),), PACKAGES, {})
    (host / "guard" / main.CONFIG).write_text(json.dumps(config.record()), encoding="utf-8")
    if manager == "apt":
        text = f"VERSION 3\n{f'WhisperX::Guard={option}' if option else 'A=b'}\n\n{text}"
    return main.main(manager, str(host / "guard"), text, {"WHISPERX_GUARD": switch} if switch else {})


@pytest.mark.parametrize("in_use", [True, False], ids=["in use", "kept"])
@pytest.mark.parametrize("mode", ["block", "warn"])
@pytest.mark.parametrize(
    ("switch", "option"),
    [
        ("", ""),
        ("on", ""),
        ("off", ""),
        ("OFF", ""),
        ("0", ""),
        ("no", ""),
        ("", "off"),
        ("", "true"),
        ("", "False"),
    ],
)
def test_it_stops_only_what_harms_a_release_in_use_and_is_not_told_to_let_pass(
    host: Path, capsys: pytest.CaptureFixture[str], in_use: bool, mode: str, switch: str, option: str
) -> None:
    make(host / "root", "a", in_use=in_use)
    off = switch.lower() in ("off", "0", "no") or option.lower() in ("off", "false")
    stops = in_use and mode == "block" and not off
    assert run(host, LIBC.format("amd64", "2.41-12"), mode, switch=switch, option=option) == (
        10 if stops else 0
    )
    said = capsys.readouterr().err
    assert ("stopped before anything was changed" in said) is stops
    assert ("this run continues (the guard is off), but:" in said) is (off and not stops)
    assert ("this run continues (the guard only warns), but:" in said) is (not off and not stops)
    assert ("WHISPERX_GUARD=off before the command, or the option -o WhisperX::Guard=off" in said) is stops
    assert "guard.libc" in said and ("kept for a rollback" in said) is (not in_use)
    assert signal.alarm(0) == 0


@pytest.mark.parametrize(
    ("manager", "arch", "stops"),
    [
        ("apt", "amd64", True),
        ("apt", "all", True),
        ("apt", "i386", False),
        ("dnf", "x86_64", True),
        ("dnf", "noarch", True),
        ("dnf", "i686", False),
        ("dnf", "amd64", False),
    ],
)
def test_a_package_for_another_architecture_is_none_of_ours(
    host: Path,
    with_rpm: Path,
    capsys: pytest.CaptureFixture[str],
    manager: str,
    arch: str,
    stops: bool,
) -> None:
    make(host / "root", "a")
    record = {"package": "glibc", "arch": arch, "before": "2.36-1", "after": "2.41-1"}
    text = LIBC.format(arch, "2.41-12") if manager == "apt" else json.dumps([record])
    assert run(host, text, manager=manager) == (main.STOP if stops else 0)
    said = capsys.readouterr().err
    assert ("WhisperX::Guard" in said) is (stops and manager == "apt")


@pytest.mark.parametrize("libc", [None, "", "musl 1.2.5"])
def test_without_glibc_no_glibc_can_break_anything(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], libc: str | None
) -> None:
    make(host / "root", "a")
    monkeypatch.setattr(os, "confstr", lambda name: libc)
    assert run(host, LIBC.format("amd64", "2.41-12")) == 0
    assert capsys.readouterr().err == ""


def test_several_objects_are_counted_and_the_first_is_named(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = make(host / "root", "a") / "lib/python3.11/site-packages/tiny"
    for name in ("also.so", "third.so"):
        (packages / name).write_bytes((packages / "stack.so").read_bytes())
    assert run(host, LIBC.format("amd64", "2.41-12")) == main.STOP
    said = capsys.readouterr().err
    assert "tiny/also.so" in said and "; and 2 more" in said


def test_a_check_that_hangs_lets_the_run_go_on(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(host / "root", "a")
    monkeypatch.setattr(main, "_PATIENCE", 1)
    monkeypatch.setattr(main, "managed", lambda roots: signal.pause())
    assert run(host, LIBC.format("amd64", "2.41-12")) == 0
    assert "TimeoutError: no result within 1 s" in capsys.readouterr().err


def test_what_a_release_stands_on_outside_is_followed_link_by_link(tmp_path: Path) -> None:
    release = make(tmp_path / "root", "a")
    real = tmp_path / "usr/bin/python3.11"
    real.parent.mkdir(parents=True)
    real.touch()
    (tmp_path / "usr/bin/python3").symlink_to("python3.11")
    (release / "bin/python").unlink()
    (release / "bin/python").symlink_to("python3")
    (release / "bin/python3").symlink_to(tmp_path / "usr/bin/python3")
    library = tmp_path / "usr/lib/python3.11"
    (found,) = managed([str(tmp_path / "root")])
    assert found.interpreter == (
        str(tmp_path / "usr/bin/python3"),
        str(real),
        str(library / "os.py"),
        str(library / "json/__init__.py"),
    )


def test_links_that_lead_round_end(tmp_path: Path) -> None:
    release = make(tmp_path, "a")
    (release / "bin/python").unlink()
    (release / "bin/python").symlink_to("round")
    (release / "bin/round").symlink_to("python")
    assert len(managed([str(tmp_path)])) == 1


def test_releases_in_use_come_first_and_each_has_what_its_record_says(tmp_path: Path) -> None:
    make(tmp_path / "one", "kept", in_use=False, device="cuda", host={"driver": "570.1"})
    make(tmp_path / "two", "used", needs={"driver": {"minimum": "550"}})
    found = managed([str(tmp_path / "one"), str(tmp_path / "nothing"), str(tmp_path / "two")])
    assert [(item.name, item.in_use, item.device, item.driver) for item in found] == [
        ("used", True, "cpu", ""),
        ("kept", False, "cuda", "570.1"),
    ]
    assert found[0].needs == {"execstack_refused_from": "2.41", "driver": {"minimum": "550"}}


def test_rpm_s_answers_are_read(with_rpm: Path) -> None:
    assert rpm.owns(Change("python3-libs", "x86_64", "1", ""), ["/x"])
    assert not rpm.owns(Change("file", "x86_64", "1", ""), ["/x"])
    assert rpm.versions("x86_64") == {"glibc": "0:2.36-1", "tzdata": "1:2024-2"}
    assert "strange" in rpm.installed()


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("ours", [True, False])
def test_dnf_locks_what_nobody_locked_and_frees_only_our_own(
    with_rpm: Path, locked: bool, ours: bool
) -> None:
    line, listed = "glibc-0:2.36-1.*", with_rpm / "versionlock.list"
    settings = with_rpm / "versionlock.conf"
    settings.write_text("[main]\n")
    listed.write_text(f"{line}\n" if locked else "")
    known, mine = rows(PACKAGES), {"libc": [line]} if ours else {}
    held = hold_dnf.decide(known, ["libc"], mine, str(settings))
    assert held.words == ({} if locked else {line: "hold"})
    assert held.after == ({} if locked and not ours else {"libc": [line]})
    assert held.actions == (() if locked else (f"Locked {line}",))
    freed = hold_dnf.decide(known, [], mine, str(settings))
    assert freed.words == ({line: "install"} if locked and ours else {})
    assert freed.after == {}
    hold_dnf.apply(held, "hold", str(settings))
    assert listed.read_text() == f"{line}\n"


def test_dnf_without_its_plugin_cannot_lock(with_rpm: Path) -> None:
    nowhere = str(with_rpm / "none.conf")
    with pytest.raises(hold_dnf.Problem) as raised:
        hold_dnf.decide(rows(PACKAGES), ["libc"], {}, nowhere)
    assert raised.value.rule == "guard.hold" and "dnf install" in raised.value.remedy
    assert hold_dnf.decide(rows(PACKAGES), [], {}, nowhere).words == {}


STATUS = "Package: libc6\nStatus: {} ok installed\nArchitecture: {}\n"


@pytest.mark.parametrize("kinds", [["libc"], []], ids=["to hold", "to free"])
@pytest.mark.parametrize("word", ["hold", "install"])
@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("arch", ["amd64", "all", "i386"])
def test_dpkg_holds_what_nobody_held_and_frees_only_our_own(
    tmp_path: Path, kinds: Sequence[str], word: str, ours: bool, arch: str
) -> None:
    status, name = tmp_path / "status", f"libc6:{arch}"
    status.write_text(STATUS.format(word, arch))
    held = hold.decide(rows(PACKAGES), kinds, {"libc": [name]} if ours else {}, str(status))
    wanted = bool(kinds) and arch != "i386"
    after = {"libc": [name]} if wanted and (word == "install" or ours) else {}
    words = {name: "hold"} if wanted and word == "install" else {}
    if ours and not wanted and word == "hold":
        words = {name: "install"}
    assert (held.after, held.words) == (after, words)
    told = {"hold": f"Put {name} on hold", "install": f"Released {name}"}
    assert held.actions == tuple(told[value] for value in words.values())


def test_what_dpkg_answers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dpkg").write_text('#!/bin/sh\ncat >"$0.said"; echo no such package; exit 1\n')
    (tmp_path / "dpkg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    held = hold.Holds({}, {"b:all": "hold", "a:all": "hold", "c:all": "install"}, ())
    with pytest.raises(hold.Problem) as raised:
        hold.apply(held, "hold")
    assert (raised.value.rule, raised.value.where) == ("guard.hold", "a:all, b:all")
    assert "no such package" in raised.value.found
    assert (tmp_path / "dpkg.said").read_text() == "a:all hold\nb:all hold\n"
    (tmp_path / "dpkg.said").unlink()
    hold.apply(hold.Holds({}, {"c:all": "install"}, ()), "hold")
    assert not (tmp_path / "dpkg.said").exists()


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("a 1 amd64 same < 2 amd64 same /x.deb", Change("a", "amd64", "1", "2")),
        ("a 1 i386 same < 2 amd64 same /x.deb", Change("a", "amd64", "1", "2")),
        ("a 1 i386 same > 2 amd64 same **REMOVE**", Change("a", "i386", "1", "")),
        ("a 1 i386 same > - - none **REMOVE**", Change("a", "i386", "1", "")),
        ("a - - none < 2 all none /x.deb", Change("a", "all", "", "2")),
        ("a 1 amd64 same < 2 amd64 same **CONFIGURE**", None),
    ],
)
def test_every_kind_of_line_of_apt_is_read(line: str, change: Change | None) -> None:
    _, changes = dpkg.parse(f"VERSION 3\nkey=value=more\nword\n\n{line}\n")
    assert changes == ([change] if change else [])
    assert dpkg.parse("VERSION 3\nkey=value=more\nword\n\n")[0] == {"key": "value=more"}


@pytest.mark.parametrize("match", ["a|b", "(?i)A|B", "[ab]"])
def test_a_row_fits_whole_names(match: str) -> None:
    (row,) = known = rows([{"match": match, "what": "driver", "version": r"\d+", "loss": True}])
    assert row.loss and row_of("a", known) == row and row_of("b", known) == row
    assert row_of("ab", known) is None and row_of("bc", known) is None
    assert (row.upstream("1:570-1"), row.upstream("570"), row.upstream("x")) == ("570", "570", "")


@pytest.mark.parametrize(
    ("value", "config"),
    [
        ({}, Config("block", (), (), {})),
        ({"mode": "warn"}, Config("warn", (), (), {})),
        ({"mode": "other", "roots": ["/a", 1], "packages": [{}, "x"]}, Config("block", ("/a",), ({},), {})),
        ({"roots": "/a", "packages": {}, "held": []}, Config("block", (), (), {})),
        ({"held": {"libc": ["a", 2], "driver": "b"}}, Config("block", (), (), {"libc": ["a"]})),
    ],
)
def test_a_damaged_configuration_is_read_as_far_as_it_goes(value: dict[str, object], config: Config) -> None:
    assert Config.read(value) == config
