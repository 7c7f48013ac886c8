"""What apt says to its hooks, what the program answers, and the files it is made of."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from module_utils.whisperx_guard import dpkg, hold, hold_dnf, install, main, sources
from module_utils.whisperx_guard.model import Change, Config, rows
from module_utils.whisperx_problem import Problem

ROWS = [{"match": "libc6", "what": "libc", "version": r"\d+\.\d+"}]
# As apt 2.6 wrote it, shortened.
SAID = """VERSION 3
APT::Architecture=amd64
WhisperX::Guard=off
DPkg::Post-Invoke::=if [ -d /var ]; then x=1; fi

libc6 2.36-9 amd64 same < 2.41-12 amd64 same /var/cache/apt/archives/libc6_2.41-12_amd64.deb
libc6 2.36-9 amd64 same < 2.41-12 amd64 same **CONFIGURE**
python3.11-minimal 3.11.2-6 amd64 allowed > - - none **REMOVE**
new - - none < 1.0 all none /var/cache/apt/archives/with space.deb
"""
STATUS = """Package: libc6
Status: hold ok installed
Architecture: amd64
Description: the C library
 Status: not this one

Package: gone
Status: deinstall ok config-files
Architecture: amd64

Package: bash
Status: install ok installed
Architecture: amd64
"""


def files_of(places: install.Places) -> list[str]:
    """Return everything below the base."""
    return sorted(str(path) for path in Path(places.base).rglob("*"))


def test_apt_s_words_are_read() -> None:
    options, changes = dpkg.parse(SAID)
    assert options["WhisperX::Guard"] == "off"
    assert changes == [
        Change("libc6", "amd64", "2.36-9", "2.41-12"),
        Change("python3.11-minimal", "amd64", "3.11.2-6", ""),
        Change("new", "all", "", "1.0"),
    ]


@example("x\na - - none < 1 all none b\nrest")
@example("x y\n\nVERSION 3\x0b\u2028")
@given(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=60))
def test_a_file_s_name_hides_no_other_package(name: str) -> None:
    """A hostile package comes as a file of any name; those before and after it are judged all the same."""
    line = "libc6 2.36-9 amd64 same < 2.41-12 amd64 same /x.deb\n"
    evil = f"evil - - none < 1.0 all none /tmp/{name}.deb\n"
    _, changes = dpkg.parse("VERSION 3\nA=b\n\n" + evil + line + evil)
    assert Change("libc6", "amd64", "2.36-9", "2.41-12") in changes


@pytest.mark.parametrize("text", ["", "VERSION 2\n\n", "VERSION 3\n\nlibc6 2.36\n"])
def test_other_words_are_an_error_that_lets_the_run_go_on(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError):
        dpkg.parse(text)
    (tmp_path / main.CONFIG).write_text(json.dumps(Config("block", (), (), {}).record()), encoding="utf-8")
    assert main.main("apt", str(tmp_path), text, {}) == 0
    assert "could not check this run, so it continues" in capsys.readouterr().err


@given(st.text(max_size=200), st.sampled_from(["apt", "dnf"]))
def test_whatever_it_is_told_it_stops_nothing_without_a_reason(text: str, manager: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, main.CONFIG).write_text(
            json.dumps(Config("block", (), (), {}).record()), encoding="utf-8"
        )
        for said in (text, "VERSION 3\n\n" + text, "[" + text + "]"):
            assert main.main(manager, directory, said, {}) == 0


def test_without_its_configuration_it_lets_the_run_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main("apt", str(tmp_path), SAID, {}) == 0
    assert main.CONFIG in capsys.readouterr().err


def test_dpkg_s_database_is_read(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS, encoding="utf-8")
    assert dpkg.selections(str(status)) == {"libc6:amd64": "hold", "bash:amd64": "install"}
    assert dpkg.installed(str(status)) == {"libc6", "bash"}
    (tmp_path / "python:amd64.list").write_text("/.\n/bin/old\n/usr/bin/new\n", encoding="utf-8")
    change = Change("python", "amd64", "1", "")
    assert dpkg.owns(change, ["/usr/bin/new"], str(tmp_path))
    # A package from before the merge of the directories lists the old path.
    assert dpkg.owns(change, ["/usr/bin/old"], str(tmp_path))
    assert not dpkg.owns(change, ["/usr/bin/other"], str(tmp_path))
    assert not dpkg.owns(Change("none", "amd64", "1", ""), ["/usr/bin/new"], str(tmp_path))


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the status file is of amd64")
def test_only_our_own_holds_are_released(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS, encoding="utf-8")
    known = rows([*ROWS, {"match": "bash", "what": "driver", "version": "x"}])
    foreign = hold.decide(known, ["libc", "driver"], {}, str(status))
    assert (foreign.after, foreign.words) == ({"driver": ["bash:amd64"]}, {"bash:amd64": "hold"})
    assert hold.decide(known, [], {}, str(status)).words == {}
    assert hold.decide(known, [], {"libc": ["libc6:amd64"]}, str(status)).words == {"libc6:amd64": "install"}
    assert hold.decide(known, ["libc"], {}, str(tmp_path / "none")).after == {}


def test_the_versionlock_list_keeps_its_other_lines(tmp_path: Path) -> None:
    settings, listed = tmp_path / "versionlock.conf", tmp_path / "versionlock.list"
    settings.write_text(f"[main]\nenabled = 1\nlocklist = {listed}\n", encoding="utf-8")
    listed.write_text("# mine\nother-0:1-1.*\n", encoding="utf-8")
    words = {"glibc-0:2.36-1.*": "hold", "other-0:1-1.*": "install"}
    wanted = hold.Holds({"libc": ["glibc-0:2.36-1.*"]}, words, ())
    hold_dnf.apply(wanted, "hold", str(settings))
    assert listed.read_text(encoding="utf-8").splitlines() == ["# mine", "other-0:1-1.*", "glibc-0:2.36-1.*"]
    hold_dnf.apply(wanted, "install", str(settings))
    assert listed.read_text(encoding="utf-8").splitlines() == ["# mine", "glibc-0:2.36-1.*"]


class TestInstall:
    @pytest.fixture
    def places(self, tmp_path: Path) -> install.Places:
        (tmp_path / "etc/apt/apt.conf.d").mkdir(parents=True)
        return install.Places(base=str(tmp_path))

    def config(self, mode: str = "block") -> Config:
        return Config(mode, ("/nonexistent",), tuple(ROWS), {})

    def test_it_is_put_there_once_renewed_and_removed(self, places: install.Places) -> None:
        predicted = install.install(places, self.config(), [], True)
        assert os.listdir(places.base) == ["etc"]
        done = install.install(places, self.config(), [], False)
        assert done.actions == predicted.actions == ["Put the guard in place"]
        assert sorted(done.files) == sorted(predicted.files)
        assert install.install(places, self.config(), [], False).actions == []
        assert list(install.install(places, self.config("warn"), [], False).files) == [places.config]
        # A module of an older release that this one has no longer.
        stray = Path(places.path(places.directory)) / "code_of_fleet" / "stray.py"
        stray.touch()
        assert install.install(places, self.config("warn"), [], False).files == {str(stray): ("", None)}
        assert install.remove(places, False).actions == ["Removed the guard"]
        assert install.remove(places, False).actions == []
        left = [name for _, _, names in os.walk(places.base) for name in names]
        assert left == [] and not os.path.exists(places.path(places.directory))

    @pytest.mark.parametrize("moment", range(1, 40, 3))
    def test_killed_at_any_moment_it_is_completed_or_removed(
        self, places: install.Places, moment: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        left = moment
        really = os.replace

        def kill(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            nonlocal left
            left -= 1
            if not left:
                # A process that is really killed removes nothing.
                os.link(source, f"{target}.0123abcd.new", src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
                raise Killed
            really(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            patched.setattr(os, "replace", kill)
            install.install(places, self.config(), [], False)
        hooked = os.path.exists(places.path(places.apt_conf))
        assert not hooked or set(sources.program()) <= set(self.files(places))
        install.install(places, self.config(), [], False)
        assert install.install(places, self.config(), [], False).actions == []
        assert not [name for name in self.files(places) if name.endswith(".new")]
        install.remove(places, False)
        assert self.files(places) == []

    def files(self, places: install.Places) -> list[str]:
        top = places.path(places.directory)
        return [
            os.path.relpath(os.path.join(folder, name), top)
            for folder, _, names in os.walk(top)
            for name in names
        ]

    def test_it_goes_with_the_last_environment_that_it_guards(self, places: install.Places) -> None:
        roots = tuple(str(Path(places.base) / name) for name in ("one", "two"))
        for root in roots:
            release = Path(root) / "releases" / "tiny-1"
            (release / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
            (Path(root) / ".whisperx-fleet").write_text('{"schema": 1, "made_by": "whisperx-fleet"}')
            record = {"schema": 1, "id": "tiny-1", "python": "3.11", "wanted": "x", "runtime": "venv"}
            (release / "release.json").write_text(json.dumps(record))
        (Path(places.base) / "usr/local/lib").mkdir(parents=True)
        before = files_of(places)
        install.install(places, Config("block", roots, tuple(ROWS), {}), [], False)
        assert install.forget(places, "/elsewhere", False) == []
        for check in (True, False):
            assert install.forget(places, roots[0], check) == [f"Took {roots[0]} from the guard"]
        assert json.loads(Path(places.config).read_text())["roots"] == [roots[1]]
        for check in (True, False):
            assert install.forget(places, roots[1], check) == ["Removed the guard"]
        assert files_of(places) == before
        assert install.forget(places, roots[1], False) == []

    @pytest.mark.parametrize("text", ["", "{}", "[1]", '{"roots": 5, "held": [], "packages": {}}'])
    def test_a_damaged_configuration_does_not_keep_the_guard(self, places: install.Places, text: str) -> None:
        (Path(places.base) / "usr/local/lib").mkdir(parents=True)
        before = files_of(places)
        install.install(places, self.config(), [], False)
        Path(places.config).write_text(text)
        assert install.forget(places, "/opt/whisperx", False) == ["Removed the guard"]
        assert files_of(places) == before

    def test_a_foreign_directory_is_left_alone(self, places: install.Places) -> None:
        foreign = Path(places.path(places.directory))
        foreign.mkdir(parents=True)
        (foreign / "notes").touch()
        for deed in (
            lambda: install.install(places, self.config(), [], False),
            lambda: install.remove(places, False),
        ):
            with pytest.raises(Problem) as raised:
                deed()
            assert raised.value.rule == "guard.foreign-directory"
        assert os.listdir(foreign) == ["notes"]

    def test_a_host_without_such_hooks_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "usr/bin").mkdir(parents=True)
        (tmp_path / "usr/bin/dnf5").touch()
        with pytest.raises(Problem) as raised:
            install.install(install.Places(base=str(tmp_path)), self.config(), [], False)
        assert raised.value.rule == "guard.no-package-manager" and "dnf 5" in raised.value.found

    @pytest.mark.parametrize(
        ("file", "text", "found"),
        [
            ("dnf.conf", "[main]\nplugins=0\n", "plugins = 0 in /etc/dnf/dnf.conf"),
            ("dnf.conf", "[main]\nplugins = False\nbest=1\n", "plugins = False in /etc/dnf/dnf.conf"),
            (
                "dnf.conf",
                "[main]\npluginpath=/opt/plugins, /srv/plugins\n",
                "pluginpath = /opt/plugins /srv/plugins in /etc/dnf/dnf.conf, without {plugins}",
            ),
            (
                "plugins/whisperx_guard.conf",
                "[main]\nenabled=no\n",
                "enabled = no in /etc/dnf/plugins/whisperx_guard.conf",
            ),
            ("dnf.conf", "", ""),
            ("dnf.conf", "no section\n", ""),
            ("dnf.conf", "[main]\nplugins=1\ngpgcheck=1\n", ""),
            ("dnf.conf", "[main]\npluginpath=/opt/plugins\n    {plugins}/\n", ""),
        ],
    )
    def test_a_dnf_that_would_not_call_it_is_refused(
        self, tmp_path: Path, file: str, text: str, found: str
    ) -> None:
        beside = "/usr/lib/python3.9/site-packages"
        (tmp_path / beside[1:] / "dnf").mkdir(parents=True)
        path = tmp_path / "etc/dnf" / file
        path.parent.mkdir(parents=True)
        plugins = beside + "/dnf-plugins"
        path.write_text(text.format(plugins=plugins))
        places = install.Places(base=str(tmp_path))
        if not found:
            assert install.install(places, self.config(), [], False).actions
            return
        before = files_of(places)
        with pytest.raises(Problem) as raised:
            install.install(places, self.config(), [], False)
        assert raised.value.rule == "guard.no-package-manager"
        assert raised.value.found.endswith(found.format(plugins=plugins))
        assert files_of(places) == before

    def test_the_program_runs_from_its_files_alone(self, places: install.Places) -> None:
        install.install(places, self.config(), [], False)
        entry = os.path.join(places.path(places.directory), "guard.py")
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", entry, "apt"],
            input=SAID,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_hook_exits_with_nothing_but_what_the_program_says(self, places: install.Places) -> None:
        install.install(places, self.config(), [], False)
        text = Path(places.path(places.directory), "hook").read_text(encoding="utf-8")
        assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


def test_the_sources_are_found_by_what_imports_what() -> None:
    names = set(sources.program())
    assert {f"code_of_fleet/whisperx_guard/{name}.py" for name in ("main", "judge", "dpkg", "rpm")} < names
    assert (
        "code_of_fleet/whisperx_abi/audit.py" in names and "code_of_fleet/whisperx_release/state.py" in names
    )
    assert "code_of_fleet/whisperx_guard/install.py" not in names
