"""The only place that calls systemctl and journalctl. What they print is data."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import Dict, List, Sequence, Tuple

from ..whisperx_common import process
from ..whisperx_common.wording import printable
from ..whisperx_problem import Problem

__all__ = ["Systemd"]

# Present while systemd is the system's manager: sd_booted(3).
_BOOTED = "/run/systemd/system"
_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "MainPID",
    "NRestarts",
    "FragmentPath",
    "NeedDaemonReload",
    "ConsistsOf",
)
# Seconds that a call may take; a stop waits for the unit's own limit.
_ANSWER = 60
_STOP = 150
_LINES = 20
# Who writes about the processes of a unit: systemd of its jobs, podman of each event of its container.
_KEEPERS = ("systemd", "podman", "conmon")
# Of the lines about a failing unit, systemd writes so many times as many as the unit itself.
_ATTEMPTS = 10


class Systemd:
    """The host's systemd. Methods raise Problem "service.systemd" with what it printed."""

    def __init__(self, booted: str = _BOOTED) -> None:
        self._booted = booted

    def is_there(self) -> bool:
        """Return whether systemd manages this host."""
        return os.path.isdir(self._booted) and shutil.which("systemctl", path=process.PATH) is not None

    def show(self, units: Sequence[str]) -> Dict[str, Dict[str, str]]:
        """Return unit -> its properties."""
        if not units:
            return {}
        told = self._call(["show", "--property=" + ",".join(_PROPERTIES), "--", *units], _ANSWER)
        found: Dict[str, Dict[str, str]] = {}
        blocks = told.strip("\n").split("\n\n")
        for number, name in enumerate(units[: len(blocks)]):
            found[name] = dict(line.split("=", 1) for line in blocks[number].splitlines() if "=" in line)
        return found

    def reload(self) -> None:
        """Read the unit files again."""
        self._call(["daemon-reload"], _ANSWER)

    def enable(self, units: Sequence[str]) -> None:
        """Have units started with what they belong to."""
        self._call(["enable", "--quiet", "--", *units], _ANSWER)

    def disable(self, units: Sequence[str]) -> None:
        """Undo that."""
        self._call(["disable", "--quiet", "--", *units], _ANSWER)

    def restart(self, units: Sequence[str]) -> None:
        """Restart units, or start them. One that was given up before gets its attempts back."""
        self.forget(units)
        self._call(["restart", "--", *units], _STOP)

    def start(self, units: Sequence[str]) -> None:
        """Start units."""
        self._call(["start", "--", *units], _STOP)

    def stop(self, units: Sequence[str]) -> None:
        """Stop units, with everything they started."""
        self._call(["stop", "--", *units], _STOP)

    def forget(self, units: Sequence[str]) -> None:
        """Forget that units failed; those that are not known have nothing to forget."""
        self._run(["systemctl", "reset-failed", "--", *units], _ANSWER)

    def journal(self, unit: str, lines: int = _LINES) -> List[str]:
        """Return the last lines of a unit's journal, fit to be shown; none where there is no journal."""
        return [line for _whose, line in self._journal(unit, lines)]

    def said(self, unit: str, lines: int) -> List[str]:
        """Return the last lines that a unit's own processes wrote; where there are none, those about it.

        After some attempts the others would be the last ones, and hide why each of them failed.
        """
        found = self._journal(unit, lines * _ATTEMPTS)
        own = [line for whose, line in found if whose not in _KEEPERS]
        return own[-lines:] or [line for _whose, line in found[-lines:]]

    def _journal(self, unit: str, lines: int) -> List[Tuple[str, str]]:
        """Return who wrote each of the last lines, and the line."""
        argv = ["journalctl", "--unit=" + unit, "--lines={}".format(lines), "--output=json", "--all"]
        try:
            code, told = self._run([*argv, "--no-pager", "--quiet"], _ANSWER)
        except Problem:
            return []
        found: List[Tuple[str, str]] = []
        for line in told.splitlines() if code == 0 else []:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                # What is no text is a list of bytes.
                words = entry["MESSAGE"]
                words = words if isinstance(words, str) else bytes(words).decode("utf-8", "replace")
                found += [
                    (str(entry.get("SYSLOG_IDENTIFIER")), printable(one))
                    for one in words.splitlines()
                    if one.strip()
                ]
        return found

    def _call(self, arguments: List[str], seconds: int) -> str:
        code, told = self._run(["systemctl", "--no-ask-password", *arguments], seconds)
        if code == 0:
            return told
        last = [printable(line) for line in told.splitlines() if line.strip()][-3:]
        raise Problem(
            "service.systemd",
            "systemctl {} failed: {}".format(arguments[0], " ".join(last) or "exit {}".format(code)),
            " ".join(arguments[1:])[:200],
            "success",
            "Run the same by hand, and see journalctl -xe.",
        )

    def _run(self, argv: List[str], seconds: int) -> Tuple[int, str]:
        environment = {"PATH": process.PATH, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
        try:
            return process.run(argv, environment, seconds)
        except OSError as error:
            raise Problem(
                "service.systemd",
                "{} cannot be run: {}".format(argv[0], error.strerror),
                argv[0],
                "systemd's own programs",
                "Install the package systemd.",
            ) from None
