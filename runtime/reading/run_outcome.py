"""What came of a run: how it ended, its result, and what it took. Read from its events and few of its blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from runtime.beginning import beginning
from runtime.budget import Price
from runtime.codec import Json, parse
from runtime.errors import CorruptEvent
from runtime.events import AnyEvent, RunCompleted, RunForked, StepCompleted, StepStarted
from runtime.journal import Journal
from runtime.reading.run_summary import RunStatus, RunSummary, reason_of, summarised
from runtime.routing import Routes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    run: str
    status: RunStatus
    failure: str
    """Why it does not go on, in words; empty where it does, and where it is done."""
    result: Json
    """None for a run without one."""
    counts: Mapping[str, float]
    """Model calls, tool calls, tokens, retries, cost (where prices are known), seconds, events."""

    @property
    def checks(self) -> Mapping[str, bool]:
        """The checks that the result lists, where it lists some."""
        result: Any = self.result
        try:
            listed: list[Any] = result["checks"]
            return {str(each["name"]): bool(each["passed"]) for each in listed}
        except (KeyError, TypeError):
            return {}


async def outcome_of(journal: Journal, run: str, events: Sequence[AnyEvent]) -> Outcome:
    """The outcome of a run with these events."""
    summary = summarised(run, None, events) or RunSummary(run)
    answers = [event.result for event in events if isinstance(event, RunCompleted)]
    result = _inner(parse(await journal.blob(answers[-1]))) if answers else None
    counts = _counts(events, await prices_of(journal, events))
    return Outcome(run, summary.status, reason_of(events), result, counts)


async def prices_of(journal: Journal, events: Sequence[AnyEvent]) -> dict[str, Price]:
    """What the run's models cost, by their names, as its budget says; none where that cannot be read."""
    began = beginning(events)
    try:
        routes = None if began is None else msgspec.json.decode(await journal.blob(began.routes), type=Routes)
    except (CorruptEvent, msgspec.DecodeError):
        return {}
    return {} if routes is None else dict(routes.budget.prices)


def seconds_of(events: Sequence[AnyEvent]) -> float:
    """How long a run was at work: from its first event to its last, without the time until it was forked."""
    waited = sum(after.at - before.at for before, after in pairwise(events) if isinstance(after, RunForked))
    return max(0.0, events[-1].at - events[0].at - waited)


def _inner(result: Json) -> Json:
    """The result itself, out of the message and the answer that carry it."""
    for name in ("data", "result"):
        if isinstance(result, Mapping) and name in result:
            result = result[name]
    return result


def _counts(events: Sequence[AnyEvent], prices: Mapping[str, Price]) -> dict[str, float]:
    started = {event.step: event for event in events if isinstance(event, StepStarted)}
    ended = [(started[event.step], event) for event in events if isinstance(event, StepCompleted)]
    counts: dict[str, float] = {
        "model calls": sum(step.kind == "model" for step, _ in ended),
        "tool calls": sum(step.kind == "tool" for step, _ in ended),
        "not performed": sum(event.origin != "live" for _, event in ended),
        "input tokens": sum(event.usage.get("input_tokens", 0) for _, event in ended),
        "output tokens": sum(event.usage.get("output_tokens", 0) for _, event in ended),
        "retries": sum(event.attempts - 1 for _, event in ended),
    }
    if prices:
        counts["cost"] = sum(_cost(step, event, prices) for step, event in ended)
    return {**counts, "seconds": round(seconds_of(events), 3), "events": len(events)}


def _cost(step: StepStarted, ended: StepCompleted, prices: Mapping[str, Price]) -> float:
    price = prices.get(step.name)
    if price is None or ended.origin != "live":
        return 0.0
    return price.of(ended.usage.get("input_tokens", 0), ended.usage.get("output_tokens", 0))
