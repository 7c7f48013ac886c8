"""Credentials of an index reach uv and nothing else: no output, report, lock, file or argument list."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from wheelhouse_lab import CONNECTION, CountingIndex, serving

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PASSWORD = "hunter2/%41:zeppelin"
TOKEN = "glpat-zeppelin-0815"
# As written, as it stands in an address, and as it goes over the line.
SECRETS = [
    PASSWORD,
    quote(PASSWORD, safe=""),
    base64.b64encode(f"robot:{PASSWORD}".encode()).decode(),
    TOKEN,
    base64.b64encode(f"{TOKEN}:".encode()).decode(),
    base64.b64encode(f"robot:{TOKEN}".encode()).decode(),
]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real wheels for an index of our own."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", folder]
    subprocess.run([*command, "ctranslate2==4.6.0"], check=True, capture_output=True)
    return folder


def site(base: Path, variables: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run site.yml on a host to which files travel, as talkative as can be; the variables are in a vault."""
    (base / "connection_plugins").mkdir(parents=True, exist_ok=True)
    (base / "connection_plugins/elsewhere.py").write_text(CONNECTION)
    (base / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: elsewhere}}}\n")
    (base / "key").write_text("of the vault")
    own = {
        "ansible_become": False,
        "whisperx_venv_root": str(base / "host/root"),
        "whisperx_venv_bin_dir": str(base / "host/bin"),
        "whisperx_venv_facts_dir": str(base / "host/facts.d"),
        "whisperx_plan_lock_dir": str(base / "left/locks"),
        "whisperx_plan_cache_dir": str(base / "left/cache"),
        "whisperx_report_dir": str(base / "left/reports"),
        "whisperx_plan_packages": {"ctranslate2": "==4.6.0"},
        "whisperx_venv_verify_level": "import",
    }
    vault = ["--vault-password-file", str(base / "key")]
    (base / "vars.yml").write_text(json.dumps(own | variables))
    subprocess.run(
        [BIN / "ansible-vault", "encrypt", *vault, base / "vars.yml"], check=True, capture_output=True
    )
    settings = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CONNECTION_PLUGINS": str(base / "connection_plugins"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        # So that modules and their arguments lie on the host as files.
        "ANSIBLE_PIPELINING": "False",
        "ANSIBLE_REMOTE_TMP": str(base / "host/remote_tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "UV_CACHE_DIR": str(base / "left/uv"),
        "UV_HTTP_RETRIES": "0",
    }
    command = [BIN / "ansible-playbook", "site.yml", "-i", base / "hosts.yml", *vault, "-vvvv", "--diff"]
    return subprocess.run(
        [*command, "-e", f"@{base}/vars.yml"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def arguments() -> Iterator[set[str]]:
    """Collect, for as long as this lasts, every argument list of this machine that anybody could read."""
    found: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    found.add(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue
            time.sleep(0.1)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def leaks(folder: Path) -> list[str]:
    """Return the files below a folder that say a secret."""
    words = [secret.encode() for secret in SECRETS]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if any(word in path.read_bytes() for word in words)]


def told(url: str, password: str) -> dict[str, Any]:
    """Return the variables that name an index, its credentials apart."""
    names = ("whisperx_plan_index_url", "whisperx_plan_index_username", "whisperx_plan_index_password")
    return dict(zip(names, (url, "robot", password), strict=True))


@pytest.mark.parametrize("kind", ["a password", "a token"])
def test_credentials_are_used_and_shown_nowhere(tmp_path: Path, wheels: Path, kind: str) -> None:
    """A first run is refused by the index, a second one installs from it."""
    with serving(CountingIndex(wheels, credentials="nobody:nothing")) as index, arguments() as argued:
        place = f"{index.url.partition('://')[2]}/simple"
        if kind == "a password":
            wanted = f"robot:{PASSWORD}"
            first = {"whisperx_plan_index_url": f"http://robot:{quote(PASSWORD, safe='')}@{place}"}
            second = told(f"http://{place}", PASSWORD)
        else:
            wanted = f"{TOKEN}:"
            first = {"whisperx_plan_index_url": f"http://{TOKEN}@{place}"}
            second = first | {"whisperx_wheelhouse_mode": "connection"}
        refused = site(tmp_path, first)
        index.credentials = wanted
        done = site(tmp_path, second)
    assert refused.returncode != 0 and "lock.credentials" in refused.stdout, refused.stdout[-3000:]
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    # The talk was as loud as it claims, and the watcher saw uv at work.
    assert "module_args" in done.stdout
    assert any("pip sync" in line for line in argued)
    said = refused.stdout + refused.stderr + done.stdout + done.stderr
    lines = [line[:300] for line in said.splitlines() if any(secret in line for secret in SECRETS)]
    assert lines == []
    assert [line for line in argued if any(secret in line for secret in SECRETS)] == []
    assert (tmp_path / "left/reports/site.html").exists() and list(tmp_path.glob("left/locks/*.txt"))
    assert leaks(tmp_path / "left") == []
    assert leaks(tmp_path / "host") == []
