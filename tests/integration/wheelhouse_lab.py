"""A package index that counts what it gives out, and hosts that are directories of this machine."""

from __future__ import annotations

import base64
import functools
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

from env_lab import PYTHON, PYTHON_PATH, UV

from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_common.lockfile import Lock, LockedPackage, render
from module_utils.whisperx_release.model import Layout

__all__ = ["CountingIndex", "Fleet", "lock_of", "serving"]

ROOT = Path(__file__).resolve().parents[2]
JSON = "application/vnd.pypi.simple.v1+json"

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  vars_files: [vars.json]
  tasks:
    - ansible.builtin.import_role: {name: whisperx_wheelhouse}
    - ansible.builtin.import_role: {name: whisperx_venv}
"""

# Runs commands here, but is no "local" connection: files have to be transferred, as to a remote host.
CONNECTION = '''\
"""A connection to a host that happens to be this one."""

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: like a remote host
description: [like a remote host]
extends_documentation_fragment: [connection_pipelining]
"""


class Connection(Local):
    transport = "elsewhere"
'''


@dataclass
class CountingIndex:
    """An index over the wheels of a directory: PEP 691 or plain HTML, ranges, perhaps a password.

    ``cut`` ends every answer with a wheel after so many bytes, as a bad line does. ``slow`` is the beginning
    of a wheel's name to the seconds that it is waited for.
    """

    wheels: Path
    credentials: str = ""
    html: bool = False
    cut: int = 0
    slow: dict[str, float] = field(default_factory=dict)
    url: str = ""
    bytes: int = 0
    asked: list[tuple[str, int, str]] = field(default_factory=list)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the files of a project."""
        found = sorted(self.wheels.glob("*.whl"))
        mine = [path for path in found if _normal(path.name.split("-")[0]) == name]
        return [
            {
                "filename": path.name,
                "url": f"{self.url}/files/{path.name}",
                "hashes": {"sha256": sha256(str(path))},
                "size": path.stat().st_size,
            }
            for path in mine
        ]

    def transfers(self, name: str) -> int:
        """Return how many requests for one file were answered with it, or a part of it."""
        return sum(1 for path, code, _range in self.asked if path.endswith(name) and code < 300)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class _Handler(BaseHTTPRequestHandler):
    index: CountingIndex
    protocol_version = "HTTP/1.1"

    def __init__(self, index: CountingIndex, *args: Any) -> None:
        self.index = index
        super().__init__(*args)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        index = self.index
        wanted = "Basic " + base64.b64encode(index.credentials.encode()).decode()
        if index.credentials and self.headers.get("Authorization") != wanted:
            self.answer(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
        elif match := re.fullmatch(r"/simple/([a-z0-9-]+)/", self.path):
            rows = index.rows(match.group(1))
            self.page(match.group(1), rows) if rows else self.answer(404, b"")
        elif (path := index.wheels / self.path.rpartition("/")[2]).is_file():
            time.sleep(
                max((late for name, late in index.slow.items() if path.name.startswith(name)), default=0)
            )
            self.file(path.read_bytes())
        else:
            self.answer(404, b"")

    def page(self, name: str, rows: list[dict[str, Any]]) -> None:
        if self.index.html:
            links = "".join(
                f'<a href="{row["url"]}#sha256={row["hashes"]["sha256"]}">{row["filename"]}</a>'
                for row in rows
            )
            self.answer(200, links.encode(), {"Content-Type": "text/html"})
            return
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": rows, "versions": []}
        self.answer(200, json.dumps(page).encode(), {"Content-Type": JSON})

    def file(self, data: bytes) -> None:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if not match:
            self.answer(200, data, headers)
            return
        first, last = match.groups()
        start = int(first) if first else len(data) - int(last)
        end = int(last) + 1 if first and last else len(data)
        headers["Content-Range"] = f"bytes {start}-{min(end, len(data)) - 1}/{len(data)}"
        self.answer(206, data[start:end], headers)

    def answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.index.asked.append((self.path, code, self.headers.get("Range", "")))
        self.send_response(code)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = self.index.cut if self.index.cut and self.path.startswith("/files/") else len(body)
        self.wfile.write(body[:limit])
        if self.path.startswith("/files/"):
            self.index.bytes += len(body[:limit])
        self.close_connection = limit < len(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@contextmanager
def serving(index: CountingIndex) -> Iterator[CountingIndex]:
    """Serve an index on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, index))
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()


def lock_of(*wheels: Path, request: str = "tiny", **header: str) -> str:
    """Return the lock of some wheels of an index."""
    packages = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest, size = sha256(str(wheel)), wheel.stat().st_size
        packages.append(LockedPackage(_normal(name), version, digest, wheel.name, size, "index"))
    values = {"whisperx-fleet-lock": "1", "class": "lab", "request": json.dumps({request: ""})}
    values |= {"platform": "x86_64-manylinux_2_36", "python": PYTHON, "device": "cpu", "uv": "0"} | header
    return render(Lock(values, tuple(packages)))


COMMAND = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.json", "play.yml"]


class Fleet:
    """Hosts that are directories, one controller, the roles under test."""

    def __init__(self, base: Path, hosts: int, index_url: str, connection: str = "elsewhere") -> None:
        self.base = base
        self.index_url = index_url
        self.names = [f"host{number:02}" for number in range(hosts)]
        (base / "connection_plugins").mkdir(parents=True)
        (base / "connection_plugins" / "elsewhere.py").write_text(CONNECTION)
        (base / "play.yml").write_text(PLAYBOOK)
        known = {name: self.places(name) | {"ansible_connection": connection} for name in self.names}
        (base / "hosts.json").write_text(json.dumps({"all": {"hosts": known}}))

    def places(self, host: str) -> dict[str, str]:
        """Return the variables that say where a host's things lie."""
        names = {"root": "root", "bin_dir": "bin", "facts_dir": "facts.d"}
        return {f"whisperx_venv_{key}": str(self.base / host / name) for key, name in names.items()}

    def layout(self, host: str) -> Layout:
        """Return where a host's things lie."""
        return Layout(*self.places(host).values())

    def want(self, text: str, request: str, module: str, **variables: Any) -> None:
        """Plan and lock the same for all hosts."""
        plan = {
            "verdict": "plan",
            "class": "lab",
            "request": {request: ""},
            "python": PYTHON,
            "python_path": PYTHON_PATH,
            "device": "cpu",
            "environment": {},
            "imports": [{"package": request, "module": module, "optional": False}],
            "scripts": [],
        }
        lock = {"text": text, "uv": {"path": UV, "sha256": sha256(UV)}, "files": []}
        values = {
            "__whisperx_plan": {"hosts": dict.fromkeys(self.names, plan)},
            "__whisperx_lock": {"locks": {"lab": lock}},
            "whisperx_venv_verify_level": "import",
            "whisperx_plan_index_url": self.index_url,
            "whisperx_plan_extra_index_urls": [],
            "whisperx_plan_torch_index": "",
            "whisperx_plan_index_username": "",
            "whisperx_plan_index_password": "",
            "whisperx_plan_catalogue": "/nonexistent",
            "whisperx_plan_cache_dir": str(self.base / "controller"),
            "whisperx_plan_uv": "",
        } | variables
        (self.base / "vars.json").write_text(json.dumps(values))

    def settings(self) -> dict[str, str]:
        """Return the environment of a run."""
        return {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CONNECTION_PLUGINS": str(self.base / "connection_plugins"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_REMOTE_TMP": str(self.base / "remote_tmp"),
            "ANSIBLE_FORKS": "4",
            "ANSIBLE_NOCOLOR": "1",
            "UV_CACHE_DIR": str(self.base / "controller-uv"),
            "UV_HTTP_RETRIES": "0",
        }

    def play(self, *arguments: str, fails: bool = False) -> str:
        """Run the play; return all it printed."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.base,
            env=os.environ | self.settings(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def play_on_a_terminal(self) -> str:
        """Run the play as a person does; return what the terminal shows."""
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        shown: list[bytes] = []

        def read(descriptor: int) -> bytes:
            shown.append(os.read(descriptor, 1 << 16))
            return shown[-1]

        words = ["env", "-C", str(self.base), *(f"{name}={value}" for name, value in self.settings().items())]
        with patch.dict(os.environ, environment, clear=True):
            code = pty.spawn([*words, *COMMAND], read, lambda _: b"")
        text = b"".join(shown).decode("utf-8", "replace")
        assert code == 0, text
        return text
