"""Tools by name, loading them, and what agents get of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, Tool
from pydantic import BaseModel

from runtime.errors import UsageError
from tools.errors import ToolFault
from tools.execute import Surroundings
from tools.faults import parse_faults
from tools.outcome import ToolOutcome
from tools.registry import ToolRegistry
from tools.spec import Fallback, RetryPolicy
from tools.tool import tool

ONCE = RetryPolicy(retries=0)


@tool(effect="read", retry=ONCE, fallback=Fallback("calendar", rename={"date": "start"}))
async def ticket(name: str, date: str, adults: int = 1) -> str:
    return f"{name} {date} {adults}"


@tool(effect="read", retry=ONCE, fallback="facts")
async def calendar(name: str, start: str, days: int = 7) -> str:
    return f"{name} from {start} for {days}"


@tool(effect="read", retry=ONCE)
async def facts(name: str) -> str:
    return name


class Recorded(BaseTool[BaseModel, ToolOutcome]):
    """Notes each call of the tool that it wraps, as the journal does."""

    def __init__(self, inner: Tool, calls: list[tuple[str, dict[str, Any]]]) -> None:
        super().__init__(inner.args_type(), ToolOutcome, inner.name, inner.description)
        self._inner, self._calls = inner, calls

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> ToolOutcome:
        raise AssertionError("chains call run_json")

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        self._calls.append((self.name, dict(args)))
        return {**await self._inner.run_json(args, cancellation_token, call_id), "evidence": f"step-{self.name}"}


async def call(
    registry: ToolRegistry, name: str, arguments: dict[str, Any], *rules: dict[str, Any]
) -> tuple[ToolOutcome, list[tuple[str, dict[str, Any]]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    tools = registry.wrapped(lambda single: Recorded(single, calls), Surroundings(parse_faults(rules)))
    public = next(each for each in tools if each.name == name)
    return ToolOutcome.model_validate(await public.run_json(arguments, CancellationToken())), calls


GIVEN = {"name": "天坛", "date": "2026-12-05", "adults": 2}


async def test_a_tool_that_answers_is_asked_alone() -> None:
    got, calls = await call(ToolRegistry([ticket, calendar, facts]), "ticket", GIVEN)
    assert got.value == "天坛 2026-12-05 2" and got.tool == "ticket" and [name for name, _ in calls] == ["ticket"]


async def test_the_fallback_answers_with_renamed_arguments_and_its_own_name() -> None:
    registry = ToolRegistry([ticket, calendar, facts])
    got, calls = await call(registry, "ticket", GIVEN, {"tool": "ticket", "error": "unavailable"})
    assert got.status == "ok" and got.tool == "calendar" and got.value == "天坛 from 2026-12-05 for 7"
    assert calls[1] == ("calendar", {"name": "天坛", "start": "2026-12-05"})


async def test_a_chain_of_fallbacks_goes_on_and_tells_all_failures() -> None:
    registry = ToolRegistry([ticket, calendar, facts])
    down: list[dict[str, Any]] = [{"tool": name, "error": "unavailable"} for name in ("ticket", "calendar")]
    got, _ = await call(registry, "ticket", GIVEN, *down)
    assert (got.tool, got.value) == ("facts", "天坛")
    got, calls = await call(registry, "ticket", GIVEN, *down, {"tool": "facts", "error": "failed"})
    assert got.status == "failed" and got.tool == "ticket" and got.error is not None and len(calls) == 3
    assert got.error.code == "unavailable" and "the fallback facts: facts: failed" in got.error.message


async def test_what_a_wrapper_adds_to_an_outcome_reaches_the_agent() -> None:
    for rules, step in (([], "step-ticket"), ([{"tool": "ticket", "error": "unavailable"}], "step-calendar")):
        around = Surroundings(parse_faults(rules))
        public = ToolRegistry([ticket, calendar, facts]).wrapped(lambda single: Recorded(single, []), around)[0]
        assert (await public.run_json(GIVEN, CancellationToken()))["evidence"] == step


async def test_an_answer_about_the_world_is_final() -> None:
    registry = ToolRegistry([ticket, calendar, facts])
    got, calls = await call(registry, "ticket", GIVEN, {"tool": "ticket", "error": "sold_out"})
    assert got.status == "failed" and got.error is not None and got.error.code == "sold_out" and len(calls) == 1


async def test_an_irreversible_tool_falls_back_only_when_surely_nothing_happened() -> None:
    registry = ToolRegistry([facts, calendar])

    @tool(fallback="facts")
    async def book(name: str) -> None:
        raise TimeoutError

    registry.add(book)
    got, calls = await call(registry, "book", {"name": "天坛"})
    assert got.error is not None and got.error.code == "timeout" and [name for name, _ in calls] == ["book"]


async def test_tools_keep_their_schema_and_effect_in_front_of_agents() -> None:
    public = ToolRegistry([calendar, facts]).wrapped()[0]
    assert public.schema == calendar.schema and public.name == "calendar"
    result = await public.run_json({"name": "天坛", "start": "x"}, CancellationToken())
    assert public.return_value_as_string(result) == '"天坛 from x for 7"'


def test_a_cycle_of_fallbacks_is_named() -> None:
    registry = ToolRegistry([ticket, calendar, facts.changed(fallback=Fallback("calendar"))])
    with pytest.raises(UsageError, match="cycle: calendar → facts → calendar"):
        registry.check()


def test_an_unknown_fallback_is_named_with_the_nearest() -> None:
    registry = ToolRegistry([facts, calendar.changed(fallback=Fallback("fact"))])
    with pytest.raises(UsageError, match="'calendar': fallback: found 'fact', expected 'facts'"):
        registry.check()


def test_names_are_unique_and_unknown_ones_get_the_nearest_offered() -> None:
    registry = ToolRegistry([facts])
    with pytest.raises(UsageError, match="'facts' is there twice"):
        registry.add(facts)
    with pytest.raises(UsageError, match="found 'fcts', expected 'facts'"):
        registry.get("fcts")
    assert registry.names() == ["facts"]


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")


async def test_two_lines_in_a_module_of_the_user_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    write(tmp_path, "family_prices", "def price(city: str, nights: int = 1) -> int:\n    return 300 * nights\n")
    registry = ToolRegistry()
    made = registry.load("family_prices:price", folder=tmp_path, effect="read")
    got, _ = await call(registry, "price", {"city": "北京", "nights": "2"})
    assert got.value == 600 and made.effect == "read" and registry.names() == ["price"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("price", "expected module:function, for example"),
        ("no_such_module:price", "no module 'no_such_module' in .* and the Python path"),
        ("family_faults:prise", "has no 'prise'; expected 'price'"),
        ("family_faults:untyped", "parameter 'city' has no type"),
        ("family_faults:LIMIT", "found int, expected a function or a tool"),
        ("family_broken:price", "importing family_broken failed: ZeroDivisionError"),
    ],
)
def test_a_wrong_reference_is_refused_clearly(
    reference: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    for name in ("family_faults", "family_broken"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    text = "LIMIT = 3\ndef price(city: str) -> int:\n    return 1\ndef untyped(city):\n    return 1\n"
    write(tmp_path, "family_faults", text)
    write(tmp_path, "family_broken", "1 / 0\n")
    with pytest.raises(UsageError, match=message):
        ToolRegistry().load(reference, folder=tmp_path)


async def test_a_fault_of_the_fallback_ends_the_chain() -> None:
    @tool(effect="read", retry=ONCE, fallback="facts")
    async def closed_calendar(name: str) -> None:
        raise ToolFault("closed", "周一闭馆")

    registry = ToolRegistry([closed_calendar, facts, calendar, ticket.changed(fallback=Fallback("closed_calendar"))])
    got, calls = await call(registry, "ticket", GIVEN, {"tool": "ticket", "error": "unavailable"})
    assert got.status == "failed" and [name for name, _ in calls] == ["ticket", "closed_calendar"]
    assert got.error is not None and "周一闭馆" in got.error.message
