"""Whether a service works: a command that succeeds, an address that responds, or a process that stays.

A check's command runs as the service's user, or as nobody, in a directory of its own that is removed again.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Mapping, Tuple

from ..whisperx_common import process
from ..whisperx_common.files import read_json
from ..whisperx_common.wording import printable
from ..whisperx_problem import Problem
from ..whisperx_release.records import RECORD
from . import contained
from .model import Health, Service
from .systemd import Systemd
from .units import Unit, check_of

__all__ = ["account", "once", "wait"]

_PAUSE = 1.0
# A process without a check has to live so long, in seconds.
_STAYS = 5.0
_KEPT = 300
_REMOVAL = 30.0
# Gives up root for good, then becomes the program.
_BECOME = (
    "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1])); "
    "os.execve(sys.argv[3], sys.argv[3:], os.environ)"
)


def account(user: str) -> Tuple[int, int]:
    """Return user and group id for a check; of nobody for a service without a user of its own.

    Raises Problem "service.no-user".
    """
    try:
        found = pwd.getpwnam(user or "nobody")
    except KeyError:
        if not user:
            return 65534, 65534
        raise Problem(
            "service.no-user",
            "no user '{}'".format(user),
            "whisperx_services",
            "a user of this host",
            "Make the user first, or leave `user` out: systemd makes one for the service.",
        ) from None
    return found.pw_uid, found.pw_gid


def wait(service: Service, unit: Unit, launch: str, variables: Mapping[str, str], systemd: Systemd) -> str:
    """Wait until an instance is healthy; return "" when it is, else why it is not."""
    end = time.monotonic() + service.health.within
    began, told = time.monotonic(), "nothing yet"
    pid = ""
    while True:
        state = systemd.show([unit.name]).get(unit.name, {})
        active = state.get("ActiveState", "unknown")
        if active == "failed":
            return "{} gave up ({})".format(unit.name, state.get("Result") or "failed")
        if active == "active":
            if service.health.kind:
                told = once(service, unit, launch, variables, end - time.monotonic())
            else:
                began = time.monotonic() if state.get("MainPID") != pid else began
                pid = state.get("MainPID", "")
                told = "" if time.monotonic() - began >= _STAYS else "it has not run for long enough"
            if not told:
                return ""
        else:
            told = "{} is {}".format(unit.name, active)
        if time.monotonic() + _PAUSE >= end:
            return told
        time.sleep(_PAUSE)


def once(service: Service, unit: Unit, launch: str, variables: Mapping[str, str], seconds: float) -> str:
    """Check an instance once; return "" when it is healthy, else why it is not."""
    check = check_of(service.health, unit)
    seconds = max(seconds, 1.0)
    if check.kind == "http":
        return _http(check, seconds)
    if check.kind == "tcp":
        host, _separator, port = check.target.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), seconds):
                return ""
        except (OSError, ValueError, OverflowError) as error:
            return "{}: {}".format(check.target, error)
    return _command(service, unit, launch, variables, seconds)


def _http(check: Health, seconds: float) -> str:
    # Here and not above: a converged host, of which there are many, asks nothing.
    import urllib.error
    import urllib.request

    class Stays(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    # No proxy stands between a host and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stays)
    try:
        with opener.open(check.target, timeout=seconds) as response:
            status = response.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    except (OSError, ValueError) as error:
        return "{}: {}".format(check.target, printable(str(getattr(error, "reason", "") or error)))
    except Exception as error:  # http.client's own: what responds is no http server
        return "{}: {}".format(check.target, printable(type(error).__name__))
    return "" if status == check.status else "{} returned status {}".format(check.target, status)


def _command(service: Service, unit: Unit, launch: str, variables: Mapping[str, str], seconds: float) -> str:
    check = check_of(service.health, unit)
    program = check.argv[0] if check.argv[0].startswith("/") else os.path.join(launch, check.argv[0])
    argv = [program, *check.argv[1:]]
    inside = program != check.argv[0] and _in_container(launch)
    name = contained.name_of(unit.stem) + ".check"
    with _home(service) as environment:
        environment.update(variables)
        if inside:  # as root, whose engine it is; the container takes every privilege
            environment.update(contained.environment(service, unit.name, name))
        elif os.geteuid() == 0:
            ids = [str(number) for number in account(service.user)]
            argv = [sys.executable, "-I", "-c", _BECOME, *ids, *argv]
        try:
            code, told = process.run(argv, environment, seconds)
        except OSError as error:
            return "'{}' cannot be run: {}".format(program, error.strerror)
    if code == 0:
        return ""
    if code == process.TIMED_OUT:
        if inside:
            process.run(contained.removal(program, name), {"PATH": process.PATH}, _REMOVAL)
        return "the check does not end"
    last = [printable(line) for line in told.splitlines() if line.strip()][-1:]
    return "the check ended with {}: {}".format(code, " ".join(last)[-_KEPT:] or "it printed nothing")


def _in_container(launch: str) -> bool:
    """Return whether the launch scripts are those of a release in a container."""
    record = read_json(os.path.join(os.path.dirname(launch), RECORD))
    return record is not None and record.get("runtime") == "container"


@contextlib.contextmanager
def _home(service: Service) -> Any:
    """A directory for what a check writes, as its home, and the environment that says so."""
    path = tempfile.mkdtemp(prefix="whisperx-check-")
    try:
        if os.geteuid() == 0:
            os.chown(path, *account(service.user))
        found: Dict[str, str] = {"PATH": process.PATH, "LC_ALL": "C.UTF-8", "HOME": path, "TMPDIR": path}
        yield dict(found, XDG_CACHE_HOME=os.path.join(path, "cache"))
    finally:
        shutil.rmtree(path, ignore_errors=True)


# For tests and callers that replace the waiting.
Wait = Callable[[Service, Unit, str, Mapping[str, str], Systemd], str]
