"""The model of a roll-out never beats what lines and cards allow, and comes near it with enough forks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulate import Site, limit, wall

MODES = ("direct", "connection", "http")
RATES = st.floats(1e6, 1e10)


@pytest.mark.parametrize("mode", MODES)
@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=6),
    st.integers(1, 200),
    st.floats(1, 1e10),
    RATES,
    RATES,
)
def test_nobody_is_faster_than_the_limit(
    mode: str, sizes: list[int], forks: int, payload: float, line: float, card: float
) -> None:
    site = Site(payload, line, line, card)
    assert wall(mode, sizes, forks, site) >= 0.999 * limit(mode, sum(sizes), site)


@pytest.mark.parametrize("mode", MODES)
def test_with_a_thousand_hosts_it_comes_near(mode: str) -> None:
    site = Site(4.2e9, 1e9 / 8, 1e10 / 8, 1e9 / 8)
    assert wall(mode, [1, 4, 100, 500, 395], 100, site) < 1.3 * limit(mode, 1000, site)
