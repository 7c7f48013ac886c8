"""Commands in sessions of all kinds: with any home they work, or say in one sentence what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from module_utils.whisperx_env import launch, session
from tests.unit.whisperx_env.env_hosts import lock_text, plan, want, wanted

NOBODY = 23456  # has no entry in /etc/passwd
CACHES = ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME", "NLTK_DATA", "MPLCONFIGDIR", "PYANNOTE_CACHE")
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")


class Ended(NamedTuple):
    code: int
    variables: dict[str, str]
    said: list[str]


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a directory that everybody can enter, with a release whose command prints its environment."""
    made = Path(tempfile.mkdtemp(prefix="whisperx-session-", dir="/tmp"))
    made.chmod(0o755)
    release = made / "release"
    (release / "bin").mkdir(parents=True)
    (release / "bin" / "whisperx").symlink_to(shutil.which("env") or "/usr/bin/env")
    (release / "bin" / "python").symlink_to("/usr/bin/python3")
    launch.write(wanted(), str(release), str(release / "site"))
    yield made
    shutil.rmtree(made)
    shutil.rmtree(f"/var/tmp/whisperx-{NOBODY}", ignore_errors=True)


def call(place: Path, variables: dict[str, str], shell: list[str] | None = None, user: int = NOBODY) -> Ended:
    """Run the command as ``user`` with these variables alone."""
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    command = [*become, *(shell or ["sh"]), str(place / "release/launch/whisperx")]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], **variables}, cwd="/", capture_output=True, text=True
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return Ended(done.returncode, found, done.stderr.splitlines())


def owned(path: Path, user: int = NOBODY) -> Path:
    path.mkdir(parents=True)
    os.chown(path, user, user)
    return path


@needs_root
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
class TestHomes:
    def test_a_home_of_the_user_is_used_without_a_word(self, place: Path, shell: list[str]) -> None:
        ended = call(place, {"HOME": str(owned(place / "home"))}, shell)
        assert (ended.code, ended.said) == (0, [])
        assert not set(CACHES) & set(ended.variables)

    @pytest.mark.parametrize("home", ["/", "/nonexistent", "/root", "/proc", "/dev/null", "", None])
    def test_without_one_caches_are_the_users_own(
        self, place: Path, shell: list[str], home: str | None
    ) -> None:
        ended = call(place, {} if home is None else {"HOME": home}, shell)
        own = f"/var/tmp/whisperx-{NOBODY}"
        assert ended.code == 0 and len(ended.said) == 1
        assert f"caches are in {own}, because" in ended.said[0] and "set HOME, or HF_HOME" in ended.said[0]
        assert ended.variables["XDG_CACHE_HOME"] == own
        assert os.stat(own).st_uid == NOBODY and os.stat(own).st_mode & 0o777 == 0o700
        assert os.path.isdir(ended.variables["HOME"])
        assert ended.variables["USER"] == f"uid{NOBODY}"

    def test_a_directory_that_another_made_is_not_used(self, place: Path, shell: list[str]) -> None:
        trap = Path(f"/var/tmp/whisperx-{NOBODY}")
        trap.symlink_to(owned(place / "elsewhere"))
        try:
            ended = call(place, {"HOME": "/", "TMPDIR": str(owned(place / "tmp"))}, shell)
            assert ended.variables["XDG_CACHE_HOME"] == f"{place}/tmp/whisperx-{NOBODY}"
        finally:
            trap.unlink()

    def test_with_both_caches_named_nothing_is_said(self, place: Path, shell: list[str]) -> None:
        given = {"HOME": "/", "HF_HOME": str(owned(place / "hf")), "TORCH_HOME": str(owned(place / "torch"))}
        ended = call(place, given, shell)
        assert (ended.code, ended.said) == (0, [])
        assert {name: ended.variables[name] for name in given} == given

    def test_models_of_a_home_that_cannot_be_written_are_used_on(self, place: Path, shell: list[str]) -> None:
        home = place / "home"
        (home / ".cache/huggingface/hub").mkdir(parents=True)
        ended = call(place, {"HOME": str(home)}, shell)
        assert ended.variables["HF_HOME"] == f"{home}/.cache/huggingface"
        assert ended.variables["XDG_CACHE_HOME"].startswith("/var/tmp/")

    @pytest.mark.parametrize("part", ["huggingface", "huggingface/hub", "huggingface/hub/.locks", "torch"])
    def test_what_a_run_with_sudo_left_is_named(self, place: Path, shell: list[str], part: str) -> None:
        home = owned(place / "home")
        closed = owned(home / ".cache", NOBODY) / part
        closed.mkdir(parents=True)
        for above in [*closed.parents][: part.count("/")]:
            os.chown(above, NOBODY, NOBODY)
        ended = call(place, {"HOME": str(home)}, shell)
        assert ended.code == 0 and len(ended.said) == 1
        assert str(closed) in ended.said[0] and f"chown -R {NOBODY}" in ended.said[0]

    def test_a_cache_that_cannot_be_made_is_named(self, place: Path, shell: list[str]) -> None:
        ended = call(place, {"HOME": str(owned(place / "home")), "HF_HOME": "/models/hf"}, shell)
        assert len(ended.said) == 1 and "/models/hf cannot be made by this user" in ended.said[0]

    def test_root_needs_no_word(self, place: Path, shell: list[str]) -> None:
        home = place / "home"
        home.mkdir()
        assert call(place, {"HOME": str(home)}, shell, user=0).said == []


@needs_root
def test_where_nothing_can_be_written_one_sentence_ends_the_command(place: Path) -> None:
    """A read-only root: a private view of the file system without any directory that this user can write."""
    script = (
        "mount -t tmpfs -o mode=755 none /var/tmp && mount -t tmpfs -o mode=755 none /mnt && "
        f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups sh {place}/release/launch/whisperx"
    )
    command = ["unshare", "--mount", "sh", "-c", script]
    given = {"PATH": os.environ["PATH"], "HOME": "/", "TMPDIR": "/mnt"}
    probe = subprocess.run([*command[:2], "true"], capture_output=True)
    if probe.returncode:
        pytest.skip("no namespaces here")
    # The release itself is in /tmp, so that stays; a directory of another user takes the name there.
    trap = Path(f"/tmp/whisperx-{NOBODY}")
    trap.mkdir()
    try:
        done = subprocess.run(command, env=given, capture_output=True, text=True)
    finally:
        trap.rmdir()
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "nor /var/tmp or /tmp can be written" in done.stderr


@needs_root
@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="no Python for every user")
@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1", "", None])
def test_python_writes_text_in_any_locale(place: Path, locale: str | None) -> None:
    code = "import getpass, pathlib; print('\\u00e9', getpass.getuser(), pathlib.Path.home())"
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    given = {"PATH": os.environ["PATH"]} | ({} if locale is None else {"LC_ALL": locale})
    done = subprocess.run(
        [*become, "sh", str(place / "release/launch/python"), "-c", code],
        env=given,
        capture_output=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split() == ["é", f"uid{NOBODY}", f"/var/tmp/whisperx-{NOBODY}"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
class TestLibraryPath:
    def directory(self, place: Path, name: str, library: str) -> str:
        (place / name).mkdir()
        (place / name / library).write_text("")
        return str(place / name)

    @pytest.mark.parametrize(
        "library", ["libstdc++.so.6", "libcudnn.so.9", "libtorch_cpu.so", "libgcc_s.so.1"]
    )
    def test_directories_that_would_replace_libraries_are_left_out(
        self, place: Path, shell: list[str], library: str
    ) -> None:
        other, driver = self.directory(place, "other", library), self.directory(place, "nv", "libcuda.so.1")
        ended = call(place, {"HOME": str(place), "LD_LIBRARY_PATH": f"{other}:{driver}"}, shell, user=0)
        assert ended.variables["LD_LIBRARY_PATH"] == driver
        assert len(ended.said) == 1 and f"left out {other} of LD_LIBRARY_PATH" in ended.said[0]
        assert session.KEEP in ended.said[0]
        ended = call(place, {"HOME": str(place), "LD_LIBRARY_PATH": other, session.KEEP: "1"}, shell, user=0)
        assert ended.variables["LD_LIBRARY_PATH"] == other and ended.said == []

    @pytest.mark.parametrize("path", ["", ":", "::", ":/nonexistent:"])
    def test_the_current_directory_is_never_on_it(self, place: Path, shell: list[str], path: str) -> None:
        ended = call(place, {"HOME": str(place), "LD_LIBRARY_PATH": path}, shell, user=0)
        assert ended.variables.get("LD_LIBRARY_PATH") in (None, "", "/nonexistent") and ended.said == []

    def test_a_library_that_the_system_lacks_replaces_nothing(self, place: Path, shell: list[str]) -> None:
        """Where no libstdc++ is on the loader's own path (NixOS), the caller's is the only one."""
        text = session.shell(str(place / "release"), stops=True)
        text = text.replace("/usr/lib", str(place / "none")) + 'echo "path=$LD_LIBRARY_PATH"\n'
        (place / "script").write_text(text)
        other = self.directory(place, "other", "libstdc++.so.6")
        given = {"PATH": os.environ["PATH"], "HOME": str(place), "LD_LIBRARY_PATH": other}
        done = subprocess.run([*shell, str(place / "script")], env=given, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (f"path={other}\n", "")

    def test_a_release_with_a_gpu_has_its_own_first(self, place: Path, shell: list[str]) -> None:
        release = place / "release"
        (release / "site/numpy").mkdir(parents=True)
        what = want(
            plan(device="cuda", loader_paths=["numpy"]), lock_text({"whisperx": "1.0"}, device="cuda")
        )
        launch.write(what, str(release), str(release / "site"))
        driver = self.directory(place, "nv", "libcuda.so.1")
        given = {"HOME": str(place), "LD_LIBRARY_PATH": f"{release}/site/numpy:{driver}"}
        ended = call(place, given, shell, user=0)
        assert ended.variables["LD_LIBRARY_PATH"] == f"{release}/site/numpy:{driver}" and ended.said == []
        assert ended.variables["CUDA_CACHE_PATH"] == f"{place}/.cache/whisperx-cuda"


@pytest.mark.parametrize("release", ["/opt/it's here", "/opt/$(touch x)", "/opt/a b/*"])
def test_a_release_of_any_name_is_quoted(release: str) -> None:
    text = session.shell(release, stops=False)
    assert "@" not in text.replace('"$@"', "")
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_callers_own_variables_of_other_names_are_left_alone(place: Path) -> None:
    given = dict.fromkeys(("cache", "place", "name", "own", "rest", "left", "kept"), "mine")
    ended = call(place, {"HOME": str(place), **given}, user=0)
    assert {name: ended.variables[name] for name in given} == given
