"""The formula of a transfer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.travel.catalogue import Area
from tools.travel.transfer import straight_km, transfer, ways_for

PALACE, SCIENCE, WALL = (
    Area("故宫", 39.9163, 116.3972),
    Area("科技馆", 40.0043, 116.3986),
    Area("长城", 40.3560, 116.0090),
)


def test_the_distance_is_that_of_the_great_circle() -> None:
    assert straight_km(PALACE, SCIENCE) == pytest.approx(9.79, abs=0.02)
    assert straight_km(PALACE, PALACE) == 0


@pytest.mark.parametrize(
    ("km", "mode", "minutes", "cost"),
    [
        (0.0, "步行", 0, 0),
        (1.0, "步行", 15, 0),
        (6.0, "地铁", 27, 3),
        (13.2, "地铁", 40, 5),
        (30.0, "地铁", 72, 6),
        (40.0, "出租车", 59, 128),
    ],
)
def test_the_mode_fits_the_distance(km: float, mode: str, minutes: int, cost: int) -> None:
    best = ways_for(km)[0]
    assert (best.mode, best.minutes, best.cost_cny) == (mode, minutes, cost)


def test_a_transfer_names_its_ends_and_the_other_ways() -> None:
    got = transfer(PALACE, SCIENCE)
    assert (got.origin, got.destination, got.mode, got.distance_km) == ("故宫", "科技馆", "地铁", 13.2)
    assert [way.mode for way in got.others] == ["出租车"] and "每人" in got.note
    assert transfer(PALACE, WALL).mode == "出租车" and "每车" in transfer(PALACE, WALL).note


@given(st.floats(0, 200), st.floats(0, 200))
def test_a_longer_way_takes_no_less_time_by_the_same_mode(one: float, other: float) -> None:
    near, far = ways_for(min(one, other)), ways_for(max(one, other))
    for way in near:
        for longer in far:
            assert way.mode != longer.mode or (way.minutes <= longer.minutes and way.cost_cny <= longer.cost_cny)
