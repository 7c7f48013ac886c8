"""The program that the package manager calls. Exit 10 stops the package run; everything else lets it go on.

Whatever goes wrong here is no reason to stop anybody: it is told on standard error and to the system log.
"""

from __future__ import annotations

import os
import signal
import sys
import syslog
from typing import Any, Dict, List, Mapping, Sequence

from ..whisperx_common.files import read_json
from . import dpkg, rpm
from .judge import Surroundings, judge
from .managed import managed
from .model import Change, Config, Found, rows

__all__ = ["CONFIG", "STOP", "main"]

# The exit status that stops the run. The hook lets every other one pass, also those of a program that is
# missing or was killed.
STOP = 10
CONFIG = "guard.json"
_NAME = "whisperx-guard"
_SWITCH = "WHISPERX_GUARD"
_APT_SWITCH = "WhisperX::Guard"
_OFF = ("off", "0", "no", "false")
# Seconds after which a check that hangs is given up.
_PATIENCE = 60


def main(manager: str, directory: str, text: str, environment: Mapping[str, str]) -> int:
    """Judge the run that ``manager`` ("apt", "dnf") announced in ``text``; return the exit status.

    ``directory`` has the configuration.
    """
    try:
        signal.signal(signal.SIGALRM, _give_up)
        signal.alarm(_PATIENCE)
        return _run(manager, directory, text, environment)
    except Exception as error:
        _say("could not check this run, so it continues: {}: {}".format(type(error).__name__, error))
        return 0
    finally:
        signal.alarm(0)


def _give_up(number: int, frame: Any) -> None:
    raise TimeoutError("no result within {} s".format(_PATIENCE))


def _run(manager: str, directory: str, text: str, environment: Mapping[str, str]) -> int:
    value = read_json(os.path.join(directory, CONFIG))
    if value is None:
        raise ValueError("{} is missing or damaged".format(os.path.join(directory, CONFIG)))
    config = Config.read(value)
    options: Dict[str, str] = {}
    if manager == "apt":
        options, changes = dpkg.parse(text)
    else:
        changes = rpm.parse(text)
    off = environment.get(_SWITCH, "").lower() in _OFF or options.get(_APT_SWITCH, "").lower() in _OFF
    own, known = _own(manager, changes), rows(config.packages)
    found = judge(own, managed(config.roots), known, _surroundings(manager))
    if not found:
        return 0
    stops = config.mode == "block" and not off and any(item.in_use for item in found)
    _tell(found, manager, stops, off)
    return STOP if stops else 0


def _own(manager: str, changes: Sequence[Change]) -> List[Change]:
    """Return the changes of the machine's own architecture: a 32-bit library is none of ours."""
    machine = os.uname().machine
    own = (dpkg.ARCHITECTURES.get(machine, machine), "all") if manager == "apt" else (machine, "noarch")
    return [change for change in changes if change.arch in own]


def _surroundings(manager: str) -> Surroundings:
    try:
        family, _separator, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        family, version = "", ""
    glibc = version if family == "glibc" else ""
    if manager == "apt":
        return Surroundings(glibc, os.uname().machine, dpkg.owns, dpkg.installed)
    return Surroundings(glibc, os.uname().machine, rpm.owns, rpm.installed)


def _tell(found: Sequence[Found], manager: str, stops: bool, off: bool) -> None:
    if stops:
        _say("stopped before anything was changed.")
    else:
        _say("this run continues ({}), but:".format("the guard is off" if off else "the guard only warns"))
    for item in found:
        kept = "" if item.in_use else "(kept for a rollback, not active) "
        _say("{}: {}{}".format(item.problem.rule, kept, item.problem.sentence()))
    if stops:
        apt = ", or the option -o {}=off".format(_APT_SWITCH) if manager == "apt" else ""
        _say("To continue anyway, this once: {}=off before the command{}.".format(_SWITCH, apt))


def _say(sentence: str) -> None:
    """Tell a person on standard error, and the system log. Neither may be in the way."""
    try:
        sys.stderr.write("{}: {}\n".format(_NAME, sentence))
        sys.stderr.flush()
    except OSError:
        pass
    syslog.openlog(_NAME)
    syslog.syslog(syslog.LOG_WARNING, sentence)
