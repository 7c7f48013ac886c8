"""What is there of a service and what should be: files, units, ports, users. Nothing is changed here."""

from __future__ import annotations

import difflib
import glob
import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ..whisperx_common import trust
from ..whisperx_common.files import read_text
from ..whisperx_problem import Problem
from ..whisperx_release.followers import Followed
from ..whisperx_release.model import Layout
from . import contained, health, listeners, records, words
from .model import Service, variables
from .units import DIRECTORY, TARGET, Place, Unit, is_ours, target_text, unit_text, units_of

__all__ = [
    "Job",
    "check_host",
    "check_job",
    "check_jobs",
    "check_shared",
    "gpus",
    "job_of",
    "links_of",
    "place_of",
    "stale_files",
]

_GPUS = "/proc/driver/nvidia/gpus"
# Of whisperx_firstboot, whose unit says by its state whether the machine fits.
FIRST_BOOT = "whisperx-firstboot.service"
# The unit hides these, or gives the service its own of them; a container has its own of the last ones.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
_APART = ("/proc", "/sys", "/dev")
_WANTS = "{}/{}.wants/{}"


@dataclass(frozen=True)
class Job:
    """One service as it should be: its units and the text of every file, by path; those below ``secret`` are
    for root alone.
    """

    service: Service
    units: Tuple[Unit, ...]
    files: Mapping[str, str]
    secret: str
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dropped(self) -> List[str]:
        """Units that the service had and no longer has."""
        now = {unit.name for unit in self.units}
        return [name for name in self.record.get("units") or [] if name not in now]


def place_of(layout: Layout) -> Place:
    """Return where the launch scripts and the records are."""
    return Place(layout.root, os.path.dirname(layout.launcher("x")), records.directory(layout))


def gpus(directory: str = _GPUS) -> List[str]:
    """Return the host's GPUs by their identifiers, in the order of the bus; by number without a UUID."""
    found: List[str] = []
    for path in sorted(glob.glob(os.path.join(directory, "*", "information"))):
        match = re.search(r"^GPU UUID:\s*(GPU-[0-9a-fA-F-]{36})\s*$", read_text(path) or "", re.MULTILINE)
        found.append(match.group(1) if match else str(len(found)))
    nodes = [path for path in os.listdir("/dev") if re.fullmatch(r"nvidia[0-9]+", path)]
    return found or [str(number) for number in range(len(nodes))]


def job_of(layout: Layout, service: Service, followed: Followed, record: Mapping[str, Any]) -> Job:
    """Return a service as it should be. Raises Problem "service.no-gpu", "service.runtime"."""
    uses_gpu = service.gpu if service.gpu is not None else followed.device == "cuda"
    devices = gpus() if service.instances == 0 else []
    if service.instances == 0 and not devices:
        raise Problem(
            "service.no-gpu",
            "no GPU",
            "whisperx_services.{}.instances".format(service.name),
            "at least one, with the NVIDIA driver loaded",
            "Install the driver, or set instances to a number.",
        )
    refused = contained.refusal(service) if followed.runtime == "container" else None
    if refused:
        raise refused
    place, units, gpu = place_of(layout), units_of(service, devices), uses_gpu or service.instances == 0
    # On a machine of a baked image, nothing runs before the verdict.
    waits = FIRST_BOOT if os.path.lexists(os.path.join(DIRECTORY, FIRST_BOOT)) else ""
    files = {
        os.path.join(DIRECTORY, unit.name): unit_text(service, unit, place, gpu, followed.runtime, waits)
        for unit in units
    }
    files[os.path.join(DIRECTORY, TARGET)] = target_text()
    secret = place.environment(service.name)
    files[secret] = words.environment_text(variables(service))
    return Job(service, units, files, secret, record)


def stale_files(job: Job) -> List[str]:
    """Return the files of a service, and the links that enable its units, that are not as they should be."""
    found = [path for path, text in job.files.items() if read_text(path) != text]
    found += [path for path in links_of(job) if not os.path.lexists(path)]
    found += [os.path.join(DIRECTORY, name) for name in job.dropped]
    secret = job.secret
    if secret not in found and os.stat(secret).st_mode & 0o077:
        found.append(secret)
    return found


def links_of(job: Job) -> Dict[str, str]:
    """Return the links that enable the units of a service, with what they lead to."""
    links = {_WANTS.format(DIRECTORY, TARGET, unit.name): unit.name for unit in job.units}
    links[_WANTS.format(DIRECTORY, "multi-user.target", TARGET)] = TARGET
    return {path: os.path.join(DIRECTORY, name) for path, name in links.items()}


def check_host(there: bool) -> None:
    """Raise Problem where services cannot be run at all; ``there``: whether systemd manages the host."""
    where = "whisperx_services"
    if os.geteuid() != 0:
        raise Problem(
            "service.not-root",
            "user id {}".format(os.geteuid()),
            where,
            "root, to write units",
            "Run with become: true.",
        )
    if not there:
        raise Problem(
            "service.no-systemd",
            "systemd does not manage this host",
            where,
            "a host that systemd booted",
            "Take this host out of whisperx_services, or start the command by its own means.",
        )
    trust.check({DIRECTORY: ""}, "service.untrusted-directory")


def check_jobs(
    jobs: Sequence[Job],
    followed: Followed,
    shown: Mapping[str, Mapping[str, str]],
    root: str,
    ours: Set[str],
) -> None:
    """Raise Problem for the first service that could not run: before anything is changed.

    ``shown``: what systemd says of each unit, ``ours``: the units that this toolkit made for the root.
    """
    for job in jobs:
        check_job(job, followed, shown, root)
    check_shared(jobs)
    running = {listeners.user_of(state.get("MainPID", "")) for name, state in shown.items() if name in ours}
    _check_ports(jobs, ours, running - {-1, 0})


def check_job(job: Job, followed: Followed, shown: Mapping[str, Mapping[str, str]], root: str) -> None:
    """Raise Problem where a service could not run, whatever else runs on the host."""
    _check_commands(job.service, followed)
    if job.service.user:
        health.account(job.service.user)
    for path in job.service.writable:
        _check_writable(job.service, path, root, followed.runtime == "container")
    for unit in job.units:
        _check_foreign(unit.name, shown.get(unit.name, {}), root)
    _check_foreign(TARGET, {}, root)


def _check_writable(service: Service, path: str, root: str, inside: bool) -> None:
    """Raise Problem for what is no directory to write to. ``inside``: whether it is a container that does."""
    where = "whisperx_services.{}.writable".format(service.name)
    if not os.path.isdir(path):
        raise Problem(
            "service.no-directory",
            "no directory {}".format(path),
            where,
            "a directory that exists",
            "Make it first, and let the service's user write to it.",
        )
    real, releases = os.path.realpath(path), os.path.realpath(root)
    wrong = [top for top in (*_APART, *(() if inside else _HIDDEN)) if _overlap(real, top)]
    if _overlap(real, releases):
        wrong = [releases]
    if wrong or real == "/":
        raise Problem(
            "service.unfit-directory",
            path if real == path else "{}, which is {}".format(path, real),
            where,
            "a directory outside of {}".format(wrong[0] if wrong else "the system's own"),
            "Use one such as /srv/{0}; /var/lib/whisperx-{0} is the service's own.".format(service.name),
        )


def _overlap(one: str, other: str) -> bool:
    """Return whether one of two real paths lies in the other."""
    common = os.path.commonpath([one, other])
    return common in (one, other) and one != "/"


def _check_commands(service: Service, followed: Followed) -> None:
    named = [("command", service.command)]
    named += [("health.command", word) for word in service.health.argv[:1]]
    for key, word in named:
        if word.startswith("/") and key != "command":
            if not os.access(word, os.X_OK) or os.path.isdir(word):
                raise _unknown(service, key, word, "no program {}".format(word), "a program on the host")
        elif word not in followed.commands:
            found = "release {} has no command '{}'".format(followed.release, word)
            wanted = "one of its commands: {}".format(", ".join(sorted(followed.commands)) or "none")
            raise _unknown(service, key, word, found, wanted, followed.commands)


def _unknown(
    service: Service, key: str, word: str, found: str, wanted: str, commands: Sequence[str] = ()
) -> Problem:
    close = difflib.get_close_matches(word, commands, 1)
    remedy = (
        "Did you mean '{}'?".format(close[0])
        if close
        else "Name the package that has it in whisperx_plan_extras."
    )
    where = "whisperx_services.{}.{}".format(service.name, key)
    return Problem("service.unknown-command", found, where, wanted, remedy)


def _check_foreign(name: str, state: Mapping[str, str], root: str) -> None:
    """Raise Problem "service.foreign-unit" when a unit of that name exists that is not ours."""
    own = os.path.join(DIRECTORY, name)
    path = state.get("FragmentPath") or own
    masked = state.get("LoadState") == "masked" or (os.path.islink(own) and os.path.lexists(own))
    text: Optional[str] = None if masked else read_text(path)
    if not masked and (text is None or (path == own and is_ours(text, root))):
        return
    raise Problem(
        "service.foreign-unit",
        "a unit {} that this toolkit did not make for {}{}".format(name, root, " (masked)" if masked else ""),
        own if masked else path,
        "no unit of that name",
        "Give the service another name in whisperx_services, or remove that unit.",
    )


def check_shared(jobs: Sequence[Job]) -> None:
    """Raise Problem "service.port-in-use" where two instances would listen on one port."""
    taken: Dict[int, str] = {}
    for job, unit, port in _ports(jobs):
        if port in taken:
            raise _in_use(port, job.service, "{}, also in whisperx_services".format(taken[port]))
        taken[port] = unit.name


def _check_ports(jobs: Sequence[Job], ours: Set[str], users: Set[int]) -> None:
    """Raise Problem "service.port-in-use". Where the process of a socket cannot be seen, its user tells."""
    wanted = list(_ports(jobs))
    open_ports = listeners.listening() if wanted else {}
    for job, _unit, port in wanted:
        if port not in open_ports:
            continue
        found = listeners.owners(open_ports[port])
        unseen = not found and not users.issuperset(open_ports[port].values())
        if unseen or any(owner[2] not in ours for owner in found):
            raise _in_use(port, job.service, _owner(found))


def _ports(jobs: Sequence[Job]) -> Iterator[Tuple[Job, Unit, int]]:
    for job in jobs:
        for unit in job.units:
            for port in listeners.ports_of(job.service, unit):
                yield job, unit, port


def _owner(found: Sequence[listeners.Listener]) -> str:
    if not found:
        return "a process that cannot be seen"
    pid, name, unit = found[0]
    return "process {} ({}){}".format(pid, name, " of " + unit if unit else "")


def _in_use(port: int, service: Service, by: str) -> Problem:
    return Problem(
        "service.port-in-use",
        "port {} is in use by {}".format(port, by),
        "whisperx_services." + service.name,
        "a port that is free",
        "Stop that program, or give the service another port.",
    )
