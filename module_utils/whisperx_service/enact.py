"""The deeds on services, and the way back: a service that does not become healthy takes its host back."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, names_in, read_text, write_json, write_text
from ..whisperx_problem import Problem
from ..whisperx_release.back import switch_back
from ..whisperx_release.model import Step
from ..whisperx_release.runtime import Deed, Run
from . import health, records, survey
from .model import variables
from .units import DIRECTORY, TARGET, Unit, instances_of

__all__ = ["Enact"]

_LINES = 5
# Where systemd keeps what belongs to a unit, with a user of its own and without.
_STATE = ("/var/lib", "/var/lib/private", "/var/log", "/var/log/private", "/var/cache", "/var/cache/private")


class Enact:
    """What one run does to services. ``followers`` is a `follow.Services` after its decision."""

    def __init__(self, followers: Any) -> None:
        self._followers = followers
        self._systemd = followers.systemd
        self._healthy: Set[str] = set()
        self._begun = False
        self._records: Dict[str, Dict[str, Any]] = {}
        # The text of every file that may change, None for one that was not there.
        self._texts: Dict[str, Optional[str]] = {}

    def deeds(self) -> Mapping[str, Deed]:
        """Return the deed of each kind of step."""
        return {
            "service-remove": self._remove,
            "service-purge": self._purge,
            "service-stop": self._stop,
            "service-unit": self._write,
            "service-restart": self._restart,
            "service-health": self._check,
            "service-other": self._other,
        }

    def _begin(self, run: Run) -> None:
        """Keep what is there, for the way back."""
        if self._begun:
            return
        self._begun, self._records = True, records.all_of(run.layout)
        place, names = survey.place_of(run.layout), set(self._records) | set(self._followers.jobs)
        units = {unit for record in self._records.values() for unit in record["units"]}
        units |= {TARGET} | {unit.name for job in self._followers.jobs.values() for unit in job.units}
        paths = [os.path.join(DIRECTORY, unit) for unit in sorted(units)]
        for name in sorted(names):
            paths += [place.environment(name), records.path(run.layout, name)]
        self._texts = {path: read_text(path) for path in paths}

    def _remove(self, run: Run, step: Step) -> None:
        """Remove a service; its state stays, and the record that says so."""
        self._begin(run)
        record = self._records[step.subject]
        self._take_away(record["units"])
        discard(survey.place_of(run.layout).environment(step.subject))
        self._drop(run, step.subject, record["units"])
        where = ", ".join("/var/lib/" + unit[: -len(".service")] for unit in record["units"])
        run.outcome.notes.append("left the state of service {} in {}".format(step.subject, where))

    def _drop(self, run: Run, name: str, units: List[str]) -> None:
        """Note that a service is gone but for its state."""
        gone = records.dropped(name, units, self._records.get(name) or {})
        write_json(records.path(run.layout, name), gone, 0o600)

    def _purge(self, run: Run, step: Step) -> None:
        """Remove a service and everything it wrote in the directories that systemd made for it."""
        self._begin(run)
        self._take_away(self._records[step.subject]["units"])
        for unit in records.states_of(self._records[step.subject]):
            for top in _STATE:
                discard(os.path.join(top, unit[: -len(".service")]), top)
        discard(survey.place_of(run.layout).environment(step.subject))
        discard(records.path(run.layout, step.subject))

    def _stop(self, run: Run, step: Step) -> None:
        self._begin(run)
        self._note(run, step.subject, healthy=False)
        self._systemd.stop(self._records[step.subject]["units"])

    def _write(self, run: Run, step: Step) -> None:
        """Write units and environment; the record first, so that whatever is there is known to be ours."""
        self._begin(run)
        job = self._followers.jobs[step.subject]
        make_directories(records.directory(run.layout))
        self._note(run, step.subject, healthy=False)
        self._take_away(job.dropped)
        for path, text in job.files.items():
            write_text(path, text, 0o600 if path == job.secret else 0o644)
        self._systemd.reload()
        self._systemd.enable([TARGET, *(unit.name for unit in job.units)])

    def _restart(self, run: Run, step: Step) -> None:
        self._begin(run)
        job, _named = self._unit(step.subject)
        self._note(run, job.service.name, healthy=False)
        try:
            self._systemd.restart([step.subject])
        except Problem as problem:
            raise self._undone(run, step, problem.found) from None

    def _other(self, run: Run, step: Step) -> None:
        self._begin(run)
        try:
            self._systemd.restart([step.subject])
        except Problem as problem:
            raise self._undone(run, step, problem.found) from None

    def _check(self, run: Run, step: Step) -> None:
        job, unit = self._unit(step.subject)
        wrong = health.wait(
            job.service, unit, survey.place_of(run.layout).launch, variables(job.service), self._systemd
        )
        if wrong:
            raise self._undone(run, step, wrong)
        self._healthy.add(unit.name)
        checked = {one.subject for one in run.decision.steps if one.kind == "service-health"}
        if all(one.name in self._healthy or one.name not in checked for one in job.units):
            self._note(run, job.service.name, healthy=True)
            self._systemd.start([TARGET])

    def _undone(self, run: Run, step: Step, wrong: str) -> Problem:
        """Take the host back to what it was; return what went wrong, and how far the host came back."""
        lines = self._systemd.said(step.subject, _LINES)
        said = "; its last lines: " + " | ".join(lines) if lines else ""
        found = "{} did not become healthy: {}{}".format(step.subject, wrong, said)
        wanted = "a service that passes its check"
        job = next((one for one in self._followers.jobs.values() if step.subject in _names(one.units)), None)
        if job is not None:
            wanted = "{} within {} s".format(job.service.health.sentence, job.service.health.within)
        remedy = "See journalctl --unit={}. ".format(step.subject)
        try:
            remedy += self._back(run)
        except Problem as problem:
            remedy += "The host did not come back to what it was: {}".format(problem.found)
        return Problem("service.unhealthy", found, "whisperx_services", wanted, remedy)

    def _back(self, run: Run) -> str:
        """Let release, units and services be as before the run; return a sentence that says so."""
        release = switch_back(run)
        changed = [path for path, text in self._texts.items() if _is_unit(path) and read_text(path) != text]
        if not release and not changed:
            return "Nothing else was changed."
        new = [path for path in changed if self._texts[path] is None and not path.endswith(TARGET)]
        self._take_away([os.path.basename(path) for path in new])
        for path, text in self._texts.items():
            if text is None and not path.endswith(TARGET):
                discard(path)
            elif text is None:
                continue
            elif read_text(path) != text:
                write_text(path, text, 0o644 if _is_unit(path) else 0o600)
        for name in set(self._followers.jobs) - set(self._records):
            self._drop(run, name, [os.path.basename(path) for path in new if _belongs(path, name)])
        self._systemd.reload()
        self._sweep_target()
        active = release or run.decision.release
        ill = [name for name in sorted(self._records) if not self._revive(run, name, active)]
        for unit in self._followers.others if release else []:
            self._systemd.restart([unit])
        had = any(not record.get("dropped") for record in self._records.values())
        return _came_back(release, ill, had)

    def _revive(self, run: Run, name: str, release: str) -> bool:
        """Restart a service as it was before the run; return whether it is healthy."""
        record = self._records[name]
        for service in records.service_of(record):
            units = instances_of(service, record["units"])
            try:
                self._systemd.enable([TARGET, *(unit.name for unit in units)])
                self._systemd.restart([unit.name for unit in units])
            except Problem:
                return False
            launch = survey.place_of(run.layout).launch
            for unit in units:
                if health.wait(service, unit, launch, variables(service), self._systemd):
                    return False
            found = dict(record, release=release, healthy=True, at=run.hooks.now())
            write_json(records.path(run.layout, name), found, 0o600)
        return True

    def _take_away(self, units: List[str]) -> None:
        """Stop and forget units, and remove their files."""
        known = [unit for unit in units if os.path.lexists(os.path.join(DIRECTORY, unit))]
        there = self._systemd.is_there()
        if known and there:
            self._systemd.stop(known)
            self._systemd.disable(known)
        for unit in units:
            discard(os.path.join(DIRECTORY, TARGET + ".wants", unit))
            discard(os.path.join(DIRECTORY, unit))
        if known and there:
            self._sweep_target()
            self._systemd.reload()
            self._systemd.forget(known)
        elif known:
            self._sweep_target()

    def _sweep_target(self) -> None:
        """Remove the target when no unit of ours belongs to it any more."""
        own = names_in(os.path.join(DIRECTORY, TARGET + ".wants"))
        path = os.path.join(DIRECTORY, TARGET)
        if own or not os.path.lexists(path):
            return
        if self._systemd.is_there():
            self._systemd.disable([TARGET])
            # It would stop with it what a site wrote with PartOf=.
            if not self._systemd.show([TARGET])[TARGET].get("ConsistsOf"):
                self._systemd.stop([TARGET])
        discard(path)
        discard(os.path.join(DIRECTORY, "multi-user.target.wants", TARGET))
        discard(os.path.join(DIRECTORY, TARGET + ".wants"))

    def _note(self, run: Run, name: str, healthy: bool) -> None:
        """Write the record of a service; before a change with ``healthy`` false."""
        job = self._followers.jobs.get(name)
        record: Dict[str, Any] = dict(self._records.get(name) or {})
        states = set(records.states_of(record))
        if job is not None:
            units = [unit.name for unit in job.units]
            kept = [unit for unit in record.get("units") or [] if unit not in units and not healthy]
            record.update(service=records.raw(job.service), units=units + kept)
            record["states"] = sorted(states | set(units))
        record.update(schema=records.SCHEMA, name=name, healthy=healthy, at=run.hooks.now(), dropped=False)
        record["release"] = run.decision.release if healthy else ""
        write_json(records.path(run.layout, name), record, 0o600)

    def _unit(self, name: str) -> Tuple[survey.Job, Unit]:
        for job in self._followers.jobs.values():
            for unit in job.units:
                if unit.name == name:
                    return job, unit
        raise AssertionError("a step on {}, which no decision named".format(name))


def _names(units: Any) -> List[str]:
    return [unit.name for unit in units]


def _is_unit(path: str) -> bool:
    return path.startswith(DIRECTORY + os.sep)


def _belongs(path: str, name: str) -> bool:
    return os.path.basename(path).partition(".")[0].partition("@")[0] == "whisperx-" + name


def _came_back(release: str, ill: List[str], had: bool) -> str:
    to = "The host runs {} again".format(release) if release else "The units are as they were"
    if not had:
        return to + "; the services were removed."
    if ill:
        return "{}, but not healthy: {}.".format(to, ", ".join(ill))
    return to + ", and its services are healthy there."
