"""inventory/user.yml: an ordinary user installs below the home, without root; run, check again, doctor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME, NUMBER = "listener", 23457
# The user has an entry in the password database of this run alone: a private view of these two files.
PRIVATE = "mount --bind passwd /etc/passwd && mount --bind shadow /etc/shadow && cd {root} && exec {command}"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="whisperx-user-", dir="/tmp"))
    made.chmod(0o755)
    home = made / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NUMBER, NUMBER)
    entry = f"{NAME}:x:{NUMBER}:{NUMBER}::{home}:/bin/sh\n"
    (made / "passwd").write_text(Path("/etc/passwd").read_text() + entry)
    (made / "shadow").write_text(Path("/etc/shadow").read_text() + f"{NAME}:!:19000:0:99999:7:::\n")
    yield made
    shutil.rmtree(made)


def play(folder: Path, playbook: str, *words: str) -> str:
    """Run a playbook with the inventory for users as that user; return what it printed."""
    places = {"output": "report.json", "page": "report.html", "resume": "resume"}
    given = {
        # Ansible itself is root's here, so the modules become the user; to a user's own run this is nothing.
        "ansible_become": True,
        "ansible_become_user": NAME,
        "ansible_become_method": "su",
        "ansible_python_interpreter": "/usr/bin/python3",
        "whisperx_plan_packages": {"ctranslate2": ""},
        "whisperx_plan_lock_dir": str(folder / "locks"),
        "whisperx_plan_cache_dir": str(folder / "cache"),
        **{f"whisperx_report_{key}": str(folder / name) for key, name in places.items()},
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), playbook, "-i", "inventory/user.yml"]
    command += ["-e", json.dumps(given), *words]
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)
    settings = {"HOME": str(folder / "home"), "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_NOCOLOR": "1"}
    settings |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    # The cache of uv stays the one of whoever runs the tests.
    settings.setdefault("UV_CACHE_DIR", os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache/uv")))
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", PRIVATE.format(root=ROOT, command=quoted)],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="no Python for every user")
def test_a_user_installs_for_himself(folder: Path, as_root: None) -> None:
    root = folder / "home/.local/share/whisperx"
    first = play(folder, "site.yml")
    assert "1 host: 1 changed" in first
    assert {path.lstat().st_uid for path in [root, *root.rglob("*")]} == {NUMBER}
    # It runs as the user in a bare session.
    code = "import os, ctranslate2; print(ctranslate2.__version__, os.getuid())"
    become = ["setpriv", f"--reuid={NUMBER}", f"--regid={NUMBER}", "--clear-groups"]
    done = subprocess.run(
        [*become, str(root / "current/launch/python"), "-c", code],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder / "home")},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.split()[1] == str(NUMBER)
    again = play(folder, "site.yml")
    assert "changed=0" in again.partition("PLAY RECAP")[2]
    told = play(folder, "playbooks/doctor.yml", "-e", "whisperx_doctor_level=import")
    assert f"{root}    FIT: it works" in told and "Note:" not in told
