"""Who listens on a TCP port of the host, and on which ones a service will. Sources: proc(5), proc_net_tcp."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Collection, Dict, Iterator, List, Tuple
from urllib.parse import urlsplit

from ..whisperx_common.proc import PROC, every, opened, read
from ..whisperx_common.wording import printable
from .contained import MARK
from .model import Service
from .units import Unit, check_of
from .words import filled

__all__ = ["Listener", "listening", "owners", "ports_of", "user_of"]

_LISTEN = "0A"
# Options by which servers are told where to listen.
_OPTIONS = ("--uri", "--port", "--listen", "--bind", "--listen-port", "--http-port", "--address")
_PORT = re.compile(r"(?:\A|:)([0-9]{1,5})/?\Z")
_LOCAL = re.compile(r"127\.[0-9.]+|localhost|::1|0\.0\.0\.0|::")

# Process id, its name, its systemd unit ("" for none).
Listener = Tuple[int, str, str]


def ports_of(service: Service, unit: Unit) -> List[int]:
    """Return the ports that an instance will listen on: the one it has, else those that its command and its
    check name.
    """
    found = {unit.port} if unit.port else set(_in_command(service, unit))
    check = check_of(service.health, unit)
    if check.kind in ("http", "tcp"):
        parts = urlsplit(check.target if check.kind == "http" else "tcp://" + check.target)
        if parts.hostname and _LOCAL.fullmatch(parts.hostname):
            found.add(parts.port or (443 if parts.scheme == "https" else 80))
    return sorted(found)


def listening(proc: str = PROC) -> Dict[int, Dict[str, int]]:
    """Return port -> the sockets (inodes) that listen on it, each with the user id that opened it."""
    found: Dict[int, Dict[str, int]] = {}
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(os.path.join(proc, "net", name), encoding="ascii") as stream:
            for line in list(stream)[1:]:
                fields = line.split()
                if len(fields) > 9 and fields[3] == _LISTEN:
                    port = int(fields[1].rpartition(":")[2], 16)
                    found.setdefault(port, {})[fields[9]] = int(fields[7])
    return found


def user_of(pid: str, proc: str = PROC) -> int:
    """Return the user id that a process runs as, -1 for none."""
    try:
        return os.stat(os.path.join(proc, pid)).st_uid if pid.isdecimal() and pid != "0" else -1
    except OSError:
        return -1


def owners(sockets: Collection[str], proc: str = PROC) -> List[Listener]:
    """Return the processes that have one of these sockets open, as far as this user may see."""
    links = {"socket:[{}]".format(inode).encode() for inode in sockets}
    found = []
    for pid in every(proc):
        if links & set(opened(pid, proc)):
            found.append((pid, printable(_text(pid, "comm", proc).strip()) or "?", _unit(pid, proc)))
    return found


def _in_command(service: Service, unit: Unit) -> Iterator[int]:
    words = [filled(word, unit.values) for word in service.argv[1:]]
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in _OPTIONS:
            match = _PORT.search(value if equals else "".join(words[number + 1 : number + 2]))
            if match and 0 < int(match.group(1)) < 65536:
                yield int(match.group(1))


def _unit(pid: int, proc: str) -> str:
    found = re.search(r"/([^/\n]+\.service)$", _text(pid, "cgroup", proc), re.MULTILINE)
    # What runs in a container says itself whose it is.
    marked = found or re.search("(?:\\A|\0)" + MARK + "=([^\0]+)", _text(pid, "environ", proc))
    return printable(marked.group(1)) if marked else ""


def _text(pid: int, name: str, proc: str) -> str:
    return read(pid, name, proc).decode("utf-8", "replace")
