"""Run a playbook and cut it off in the middle, on the controller and on its hosts, as a loss of power would.

cut_off.py CONTAINER PATH [CONTAINER PATH ...] -- COMMAND...

As soon as the path is there in one of the containers, everything is killed: the command, and what Ansible and
podman run in every container. Exits 0 when it was cut off, 1 when the command came to its end before that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time


def main(arguments: list[str]) -> int:
    """Start, wait, kill."""
    split = arguments.index("--")
    places = list(zip(arguments[:split:2], arguments[1:split:2], strict=True))
    command = subprocess.Popen(
        arguments[split + 1 :],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while command.poll() is None:
        if any(inside(container, "test", "-e", path) for container, path in places):
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
            for container, _ in places:
                kill_in(container)
            return 0
        time.sleep(0.1)
    return 1


def inside(container: str, *command: str) -> bool:
    """Run a command in a container; tell whether it ended well."""
    done = subprocess.run(["podman", "exec", container, *command], capture_output=True, check=False)
    return done.returncode == 0


def kill_in(container: str) -> None:
    """Kill what Ansible and podman run in a container; its processes are seen from here by their own ids."""
    told = subprocess.run(
        ["podman", "top", container, "hpid", "args"], capture_output=True, text=True, check=True
    )
    for line in told.stdout.splitlines()[1:]:
        number, _, words = line.partition(" ")
        if "AnsiballZ" in words or "podman" in words:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
