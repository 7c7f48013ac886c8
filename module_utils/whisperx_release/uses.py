"""Which processes of the host use a release: read from /proc, never asked of the processes themselves.

A program goes on with the files it was started with, and loads others of them late. So a release that a
process uses is not pruned, and an audit names what still runs an older one. Only the mapped files find every
process: the program of an environment is the system's Python, and its directory is /. Source: proc(5).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Pattern, Sequence, Set, Tuple

from ..whisperx_common.proc import PROC, link, others, read, root
from ..whisperx_common.wording import named, printable
from .model import Layout, State

__all__ = ["PROC", "Process", "images", "listed", "older", "using"]

# Processes that a sentence names.
_SHOWN = 3
_UNIT = re.compile(r"[^/]+\.service\Z")


@dataclass(frozen=True)
class Process:
    """One process. ``runs`` are the releases whose files it has mapped, or whose image it runs; ``holds``
    those that its directory or its environment name; ``unit`` is its systemd unit, "" for none.
    """

    pid: int
    name: str
    unit: str
    runs: Tuple[str, ...]
    holds: Tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The process for people."""
        of = " of {}".format(self.unit) if self.unit else ""
        return "process {} ({}){}".format(self.pid, self.name, of)


def images(state: State) -> Dict[str, str]:
    """Return image -> release of every release that is run in a container."""
    found = {str(release.value("image")): name for name, release in state.releases.items()}
    return {image: name for image, name in found.items() if image}


def using(
    layout: Layout, state: Optional[State] = None, names: Sequence[str] = (), proc: str = PROC
) -> Dict[str, List[Process]]:
    """Return release -> the processes that use it; of ``names`` only, when there are any.

    With ``state`` also those that run the image of a release. What this user may not read is left out, and so
    are processes with another root directory: their paths are not this host's.
    """
    found: Dict[str, List[Process]] = {}
    for process in _processes(layout, images(state) if state else {}, proc):
        for name in sorted({*process.runs, *process.holds}):
            if not names or name in names:
                found.setdefault(name, []).append(process)
    return found


def older(layout: Layout, state: State, proc: str = PROC) -> List[Tuple[Process, str]]:
    """Return the processes that run another release than the active one, each with that release."""
    return [
        (process, other)
        for process in _processes(layout, images(state), proc)
        for other in sorted(set(process.runs) - {state.current})[:1]
    ]


def listed(processes: Sequence[Process]) -> str:
    """Return processes for people."""
    return named([process.sentence for process in processes], _SHOWN)


def _processes(layout: Layout, marks: Mapping[str, str], proc: str) -> Iterator[Process]:
    """Yield the processes that use any release below the root, but this one."""
    tops = [top.encode() + b"/" for top in sorted({layout.releases, os.path.realpath(layout.releases)})]
    pattern = re.compile(b"(?:" + b"|".join(map(re.escape, tops)) + b")([^/\\0\\n:]+)")
    # In a container that may not look into processes of others, this is all that can be seen of them.
    program = re.compile(pattern.pattern.join((b"\\A(?:[^\0]*\0)?", b"/bin/")))
    ours = root("self", proc)
    for pid in others(proc):
        if root(pid, proc) != ours:
            continue
        command = read(pid, "cmdline", proc)
        mapped = _named(pattern, read(pid, "maps", proc) + b"\n" + link(pid, "exe", proc))
        mapped |= _named(program, command) | _images(command, marks)
        holds = _named(pattern, read(pid, "environ", proc) + b"\n" + link(pid, "cwd", proc))
        if mapped or holds:
            name = printable(read(pid, "comm", proc).decode("utf-8", "replace").strip()) or "?"
            unit = _unit(read(pid, "cgroup", proc))
            yield Process(pid, name, unit, tuple(sorted(mapped)), tuple(sorted(holds - mapped)))


def _named(pattern: Pattern[bytes], text: bytes) -> Set[str]:
    """Return the releases that a text names. One that was removed has " (deleted)" after the file's name."""
    ended = {found.group(1) for found in pattern.finditer(text)}
    return {os.fsdecode(name).partition(" (deleted)")[0] for name in ended}


def _images(command: bytes, marks: Mapping[str, str]) -> Set[str]:
    """Return the releases whose image is an argument of a process: an engine that runs a container."""
    arguments = [os.fsdecode(word) for word in command.split(b"\0")]
    return {marks[word] for word in arguments[1:] if word in marks}


def _unit(groups: bytes) -> str:
    """Return the system's unit that a process belongs to, "" for none, or one of a user's own manager."""
    for line in groups.decode("utf-8", "replace").splitlines():
        parts = line.partition(":")[2].partition(":")[2].split("/")
        if parts and _UNIT.match(parts[-1]) and not any(part.startswith("user@") for part in parts):
            return printable(parts[-1])
    return ""
