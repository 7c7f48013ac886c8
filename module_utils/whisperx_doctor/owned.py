"""Runs an action in a process of the user whom the environment belongs to.

Root would otherwise run a program that somebody else can change. What the action returns comes back as JSON
through a pipe; nothing it does can touch this process.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import tempfile
from typing import Any, Callable, Optional, Sequence, Tuple

__all__ = ["as_owner", "owner"]

_MOST = 64 << 20


def owner(paths: Sequence[str]) -> Optional[Tuple[int, int]]:
    """Return (uid, gid) of the first owner other than root of ``paths`` and all directories above them.

    None when root owns them all, or when this process is not root and can be nobody else.
    """
    if os.getuid() != 0:
        return None
    for path in paths:
        for place in _upwards(path) + _upwards(os.path.realpath(path)):
            try:
                state = os.lstat(place)
            except OSError:
                continue
            if state.st_uid:
                return state.st_uid, state.st_gid
    return None


def as_owner(who: Optional[Tuple[int, int]], action: Callable[[], Any]) -> Any:
    """Return what ``action()`` returns (JSON-able), run in a child as ``who``; None for this user.

    RuntimeError when the child did not answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens here, nothing of the parent's is run: no handlers, no buffers, no cleaning up.
        code = 1
        try:
            os.close(reading)
            _become(who)
            answer = json.dumps({"answer": action()}).encode("utf-8")
            with os.fdopen(writing, "wb") as stream:
                stream.write(answer)
            code = 0
        except BaseException as problem:
            try:
                os.write(writing, json.dumps({"problem": str(problem) or repr(problem)}).encode("utf-8"))
            except OSError:
                pass
        finally:
            os._exit(code)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as stream:
            data = stream.read(_MOST)
        os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        raise
    try:
        said = json.loads(data)
    except ValueError:
        raise RuntimeError("the process that runs the environment ended without a result") from None
    if "answer" not in said:
        raise RuntimeError(str(said.get("problem")))
    return said["answer"]


def _become(who: Optional[Tuple[int, int]]) -> None:
    """Give up root for good."""
    signal.signal(signal.SIGTERM, _leave)
    if who is None:
        return
    # Root's directory for temporary files may not be this user's.
    tempfile.tempdir = None
    try:
        name = pwd.getpwuid(who[0]).pw_name
        os.initgroups(name, who[1])
    except KeyError:
        os.setgroups([])
    os.setgid(who[1])
    os.setuid(who[0])


def _leave(number: int, _frame: Any) -> None:
    """Let `finally` kill what was started and remove what was written."""
    raise KeyboardInterrupt(f"signal {number}")


def _upwards(path: str) -> Tuple[str, ...]:
    """Return ``path`` and every directory above it but "/"."""
    found = []
    while path not in ("", "/"):
        found.append(path)
        path = os.path.dirname(path)
    return tuple(found)
