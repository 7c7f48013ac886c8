"""Every test of the engine that takes ``make`` or ``host`` runs once per runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.whisperx_release.release_hosts import HOSTS, Host


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
