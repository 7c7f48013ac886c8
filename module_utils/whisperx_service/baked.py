"""Services of an image: units that are enabled and not started. Each needs the first boot's good verdict.

There is no systemd to ask while an image is made, and nothing of the machine that it will run on: no GPUs to
count, no ports in use.
"""

from __future__ import annotations

import os
from typing import Any, List, Mapping, Sequence

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, link, names_in, read_json, write_json, write_text
from ..whisperx_problem import Problem
from ..whisperx_release.followers import Followed
from ..whisperx_release.model import Layout
from ..whisperx_release.records import RECORD
from . import records, survey
from .model import Service
from .units import DIRECTORY, TARGET

__all__ = ["inspect", "install"]


def inspect(layout: Layout, services: Sequence[Service], promised: Sequence[Followed]) -> None:
    """Raise Problem "service.…" for what the image's releases could not run, before they are built.

    ``promised``: the releases with the commands that their plans and locks bring.
    """
    _check(layout, _jobs(layout, services, promised, {}), promised)


def install(layout: Layout, services: Sequence[Service], releases: Sequence[str], check: bool) -> List[str]:
    """Write units, environment files and records; return what was done, or with ``check`` would be.

    ``releases``: those of the image, any of which the first boot may choose. Raises Problem "service.…".
    """
    followed, noted = [_followed(layout, name) for name in releases], records.all_of(layout)
    jobs = _jobs(layout, services, followed, noted)
    # In a dry run the releases may not be there yet.
    _check(layout, jobs, [one for one in followed if one.commands or not check])
    there = {name for name, record in noted.items() if not record.get("dropped")}
    gone = sorted(there - {service.name for service in services})
    done = ["Removed service {}".format(name) for name in gone]
    if not check:
        for name in gone:
            _remove(layout, name, noted[name])
    for job in jobs:
        if survey.stale_files(job) or job.record.get("service") != records.raw(job.service):
            done.append("Wrote {}".format(", ".join(unit.name for unit in job.units)))
            if not check:
                _write(layout, job)
    return done


def _jobs(
    layout: Layout,
    services: Sequence[Service],
    followed: Sequence[Followed],
    noted: Mapping[str, Mapping[str, Any]],
) -> List[survey.Job]:
    """Return the services as they should be, on whichever release."""
    for service in services:
        _refuse(service)
    device = "cuda" if "cuda" in {one.device for one in followed} else "cpu"
    any_of = Followed(" or ".join(one.release for one in followed), (), device)
    return [survey.job_of(layout, service, any_of, noted.get(service.name, {})) for service in services]


def _check(layout: Layout, jobs: Sequence[survey.Job], followed: Sequence[Followed]) -> None:
    """Raise Problem for the first service that could not run on one of the releases."""
    for job in jobs:
        for one in followed:
            survey.check_job(job, one, {}, layout.root)
    survey.check_shared(jobs)


def _refuse(service: Service) -> None:
    """Raise Problem for what cannot be known, or must not be, in an image."""
    if service.instances == 0:
        raise Problem(
            "service.no-gpu",
            "one instance per GPU, in an image",
            "whisperx_services.{}.instances".format(service.name),
            "a number: how many GPUs a machine has is known when it boots",
            "Set a number, or run site.yml on the machine.",
        )
    if service.secrets:
        raise Problem(
            "service.secret-in-image",
            "secrets, in an image",
            "whisperx_services.{}.secrets".format(service.name),
            "none: everybody who has the image has them",
            "Give them to each machine: run site.yml there, or let cloud-init write a drop-in.",
        )


def _followed(layout: Layout, release: str) -> Followed:
    """Return what is true of a release that was built."""
    record = read_json(os.path.join(layout.release(release), RECORD)) or {}
    commands = sorted(names_in(os.path.join(layout.release(release), "launch")))
    return Followed(release, tuple(commands), "cuda" if record.get("device") == "cuda" else "cpu")


def _write(layout: Layout, job: survey.Job) -> None:
    """Write a service, the record first: whatever is there is known to be ours."""
    make_directories(records.directory(layout))
    units = [unit.name for unit in job.units]
    record = {"schema": records.SCHEMA, "name": job.service.name, "service": records.raw(job.service)}
    # Not healthy: the first run of site.yml on the machine checks it.
    states = sorted({*units, *records.states_of(job.record)})
    record.update(units=units, states=states, release="", healthy=False, dropped=False)
    write_json(records.path(layout, job.service.name), record, 0o600)
    _unlink(job.dropped)
    for path, text in job.files.items():
        make_directories(os.path.dirname(path))
        write_text(path, text, 0o600 if path == job.secret else 0o644)
    for path, target in survey.links_of(job).items():
        make_directories(os.path.dirname(path))
        link(path, target)


def _remove(layout: Layout, name: str, record: Mapping[str, Any]) -> None:
    """Remove units and environment; the record stays for what a removal of all will remove, its states."""
    _unlink(record["units"])
    discard(survey.place_of(layout).environment(name))
    write_json(records.path(layout, name), records.dropped(name, record["units"], record), 0o600)


def _unlink(units: Sequence[str]) -> None:
    for unit in units:
        discard(os.path.join(DIRECTORY, TARGET + ".wants", unit))
        discard(os.path.join(DIRECTORY, unit))
