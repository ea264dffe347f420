"""One call of one tool, from the arguments as a model gives them to the outcome that it reads."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from autogen_core import CancellationToken
from pydantic import BaseModel, Field

from runtime.errors import BudgetExceeded
from tools.errors import ToolFault, TransientFault
from tools.execute import Surroundings
from tools.faults import Faults, parse_faults
from tools.outcome import ToolOutcome, ToolRetry
from tools.signature import CallId
from tools.spec import Match, RetryPolicy
from tools.tool import SingleTool, tool


@dataclass
class Waits:
    """Remembers the waits between retries instead of waiting."""

    seconds: list[float] = field(default_factory=list[float])

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def outcome(single: SingleTool, **arguments: Any) -> ToolOutcome:
    result = await single.run_json(arguments, CancellationToken(), call_id="call-1")
    json.dumps(result)
    return ToolOutcome.model_validate(result)


class Line(BaseModel):
    name: str
    amount_cny: float


@tool(effect="read")
async def trip(
    day: date,
    nights: Annotated[int, Field(ge=1, le=30)] = 1,
    ages: list[int] = [],  # noqa: B006 - what a user may well write
    lines: list[Line] | None = None,
    pool: bool = False,
    style: Literal["quick", "slow"] = "slow",
) -> dict[str, object]:
    """Echoes its arguments."""
    return {"day": day, "nights": nights, "ages": ages, "lines": lines, "pool": pool, "style": style}


async def test_valid_arguments_are_converted_and_the_result_is_json() -> None:
    got = await outcome(trip, day="2026-12-05", nights=2, lines=[{"name": "门票", "amount_cny": 60}])
    assert got.status == "ok" and got.attempts == 1 and got.tool == "trip" and got.repairs == []
    assert got.value == {
        "day": "2026-12-05",
        "nights": 2,
        "ages": [],
        "lines": [{"name": "门票", "amount_cny": 60.0}],
        "pool": False,
        "style": "slow",
    }


@pytest.mark.parametrize(
    ("field_name", "found", "used"),
    [
        ("day", "2026年12月5日", "2026-12-05"),
        ("day", "2026/12/5", "2026-12-05"),
        ("day", "2026-12-05T00:00:00", "2026-12-05"),
        ("day", 20261205, "2026-12-05"),
        ("nights", "3", 3),
        ("nights", "3晚", 3),
        ("nights", "两", 2),
        ("nights", "十二", 12),
        ("nights", 3.0, 3),
        ("ages", "5岁和8岁", [5, 8]),
        ("ages", "[5, 8]", [5, 8]),
        ("ages", ["5岁"], [5]),
        ("ages", 5, [5]),
        ("ages", "无", []),
        ("lines", "null", None),
        ("lines", [{"name": "a", "amount_cny": "¥1,200元"}], [{"name": "a", "amount_cny": 1200.0}]),
        ("pool", "是", True),
        ("style", "QUICK", "quick"),
    ],
)
async def test_a_value_of_a_clear_meaning_is_converted_and_recorded(field_name: str, found: Any, used: Any) -> None:
    got = await outcome(trip, **{"day": "2026-12-01", field_name: found})
    assert got.status == "ok" and isinstance(got.value, dict)
    assert got.value[field_name] == used
    assert [(r.field, r.found) for r in got.repairs] == [(field_name, found)]


@pytest.mark.parametrize(
    ("field_name", "found"),
    [("day", "下周六"), ("day", "05/12/2026"), ("day", "2026-02-30"), ("nights", "几"), ("nights", 99), ("ages", "x")],
)
async def test_an_unclear_value_goes_back_to_the_model(field_name: str, found: Any) -> None:
    got = await outcome(trip, **{"day": "2026-12-01", field_name: found})
    assert got.status == "retry" and got.attempts == 0 and got.error is not None
    assert got.error.code == "invalid_arguments"
    assert field_name in got.error.message and str(found) in got.error.message


async def test_missing_and_unknown_arguments_are_named() -> None:
    got = await outcome(trip, city="北京")
    assert got.status == "retry" and got.error is not None
    assert "day: missing" in got.error.message
    assert "city: no such parameter; there are day, nights" in got.error.message


async def test_a_misspelt_parameter_name_is_repaired() -> None:
    got = await outcome(trip, Day="2026-12-05", nigths=2)
    assert got.status == "ok" and isinstance(got.value, dict) and got.value["nights"] == 2
    assert [(r.found, r.used) for r in got.repairs] == [("Day", "day"), ("nigths", "nights")]


def known(text: str) -> Match:
    if text in ("故宫", "故官", "故宫博物院"):
        return Match("故宫博物院")
    return Match(None, ("天坛", "地坛") if text == "日坛" else ())


@tool(effect="read", repairers={"name": known})
async def lookup(name: str) -> str:
    return name


async def test_a_repairer_finds_the_known_value() -> None:
    got = await outcome(lookup, name="故官")
    assert got.value == "故宫博物院"
    assert got.repairs[0].model_dump() == {"field": "name", "found": "故官", "used": "故宫博物院"}
    assert (await outcome(lookup, name="故宫博物院")).repairs == []


async def test_an_ambiguous_value_is_sent_back_with_candidates() -> None:
    got = await outcome(lookup, name="日坛")
    assert got.status == "retry" and got.error is not None and got.error.code == "not_found"
    assert "天坛, 地坛" in got.error.message


async def test_all_wrong_arguments_are_told_at_once() -> None:
    @tool(effect="read", repairers={"name": known})
    async def ticket(name: str, day: date) -> str:
        return name

    got = await outcome(ticket, name="日坛", day="soon")
    assert got.error is not None and "天坛, 地坛" in got.error.message and 'day: found "soon"' in got.error.message


async def test_a_value_unlike_anything_known_fails() -> None:
    got = await outcome(lookup, name="埃菲尔铁塔")
    assert got.status == "failed" and got.error is not None and got.error.code == "not_found"


async def test_transient_faults_are_retried_after_1_2_and_4_seconds() -> None:
    waits = Waits()

    @tool(effect="read")
    async def flaky() -> int:
        raise TransientFault("busy")

    got = await outcome(flaky.within(Surroundings(sleep=waits.sleep)))
    assert got.status == "failed" and got.attempts == 4 and waits.seconds == [1, 2, 4]
    assert got.error is not None and got.error.code == "unavailable" and got.error.message == "busy"


async def test_a_retried_call_that_succeeds_counts_its_attempts() -> None:
    waits, left = Waits(), [TransientFault("busy"), TransientFault("busy")]

    @tool(effect="irreversible")
    async def flaky() -> int:
        if left:
            raise left.pop()
        return 7

    got = await outcome(flaky.within(Surroundings(sleep=waits.sleep)))
    assert (got.status, got.value, got.attempts, waits.seconds) == ("ok", 7, 3, [1, 2])


async def test_a_timeout_of_a_read_is_retried() -> None:
    waits = Waits()

    @tool(effect="read", timeout_s=0.01, retry=RetryPolicy(retries=1))
    async def slow() -> None:
        await asyncio.Event().wait()

    got = await outcome(slow.within(Surroundings(sleep=waits.sleep)))
    assert got.error is not None and got.error.code == "timeout" and got.attempts == 2 and waits.seconds == [1]


@pytest.mark.parametrize(("error", "code"), [(TimeoutError(), "timeout"), (ConnectionResetError(), "failed")])
async def test_an_irreversible_call_that_may_have_happened_is_not_tried_again(error: Exception, code: str) -> None:
    @tool
    async def book() -> None:
        raise error

    got = await outcome(book)
    assert got.attempts == 1 and got.error is not None and got.error.code == code
    assert "whether it took effect is not known" in got.error.message


async def test_a_lost_connection_of_a_read_is_unavailable() -> None:
    @tool(effect="read", retry=RetryPolicy(retries=0))
    def fetch() -> None:
        raise ConnectionRefusedError

    got = await outcome(fetch)
    assert got.error is not None and got.error.code == "unavailable"


async def test_a_final_fault_is_not_retried_and_may_carry_facts() -> None:
    @tool(effect="read", error_codes=["closed"])
    async def ticket() -> None:
        raise ToolFault("closed", "周一闭馆", value={"next_open": "2026-12-08"})

    got = await outcome(ticket)
    assert got.status == "failed" and got.attempts == 1 and got.value == {"next_open": "2026-12-08"}
    assert got.error is not None and got.error.code == "closed"


async def test_an_unexpected_error_shows_neither_its_text_nor_a_traceback() -> None:
    @tool(effect="read")
    async def leaky() -> None:
        raise ValueError("key sk-123 refused")

    got = await outcome(leaky)
    assert got.status == "failed" and got.error is not None
    assert got.error.code == "failed" and got.error.message == "leaky: unexpected ValueError"


async def test_errors_of_the_run_pass_through() -> None:
    @tool
    async def costly() -> None:
        raise BudgetExceeded("enough")

    with pytest.raises(BudgetExceeded):
        await outcome(costly)


async def test_a_tool_may_send_the_model_back() -> None:
    @tool(effect="read")
    async def pick(n: int) -> int | ToolRetry:
        return ToolRetry("n must be even") if n % 2 else n

    assert (await outcome(pick, n=2)).value == 2
    got = await outcome(pick, n=3)
    assert got.status == "retry" and got.error is not None and got.error.message == "n must be even"


async def test_a_result_of_another_type_than_declared_is_a_failure() -> None:
    @tool(effect="read")
    async def wrong() -> int:
        return "many"  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - the fault under test

    got = await outcome(wrong)
    assert got.error is not None and got.error.code == "failed" and "not of the declared type" in got.error.message


async def test_sync_functions_run_in_a_thread_and_may_ask_for_the_call_id() -> None:
    @tool
    def book(name: str, key: CallId, token: CancellationToken) -> str:
        assert not token.is_cancelled()
        return f"{name}:{key}"

    assert "key" not in book.schema["parameters"]["properties"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
    assert (await outcome(book, name="a")).value == "a:call-1"


async def test_a_cancelled_token_cancels_the_call() -> None:
    started = asyncio.Event()

    @tool
    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    token = CancellationToken()
    call = asyncio.ensure_future(forever.run_json({}, token))
    await started.wait()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


def faults(*rows: dict[str, object]) -> Faults:
    return parse_faults(rows).resolved({"lookup": lookup.spec, "trip": trip.spec})


async def test_a_fault_rule_matches_repaired_arguments() -> None:
    rules = faults({"tool": "lookup", "when": {"name": "故宫"}, "error": "sold_out"})
    got = await outcome(lookup.within(Surroundings(faults=rules)), name="故官")
    assert got.status == "failed" and got.error is not None and got.error.code == "sold_out"
    assert got.repairs[0].used == "故宫博物院"


async def test_a_fault_rule_leaves_other_calls_alone() -> None:
    rules = faults({"tool": "trip", "when": {"day": date(2026, 12, 5), "nights": 2}, "error": "closed"})
    single = trip.within(Surroundings(faults=rules))
    assert (await outcome(single, day="2026-12-05", nights=2)).status == "failed"
    assert (await outcome(single, day="2026-12-06", nights=2)).status == "ok"


async def test_a_transient_fault_rule_fails_the_first_attempts_of_each_call() -> None:
    waits = Waits()
    rules = faults({"tool": "lookup", "error": "unavailable", "times": 2})
    single = lookup.within(Surroundings(rules, waits.sleep))
    for _ in range(2):
        got = await outcome(single, name="故宫")
        assert got.status == "ok" and got.attempts == 3
    assert waits.seconds == [1, 2, 1, 2]


async def test_an_injected_timeout_of_an_irreversible_tool_is_not_tried_again() -> None:
    @tool
    async def book() -> None:
        raise AssertionError("the rule comes first")

    rules = parse_faults([{"tool": "book", "error": "timeout"}])
    got = await outcome(book.within(Surroundings(rules)))
    assert got.attempts == 1 and got.error is not None and got.error.code == "timeout"
    assert "injected" in got.error.message
