"""Services that do not run, or whose unit somebody changed: what systemd and the records of the host say."""

from __future__ import annotations

import os
from typing import Iterator, Mapping, Optional

from ..whisperx_common.files import read_text
from ..whisperx_release.model import Layout
from ..whisperx_service import records
from ..whisperx_service.systemd import Systemd
from ..whisperx_service.units import DIRECTORY, is_ours
from .model import BREAKS, DRIFTED, Item

__all__ = ["services"]


def services(layout: Layout, systemd: Optional[Systemd] = None) -> Iterator[Item]:
    """Yield what is wrong with the services that follow the release; their checks are not run."""
    manager = systemd or Systemd()
    noted = {name: one for name, one in records.all_of(layout).items() if not one.get("dropped")}
    shown = (
        manager.show([unit for one in noted.values() for unit in one["units"]]) if manager.is_there() else {}
    )
    for name, record in noted.items():
        for unit in record["units"]:
            yield from _unit(unit, shown.get(unit, {}), layout)
        if not record.get("healthy"):
            told = "service {} did not pass its check when it was last changed".format(name)
            yield Item(
                "audit.service", BREAKS, "service", told, "Run site.yml: it restarts and checks it.", (name,)
            )


def _unit(unit: str, state: Mapping[str, str], layout: Layout) -> Iterator[Item]:
    active = state.get("ActiveState", "unknown")
    if active != "active":
        result = state.get("Result", "")
        why = " ({})".format(result) if result not in ("", "success") else ""
        told = "{} is {}{}".format(unit, active, why)
        remedy = "See journalctl --unit={}; site.yml starts it.".format(unit)
        yield Item("audit.service", BREAKS, "service", told, remedy, (unit,))
    if not is_ours(read_text(os.path.join(DIRECTORY, unit)) or "", layout.root):
        told = "the unit file of {} is gone, or not the one that was installed".format(unit)
        yield Item(
            "audit.service-unit", DRIFTED, "service", told, "Run site.yml: it writes it again.", (unit,)
        )
