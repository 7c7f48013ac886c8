"""Root with umask 077 installs from a checkout made so, and every user runs it: the whole of site.yml."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_lab import counted, inventory

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 23458


@pytest.fixture
def folder(as_root: None) -> Iterator[Path]:
    if not os.path.exists("/usr/bin/python3"):
        pytest.skip("no Python for every user")
    made = Path(tempfile.mkdtemp(prefix="whisperx-umask-", dir="/tmp"))
    made.chmod(0o755)
    # As `git clone` with that umask: nobody else reads the checkout.
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (ROOT / name).is_file():
            (made / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, made / "checkout" / name)
    subprocess.run(["chmod", "--recursive", "go-rwx", made / "checkout"], check=True)
    yield made
    shutil.rmtree(made)


def site(folder: Path) -> str:
    """Run site.yml as a root who lets nobody read what he writes; return what it printed."""
    hosts = inventory(folder, whisperx_plan_cache_dir="cache")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "site.yml", "-i", str(hosts)],
        cwd=folder / "checkout",
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        umask=0o077,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_what_root_installs_with_umask_077_runs_for_every_user(folder: Path) -> None:
    assert counted(site(folder)) == "1 host: 1 changed"
    done = subprocess.run(
        [
            *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
            *(folder / "root/current/launch/python", "-c", "import ctranslate2, os; print(os.getuid())"),
        ],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": "/tmp"},
        cwd="/",
        capture_output=True,
        text=True,
    )
    shutil.rmtree(f"/var/tmp/whisperx-{NOBODY}", ignore_errors=True)
    assert (done.returncode, done.stdout.strip()) == (0, str(NOBODY)), done.stderr
    assert [line for line in done.stderr.splitlines() if "caches are in" not in line] == []
    # All of the host's but downloads and lock files is for every user; on the controller the umask decides.
    tops = [folder / name for name in ("root/releases", "facts.d")]
    closed = [
        str(path)
        for top in tops
        for path in [top, *top.rglob("*")]
        if path.name != ".lock" and not path.is_symlink() and not path.stat().st_mode & stat.S_IROTH
    ]
    assert closed == []
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("locks", "reports")} == {0o700}
    again = site(folder)
    assert counted(again) == "1 host: 1 unchanged"
    # The facts came with the assessment: nothing of the roll-out is run.
    assert "TASK [End where every host stays as it is]" in again and "Build, verify" not in again
