"""The models of result.json."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from scenarios.travel.itinerary import Item, TripResult, TripTask, clock_time, minutes_of

RESULT: dict[str, Any] = {
    "run": "0123",
    "status": "done",
    "task": {
        "destination": "北京",
        "days": 3,
        "budget_cny": 5000,
        "party": {"adults": 2, "children": [5]},
        "must_visit": ["故宫博物院", "中国科学技术馆"],
        "start_date": "2026-12-05",
    },
    "plan": {
        "days": [
            {
                "date": "2026-12-05",
                "items": [
                    {
                        "kind": "visit",
                        "name": "故宫博物院",
                        "start": "08:30",
                        "end": "11:30",
                        "cost_cny": 80,
                        "evidence": ["s1"],
                    }
                ],
            }
        ],
        "hotel": {
            "name": "某酒店",
            "district": "东城区",
            "nights": 2,
            "price_per_night_cny": 480,
            "evidence": ["s2"],
        },
        "budget": {
            "total_cny": 1040,
            "lines": [{"name": "门票", "amount_cny": 80}, {"name": "住宿", "amount_cny": 960}],
        },
        "notes": ["请带身份证"],
    },
    "checks": [{"name": "within_budget", "passed": True, "detail": "1040 ≤ 5000"}],
    "usage": {"model_calls": 17, "input_tokens": 0, "output_tokens": 0, "tool_calls": 0, "wall_s": 0.0},
}


def test_the_published_shape_is_read_and_written_back_without_loss() -> None:
    result = TripResult.model_validate_json(json.dumps(RESULT))
    again = TripResult.model_validate_json(result.model_dump_json())
    assert again == result
    written = json.loads(result.model_dump_json())
    assert written["task"]["start_date"] == "2026-12-05"
    assert written["plan"]["days"][0]["items"][0] == RESULT["plan"]["days"][0]["items"][0]
    assert set(written) == {"run", "status", "task", "plan", "checks", "usage"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("task", "days"), 0),
        (("task", "days"), 2.5),
        (("task", "budget_cny"), -1),
        (("task", "budget_cny"), "5000"),
        (("task", "start_date"), "2026-13-05"),
        (("task", "party", "adults"), 0),
        (("task", "party", "children", 0), 18),
        (("task", "must_visit", 0), "  "),
        (("task", "colour"), "red"),
        (("plan", "days", 0, "items", 0, "start"), "8:30"),
        (("plan", "days", 0, "items", 0, "start"), "08:60"),
        (("plan", "days", 0, "items", 0, "end"), "08:00"),
        (("plan", "days", 0, "items", 0, "cost_cny"), 1.5),
        (("plan", "days", 0, "items", 0, "cost_cny"), True),
        (("plan", "days", 0, "items", 0, "kind"), "party"),
        (("plan", "budget", "total_cny"), 1041),
        (("plan", "hotel", "nights"), -1),
        (("usage", "wall_s"), -0.1),
        (("status",), "perhaps"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(path: tuple[str | int, ...], value: object) -> None:
    broken = json.loads(json.dumps(RESULT))
    node = broken
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    with pytest.raises(ValidationError) as caught:
        TripResult.model_validate_json(json.dumps(broken))
    place = caught.value.errors()[0]["loc"]
    assert path[: len(place)] == place


def test_times_past_midnight_count_on() -> None:
    late = Item(kind="visit", name="夜场", start="23:30", end="25:10")
    assert minutes_of(late.end) - minutes_of(late.start) == 100
    assert clock_time(minutes_of("25:10")) == "25:10"


def test_a_trip_of_one_day_has_no_night() -> None:
    task = TripTask.model_validate(RESULT["task"] | {"days": 1})
    assert task.nights == 0
    assert task.party.size == 3
    assert task.party.youngest == 5
