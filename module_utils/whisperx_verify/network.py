"""Proof without network: what reaches out is refused at once instead of waiting for an answer."""

from __future__ import annotations

import socket
import sys
from typing import Any, List, Optional, Tuple

__all__ = ["refuse", "refused"]

_REFUSED: List[str] = []


def refused() -> Tuple[str, ...]:
    """Return the machines that were refused so far, each once."""
    return tuple(dict.fromkeys(_REFUSED))


def refuse() -> None:
    """Make every attempt of this process's Python code to look up or reach another machine fail at once."""
    ours = (None, "", "localhost", "127.0.0.1", "::1", socket.gethostname())

    def hook(event: str, arguments: Tuple[Any, ...]) -> None:
        host = _host(event, arguments)
        if host not in ours:
            _REFUSED.append(str(host))
            raise PermissionError(f"the check runs without network and refused to reach {host}")

    sys.addaudithook(hook)


def _host(event: str, arguments: Tuple[Any, ...]) -> Optional[str]:
    """Return the machine that the audited event wants to look up or reach, None when it wants none."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = arguments[1][0]
    else:
        return None
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host
