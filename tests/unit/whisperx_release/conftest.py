"""Every test of the engine that takes ``make`` or ``host`` runs once per runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.whisperx_release.release_hosts import HOSTS, Host


@pytest.fixture(scope="module", autouse=True)
def no_power_cut() -> Iterator[None]:
    """Do not wait for the disk: a kill loses nothing that was written, and nobody cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(params=sorted(HOSTS))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Host]:
    """Return what makes a host of a name."""

    def made(name: str = "host", keep: int = 2) -> Host:
        return HOSTS[request.param](tmp_path / name, keep)

    return made


@pytest.fixture
def host(make: Callable[..., Host]) -> Host:
    """Return an empty host."""
    return make()


@pytest.fixture
def upgraded(host: Host) -> Host:
    """Return a host that went from 1.0 to 2.0."""
    host.present("1.0")
    host.present("2.0")
    return host
