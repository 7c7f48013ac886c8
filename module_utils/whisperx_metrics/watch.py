"""Put the program that writes the metrics on a host, with its timer, as a follower of the active release."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from ..whisperx_common import trust
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, read_text, write_text
from ..whisperx_common.program import is_same, sources
from ..whisperx_problem import Problem
from ..whisperx_release.followers import Followed, Followers
from ..whisperx_release.model import SERVICES, Layout, State, Step
from ..whisperx_release.runtime import Run
from ..whisperx_service.systemd import Systemd
from ..whisperx_service.units import DIRECTORY
from ..whisperx_service.words import quoted, setting
from .samples import FILE

__all__ = ["SERVICE", "TIMER", "Watch"]

# With an underscore, which no service of a user can have.
SERVICE, TIMER = "whisperx_metrics.service", "whisperx_metrics.timer"
_LINK = DIRECTORY + "/timers.target.wants/" + TIMER
_PACKAGE = "code_of_fleet"
# Written last: the program is whole.
_WHOLE = "whole"
_ENTRY = '''\
"""Part of whisperx-fleet, see docs/monitoring.md there. Called by a timer: metrics.py ROOT DIRECTORY."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from code_of_fleet.whisperx_metrics.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
'''
_UNIT = """\
# Made by whisperx-fleet for {root}; changes are overwritten, drop-ins (systemctl edit) are kept.
[Unit]
Description=Metrics of the WhisperX environment and its services

[Service]
Type=oneshot
ExecStart={command}
Nice=10
TimeoutStartSec=900
ProtectSystem=strict
ReadWritePaths={directory}
PrivateTmp=yes
"""
_TIMED = """\
# Made by whisperx-fleet for {root}; changes are overwritten, drop-ins (systemctl edit) are kept.
[Unit]
Description=Metrics of the WhisperX environment every 15 minutes

[Timer]
OnBootSec=2min
OnUnitActiveSec=15min
AccuracySec=1min

[Install]
WantedBy=timers.target
"""


class Watch(Followers):
    """``directory`` is node_exporter's textfile directory, "" for no metrics, None for what the host has."""

    def __init__(self, directory: Optional[str], systemd: Optional[Systemd] = None) -> None:
        self.directory = directory
        self.systemd = systemd or Systemd()

    def present(self, layout: Layout, state: State, followed: Followed) -> Sequence[Step]:
        """Return what writes program, timer and metrics. Raises Problem "metrics.…"."""
        noted = self._noted(layout)
        directory = (noted or "") if self.directory is None else self.directory
        steps: List[Step] = []
        if noted and noted != directory:
            steps.append(Step("metrics-remove", noted, "Removed the metrics in {}".format(noted)))
        if not directory:
            return steps
        self._check(directory)
        stale = [path for path, text in self._units(layout, directory).items() if read_text(path) != text]
        whole = read_text(_path(layout, _WHOLE)) is not None and is_same(_path(layout, ""), _PACKAGE)
        if stale or not whole or not os.path.lexists(_LINK) or noted != directory:
            sentence = "Wrote {}, which writes {}".format(TIMER, os.path.join(directory, FILE))
            return [
                *steps,
                Step("metrics-write", directory, sentence),
                Step("metrics", directory, may_wait=True),
            ]
        return [Step("metrics", directory, may_wait=True)] if followed.moves else []

    def absent(self, layout: Layout, state: State) -> Sequence[Step]:
        """Return the removal."""
        noted = self._noted(layout)
        return [Step("metrics-remove", noted, "Removed the metrics in {}".format(noted))] if noted else []

    def deeds(self) -> Mapping[str, Callable[..., None]]:
        """Return what the steps do."""
        return {"metrics": self._now, "metrics-write": self._write, "metrics-remove": self._remove}

    def _noted(self, layout: Layout) -> str:
        """Return the directory that the host writes its metrics to, "" for none."""
        return (read_text(_path(layout, "directory")) or "").strip()

    def _check(self, directory: str) -> None:
        if not self.systemd.is_there() or os.geteuid() != 0:
            raise Problem(
                "metrics.no-timer",
                "systemd does not manage this host, or the run is not root's",
                "whisperx_metrics_dir",
                "a host that systemd booted, and become: true",
                "Leave whisperx_metrics_dir empty for this host.",
            )
        if not os.path.isabs(directory) or not os.path.isdir(directory):
            raise Problem(
                "metrics.no-directory",
                "no directory '{}'".format(directory),
                "whisperx_metrics_dir",
                "the directory that node_exporter reads (--collector.textfile.directory)",
                "Install node_exporter first (package prometheus-node-exporter), or correct the path.",
            )
        trust.check({directory: "whisperx_metrics_dir", DIRECTORY: ""}, "metrics.untrusted-directory")

    def _units(self, layout: Layout, directory: str) -> Dict[str, str]:
        """Return path -> text of the units and of what they start."""
        command = ["-I", _path(layout, "metrics.py"), layout.root, directory]
        argv = " ".join([quoted("/usr/bin/python3"), *(quoted(word).replace("$", "$$") for word in command)])
        places = {"root": layout.root, "command": argv, "directory": setting(directory)}
        found = {_path(layout, "metrics.py"): _ENTRY}
        found[os.path.join(DIRECTORY, SERVICE)] = _UNIT.format(**places)
        found[os.path.join(DIRECTORY, TIMER)] = _TIMED.format(**places)
        return found

    def _write(self, run: Run, step: Step) -> None:
        from . import main  # needs the whole audit, which a host that stays as it is does not

        make_directories(_path(run.layout, ""))
        discard(_path(run.layout, _WHOLE))
        discard(_path(run.layout, _PACKAGE), run.layout.root)
        write_text(_path(run.layout, "directory"), step.subject + "\n")
        program = sources(main.__name__, _PACKAGE)
        texts = {_path(run.layout, name): text for name, text in program.items()}
        for path, text in {**texts, **self._units(run.layout, step.subject)}.items():
            make_directories(os.path.dirname(path))
            write_text(path, text, durable=path not in texts)
        run.hooks.settle([_path(run.layout, "")])
        write_text(_path(run.layout, _WHOLE), "")
        self.systemd.reload()
        self.systemd.enable([TIMER])
        self.systemd.start([TIMER])

    def _now(self, run: Run, step: Step) -> None:
        """Write the metrics of what is there now."""
        from . import main

        main.write(run.layout.root, step.subject)

    def _remove(self, run: Run, step: Step) -> None:
        if self.systemd.is_there() and os.path.lexists(os.path.join(DIRECTORY, TIMER)):
            self.systemd.stop([TIMER, SERVICE])
            self.systemd.disable([TIMER])
        for name in (TIMER, SERVICE):
            discard(os.path.join(DIRECTORY, name))
        discard(_LINK)
        if self.systemd.is_there():
            self.systemd.reload()
        if os.path.isdir(step.subject):
            discard(os.path.join(step.subject, FILE))
        discard(_path(run.layout, ""), run.layout.root)


def _path(layout: Layout, name: str) -> str:
    return os.path.normpath(layout.path(SERVICES, "metrics", name))
