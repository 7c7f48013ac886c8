"""Services as followers of the active release: which steps make them what was asked for, after a switch."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..whisperx_common.wording import named
from ..whisperx_problem import Problem
from ..whisperx_release import uses
from ..whisperx_release.followers import Followed, Followers
from ..whisperx_release.model import Layout, State, Step
from ..whisperx_release.runtime import Deed
from . import contained, records, survey
from .model import Service
from .status import status
from .systemd import Systemd
from .units import TARGET, Unit

__all__ = ["Services"]


class Services(Followers):
    """The services ``asked`` for; None for those that the host notes, as in a rollback."""

    def __init__(self, asked: Optional[Sequence[Service]] = None, systemd: Optional[Systemd] = None) -> None:
        self.asked = asked
        self.systemd = systemd or Systemd()
        self.jobs: Dict[str, survey.Job] = {}
        # Units that sites wrote themselves, restarted with ours.
        self.others: List[str] = []
        self._notes: List[str] = []
        self._restarted: Set[str] = set()

    def present(self, layout: Layout, state: State, followed: Followed) -> Sequence[Step]:
        """Return the steps after the switch. Raises Problem "service.…" before anything is changed."""
        self.jobs, self.others, self._notes, self._restarted = {}, [], [], set()
        noted = {name: one for name, one in records.all_of(layout).items() if not one.get("dropped")}
        services, stopped = self._wanted(noted, followed)
        if not services and not noted:
            return self._hand_written(followed.moves, set(), set())
        there = self.systemd.is_there()
        if services:
            survey.check_host(there)
        steps = [
            Step("service-remove", name, "Removed service {}".format(name))
            for name in sorted(set(noted) - {service.name for service in (*services, *stopped)})
        ]
        steps += [
            Step("service-stop", service.name, "Stopped service {}".format(service.name))
            for service in stopped
        ]
        for service in services:
            self.jobs[service.name] = survey.job_of(layout, service, followed, noted.get(service.name, {}))
        shown = self.systemd.show([unit.name for job in self.jobs.values() for unit in job.units])
        ours = {unit for record in noted.values() for unit in record["units"]}
        if not followed.back:
            survey.check_jobs(list(self.jobs.values()), followed, shown, layout.root, ours)
        old = set() if followed.moves else {one.unit for one, _older in uses.older(layout, state)}
        for job in self.jobs.values():
            steps += self._steps(job, followed, shown, old)
        self._restarted = {step.subject for step in steps if step.kind == "service-restart"}
        return [*steps, *self._hand_written(followed.moves, ours, old)] if there else steps

    def absent(self, layout: Layout, state: State) -> Sequence[Step]:
        """Return the removal of every service that this toolkit put on the host, with its state."""
        found = records.all_of(layout)
        return [
            Step("service-purge", name, "Removed service {} and its state".format(name))
            for name in sorted(found)
        ]

    def notes(self) -> Sequence[str]:
        """Return what the user has to know of the last decision."""
        return self._notes

    def deeds(self) -> Mapping[str, Deed]:
        """Return what the steps do. Loaded late: a converged host never needs it."""
        from .enact import Enact

        return Enact(self).deeds()

    def status(self, layout: Layout) -> Sequence[Dict[str, Any]]:
        """Return each service with its state, health and release, and whether this run restarts it."""
        noted = {name: one for name, one in records.all_of(layout).items() if not one.get("dropped")}
        units = {name: list(one["units"]) for name, one in noted.items()}
        units.update({name: [unit.name for unit in job.units] for name, job in self.jobs.items()})
        try:
            shown = self.systemd.show([unit for name in units for unit in units[name]])
        except Problem:  # the services are the engine's business, how they are is for the report alone
            shown = {}
        return status(noted, units, shown, self._restarted)

    def _wanted(
        self, noted: Mapping[str, Dict[str, Any]], followed: Followed
    ) -> Tuple[List[Service], List[Service]]:
        """Return the services that run with the release, and those that the release has no command for."""
        if self.asked is not None and not followed.back:
            return list(self.asked), []
        found = [service for record in noted.values() for service in records.service_of(record)]
        stopped = [service for service in found if followed.back and _unfit(service, followed)]
        for service in stopped:
            why = _unfit(service, followed)
            self._notes.append(
                "service {} is stopped: release {} {}".format(service.name, followed.release, why)
            )
        return [service for service in found if service not in stopped], stopped

    def _steps(
        self, job: survey.Job, followed: Followed, shown: Mapping[str, Mapping[str, str]], old: Set[str]
    ) -> List[Step]:
        name, record, steps = job.service.name, job.record, []
        stale = survey.stale_files(job)
        # Another check, but the same unit: nothing is restarted for it.
        checks = not stale and record.get("service") != records.raw(job.service)
        if stale or checks:
            sentence = "Wrote {} of service {}".format("the record" if checks else _units(job.units), name)
            steps.append(Step("service-unit", name, sentence))
        moved = followed.moves or bool(stale) or record.get("release") != followed.release
        for unit in job.units:
            state = shown.get(unit.name, {})
            running = state.get("ActiveState") == "active"
            restarts = (
                not running or moved or not record.get("healthy") or unit.name in old or _reloads(state)
            )
            if restarts:
                verb = "Restarted" if running else "Started"
                steps.append(Step("service-restart", unit.name, "{} {}".format(verb, unit.name)))
            elif not checks:
                continue
            told = "Checked {}: {}".format(unit.name, job.service.health.sentence)
            steps.append(Step("service-health", unit.name, told))
        return steps

    def _hand_written(self, moves: bool, ours: Set[str], old: Set[str]) -> List[Step]:
        """Return the restart of units that sites wrote with PartOf=whisperx.target, where they run."""
        if not (moves or old) or os.geteuid() != 0 or not self.systemd.is_there():
            return []
        own = ours | {unit.name for job in self.jobs.values() for unit in job.units}
        try:
            listed = self.systemd.show([TARGET]).get(TARGET, {}).get("ConsistsOf", "").split()
            members = sorted(set(listed) - own)
            states = self.systemd.show(members)
        except Problem as problem:
            # Who runs no services is not stopped by a systemd that does not respond, as in a container.
            if self.asked or ours:
                raise
            self._notes.append("no unit was restarted: {}".format(problem.found))
            return []
        self.others = [
            name
            for name in members
            if states.get(name, {}).get("ActiveState") == "active" and (moves or name in old)
        ]
        return [Step("service-other", name, "Restarted {}".format(name)) for name in self.others]


def _unfit(service: Service, followed: Followed) -> str:
    """Return why a service cannot run with a release, "" if it can."""
    if service.command not in followed.commands:
        return "has no command '{}'".format(service.command)
    refused = contained.refusal(service) if followed.runtime == "container" else None
    return "is in a container: {} ({})".format(refused.found, refused.where) if refused else ""


def _reloads(state: Mapping[str, str]) -> bool:
    return state.get("NeedDaemonReload") == "yes"


def _units(units: Sequence[Unit]) -> str:
    return named([unit.name for unit in units], 3)
