"""What of a caller's session is found: by real users, real modes, real mounts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from module_utils.whisperx_doctor.owned import as_owner
from module_utils.whisperx_verify.session import conditions

ROOT = Path(__file__).resolve().parents[3]
NOBODY = 23456
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, mounts")


@pytest.fixture
def place() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="whisperx-session-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    subprocess.run(["umount", "--quiet", str(made / "mounted")], check=False, capture_output=True)
    shutil.rmtree(made)


def found(*places: Path, user: int = NOBODY, **variables: str) -> dict[str, str]:
    """Return kind -> phrase of what ``user`` finds with these variables alone."""

    def action() -> list[tuple[str, str, str]]:
        return [tuple(item) for item in conditions([str(path) for path in places], variables)]

    return {kind: text for kind, text, _where in as_owner((user, user) if user else None, action)}


def owned(path: Path, user: int = NOBODY) -> Path:
    path.mkdir(parents=True)
    os.chown(path, user, user)
    return path


@pytest.mark.parametrize("user", [0, NOBODY])
def test_a_session_in_order_has_nothing(place: Path, user: int) -> None:
    assert found(place, user=user, HOME=str(owned(place / "home", user))) == {}


@pytest.mark.parametrize(
    ("home", "words"),
    [
        ("/", "the home directory / cannot be written by user id 23456; it belongs to root"),
        ("/nonexistent", "the home directory /nonexistent does not exist"),
        ("/root", "the home directory /root cannot be written"),
        ("", "HOME is not set, and user id 23456 has no entry in the password database"),
    ],
)
def test_homes(place: Path, home: str, words: str) -> None:
    said = found(place, HOME=home)
    assert said["home"].startswith(words)
    good = {name: str(owned(place / name)) for name in ("HF_HOME", "TORCH_HOME", "NLTK_DATA", "MPLCONFIGDIR")}
    assert list(found(place, HOME=home, **good)) == ["home"]


@pytest.mark.parametrize("name", ["HF_HOME", "TORCH_HOME", "NLTK_DATA", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("kind", ["closed", "below", "absent", "file"])
def test_caches(place: Path, name: str, kind: str) -> None:
    home, cache = owned(place / "home"), place / "cache"
    if kind == "file":
        cache.write_text("")
    elif kind != "absent":
        owned(cache, 0 if kind == "closed" else NOBODY)
    named = cache / "more" if kind in ("absent", "file") else cache
    if kind == "below":
        # What a run with sudo leaves: some directories within are root's.
        (cache / "huggingface" / ("" if name == "XDG_CACHE_HOME" else "models--x")).mkdir(parents=True)
        os.chown(cache / "huggingface", NOBODY if name != "XDG_CACHE_HOME" else 0, NOBODY)
    said = found(place, HOME=str(home), **{name: str(named)})
    if kind == "below" and name != "XDG_CACHE_HOME":
        assert "models--x cannot be written by user id 23456; it belongs to root" in said["cache"]
    else:
        assert str(place) in said["cache"] and "cannot be" in said["cache"]
    assert "home" not in said


def test_mounts_without_exec_read_only_and_full(place: Path) -> None:
    mounted = place / "mounted"
    mounted.mkdir()
    options = "noexec,size=1m,mode=1777"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mounted)], capture_output=True)
    if done.returncode:
        pytest.skip("cannot mount here")
    (mounted / "venv").mkdir()
    home = owned(place / "home")
    said = found(mounted / "venv", HOME=str(home), TMPDIR=str(mounted))
    assert said["noexec"] == f"{mounted} is mounted noexec"
    assert f"{mounted} has 0 MB free" in said["temporary"] or f"{mounted} has 1 MB free" in said["temporary"]
    subprocess.run(["mount", "-o", "remount,ro,exec", str(mounted)], check=True)
    said = found(mounted / "venv", user=0, HOME=str(mounted))
    assert said["home"] == f"the home directory {mounted} is on a read-only file system"
    assert "noexec" not in said


def test_loader_path(place: Path) -> None:
    for name, library in (
        ("other", "libstdc++.so.6"),
        ("driver", "libcuda.so.1"),
        ("env/lib", "libtorch.so"),
    ):
        (place / name).mkdir(parents=True)
        (place / name / library).write_text("")
    path = f"{place}/driver::{place}/env/lib:{place}/other"
    said = found(place / "env", HOME=str(owned(place / "home")), LD_LIBRARY_PATH=path)
    assert said == {"library-path": f"LD_LIBRARY_PATH has {place}/other, with a libstdc++.so.6 of its own"}


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="no Python for every user")
class TestDoctor:
    """The command as a user calls it; the environment is a venv of the system's Python."""

    def venv(self, path: Path, source: str = "") -> Path:
        (path / "bin").mkdir(parents=True)
        (path / "bin/python").symlink_to("/usr/bin/python3")
        (path / "pyvenv.cfg").write_text("home = /usr/bin\n")
        done = subprocess.run(
            ["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        site = path / f"lib/python{done.stdout.strip()}/site-packages"
        (site / "numpy").mkdir(parents=True)
        (site / "numpy/__init__.py").write_text(source)
        (site / "numpy-2.0.dist-info").mkdir()
        return path

    def doctor(self, venv: Path, user: int, **variables: str) -> tuple[int, str, dict[str, list[str]]]:
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        command = [*become, "/usr/bin/python3", "-m", "module_utils.whisperx_doctor", str(venv)]
        given = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        }
        done = subprocess.run(
            [*command, "--level", "import", "--json"], env=given, capture_output=True, text=True, cwd="/"
        )
        told = json.loads(done.stdout)
        (only,) = told["environments"]
        rows = {part: [row["id"] for row in only[part]] for part in ("failures", "notes")}
        return done.returncode, " ".join(" ".join(told["page"]).split()), rows

    def test_fit_although_the_user_cannot_says_so(self, place: Path) -> None:
        code, page, rows = self.doctor(self.venv(place / "venv"), NOBODY, HOME="/")
        assert code == 0 and rows["failures"] == []
        assert "failure.home" in rows["notes"]
        assert "the home directory / cannot be written by user id 23456" in page and "HF_HOME" in page

    def test_fit_in_a_session_in_order_has_no_note(self, place: Path) -> None:
        code, _page, rows = self.doctor(self.venv(place / "venv"), NOBODY, HOME=str(owned(place / "home")))
        assert (code, rows) == (0, {"failures": [], "notes": []})

    def test_a_mount_without_exec_is_named(self, place: Path) -> None:
        mounted = place / "mounted"
        mounted.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(mounted)], capture_output=True
        )
        if done.returncode:
            pytest.skip("cannot mount here")
        library = next(Path("/usr/lib").glob("*/libc.so.6"))
        source = f"import ctypes, shutil\nctypes.CDLL({str(mounted / 'copy.so')!r})\n"
        venv = self.venv(mounted / "venv", source)
        shutil.copy(library, mounted / "copy.so")
        code, page, rows = self.doctor(venv, 0, HOME=str(owned(place / "home", 0)))
        assert code == 1 and rows["failures"] == ["failure.no-exec"]
        assert f"run from it: {mounted}." in page and f"{mounted} is mounted noexec" in page
