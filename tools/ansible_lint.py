"""ansible-lint with the arguments given, whose syntax checks do not each start Ansible.

    python tools/ansible_lint.py --offline --strict -q

It checks the syntax of each playbook and role by an ansible-playbook of its own: a hundred starts, more than
half of its processor time. Here each check is a fork of a server that has imported Ansible already, one
server for each environment and directory, because Ansible reads its settings when it is imported.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Servers", "main"]

_CHECK = ["ansible-playbook", "--syntax-check"]
_START = subprocess.run


class Check(socketserver.StreamRequestHandler):
    """One check, in a process of its own: the command comes in; status, output and errors go out."""

    def handle(self) -> None:
        """Run ansible-playbook as its command would."""
        from ansible.cli.playbook import main as playbook

        command = json.loads(self.rfile.readline())
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            try:
                playbook(command)
                status: object = 0
            except SystemExit as end:
                status = end.code
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            texts = [os.pread(each.fileno(), os.fstat(each.fileno()).st_size, 0) for each in (output, errors)]
        answer = [status or 0, *(text.decode(errors="replace") for text in texts)]
        self.wfile.write(json.dumps(answer).encode())


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Answers each check by a fork of itself."""

    max_children = 2 * (os.cpu_count() or 1)
    request_queue_size = 128


def serve(place: str) -> None:
    """Import Ansible, then answer at ``place`` until the one who started this is gone."""
    import ansible.cli.playbook  # noqa: F401 - for every fork

    with Server(place, Check) as server:

        def watch() -> None:
            sys.stdin.read()
            server.shutdown()

        threading.Thread(target=watch, daemon=True).start()
        print("ready", flush=True)
        server.serve_forever()


class Servers:
    """The servers of one run, each started when its environment and directory are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[object, Path] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()

    def run(self, command: Any, *others: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        """Do what subprocess.run does; a syntax check goes to its server."""
        if not isinstance(command, list) or command[:2] != _CHECK:
            return _START(command, *others, **options)
        environment = os.environ if options.get("env") is None else options["env"]
        place = self._server(options.get("cwd") or os.getcwd(), environment)
        status, output, errors = self._ask(command, place)
        return subprocess.CompletedProcess(command, status, output, errors)

    def end(self) -> None:
        """End every server."""
        for process in self._processes:
            process.communicate()

    @staticmethod
    def _ask(command: Sequence[str], place: Path) -> tuple[int, str, str]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(place))
            connection.sendall(json.dumps(command).encode() + b"\n")
            with connection.makefile(encoding="utf-8") as answer:
                status, output, errors = json.loads(answer.read())
        return status, output, errors

    def _server(self, directory: str, environment: Mapping[str, str]) -> Path:
        key = (directory, frozenset(environment.items()))
        with self._lock:
            if key not in self._known:
                place = self._folder / str(len(self._known))
                process = subprocess.Popen(
                    [sys.executable, "-P", __file__, "--serve", str(place)],
                    cwd=directory,
                    env=dict(environment),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                assert process.stdout is not None
                process.stdout.readline()
                self._processes.append(process)
                self._known[key] = place
            return self._known[key]


@contextlib.contextmanager
def served() -> Iterator[None]:
    """Give syntax checks to servers while this lasts."""
    folder = Path(tempfile.mkdtemp(prefix="whisperx-lint-"))
    servers = Servers(folder)
    subprocess.run = servers.run  # type: ignore[assignment]
    try:
        yield
    finally:
        subprocess.run = _START
        servers.end()
        shutil.rmtree(folder)


def main(arguments: list[str]) -> int:
    """Run ansible-lint; return its exit status."""
    from ansiblelint.__main__ import main as lint

    # It copies every task for every rule; looking for cycles among the copies takes 9 s of 70.
    gc.disable()
    with served():
        return lint(["ansible-lint", *arguments])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        sys.exit(main(sys.argv[1:]))
