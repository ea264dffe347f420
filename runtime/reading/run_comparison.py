"""What two runs have in common and where they part, with the cause, read from their journals.

`runtime/diff.py` lays them side by side; here the contents of what differs are fetched, and put into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from runtime.beginning import sure_beginning
from runtime.codec import Json, canonical, parse
from runtime.diff import Alignment, Row, aligned
from runtime.events import (
    AnyEvent,
    Digest,
    MessageSent,
    RunStarted,
    StepCompleted,
    StepStarted,
)
from runtime.ids import ROOT
from runtime.journal import Journal
from runtime.reading.causes import MEANINGS, RunCause, cause_of_request, cause_of_result
from runtime.reading.compared import compared
from runtime.reading.doings import content_of, request_of
from runtime.reading.lineage import Hop, Lineage
from runtime.reading.run_outcome import Outcome, outcome_of
from runtime.reading.run_tree import DeliveryNode, MessageNode, StepNode, tree_of
from runtime.references import named, named_in_link


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference in words."""

    cause: RunCause
    what: str
    lines: tuple[str, ...]
    """What A has (`-`) and what B has (`+`)."""
    row: Row
    path: tuple[Hop, ...] = ()
    """The deliveries of A that led there."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        a, b = self.row.a, self.row.b
        return {
            "cause": self.cause,
            "what": self.what,
            "a": None if a is None else {"id": a.id, "seq": a.seq},
            "b": None if b is None else {"id": b.id, "seq": b.seq},
            "difference": list(self.lines),
            "path": [{"seq": hop.seq, "agent": str(hop.agent), "message": hop.message_type} for hop in self.path],
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side."""

    a: Outcome
    b: Outcome
    alignment: Alignment
    first: Difference | None
    """Where they part; None for runs in which the same was done."""
    notes: tuple[str, ...]
    """Other scenarios, other versions; that the order alone differs."""
    result: tuple[str, ...]
    """How the results differ."""

    @property
    def is_same(self) -> bool:
        """Whether nothing that was done differs."""
        return self.first is None


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    events: list[AnyEvent]
    started: RunStarted
    blobs: dict[Digest, bytes]

    def blob(self, name: Digest) -> bytes:
        return self.blobs.get(name, canonical({"lost": "the journal does not have this"}))


async def compare(journal: Journal, a: str, b: str) -> Comparison:
    """Compares two runs of one journal.

    Raises:
        UsageError: one of them does not exist.
        CorruptEvent: one of them has no beginning, or is damaged.
    """
    one, other = await _read(journal, a), await _read(journal, b)
    alignment = aligned(tree_of(one.events), tree_of(other.events))
    first = None
    if alignment.first is not None:
        for run, node in ((one, alignment.first.a), (other, alignment.first.b)):
            await _fetch(journal, run, node)
        first = explained(alignment.first, one, other)
    outcomes = [await outcome_of(journal, run.name, run.events) for run in (one, other)]
    result = tuple(compared(_timeless(outcomes[0].result), _timeless(outcomes[1].result)))
    notes = [*_notes_on_order(alignment), *_notes(one, other)]
    return Comparison(outcomes[0], outcomes[1], alignment, first, tuple(notes), result)


async def _read(journal: Journal, run: str) -> _Run:
    events = await journal.events(run)
    started = sure_beginning(run, events)
    return _Run(run, events, started, await journal.blobs({started.spec}))


async def _fetch(journal: Journal, run: _Run, node: object) -> None:
    """Reads what a node names, with its prompt and the messages on the way to it."""
    events = _events_of(node)
    wanted = {name for event in events for name in named(event)}
    wanted |= set(Lineage(run.events).payloads(_delivery_of(node)))
    run.blobs.update(await journal.blobs(wanted - run.blobs.keys()))
    for event in events:
        if isinstance(event, StepStarted) and event.kind == "model":
            await _fetch_prompt(journal, run, event)


async def _fetch_prompt(journal: Journal, run: _Run, asked: StepStarted) -> None:
    request = parse(run.blob(asked.request))
    links = [str(request["prompt"])] if isinstance(request, Mapping) and "prompt" in request else []
    while links:
        run.blobs.update(await journal.blobs(set(links) - run.blobs.keys()))
        links = named_in_link(parse(run.blob(links[0])))


def _events_of(node: object) -> list[AnyEvent]:
    match node:
        case StepNode(started=started, completed=completed):
            return [started] if completed is None else [started, completed]
        case MessageNode(event=event):
            return [event]
        case DeliveryNode(started=begun, completed=ended):
            return [begun] if ended is None else [begun, ended]
        case _:
            return []


def explained(row: Row, a: _Run, b: _Run) -> Difference:
    """A difference with its cause; what both rows name has been fetched."""
    cause, what = _cause(row, a, b)
    before = None if row.a is None else _content(row, row.a, a)
    now = None if row.b is None else _content(row, row.b, b)
    if cause == "message" and row.status == "changed" and _timeless(before) == _timeless(now):
        cause, what = "time", f"{row.node.label} differs in its time and in ids only"
    path = () if row.a is None else Lineage(a.events).path(_delivery_of(row.a), a.blob)
    return Difference(cause, what, tuple(compared(before, now)), row, path)


def _cause(row: Row, a: _Run, b: _Run) -> tuple[RunCause, str]:
    label, node = row.node.label, row.node
    match row.aspect, row.a, row.b:
        case "order", _, _:
            theirs = row.b.label if row.b is not None else "nothing"
            return "order", f"an agent was told of {label} first in A, and of {theirs} first in B"
        case "asked", StepNode(started=mine), StepNode(started=theirs_started):
            if mine.name != theirs_started.name and mine.request == theirs_started.request:
                return "model settings", f"{mine.name} was asked in A, {theirs_started.name} in B"
            cause = cause_of_request(mine.kind, request_of(mine, a.blob), request_of(theirs_started, b.blob))
            return cause, f"{label} was asked something else"
        case "result", StepNode(started=mine), _:
            return cause_of_result(mine.kind), f"{label} was asked the same and answered something else"
        case "failure", _, _:
            return "failure", f"{label} failed in one of them only, or in another way"
        case "said", MessageNode(event=MessageSent(cause="root")), _:
            return "input", "the runs were given different requests"
        case (("said" | "answer"), _, _):
            return "message", f"something else was said: {label}"
        case _:
            where = "A" if row.a is not None else "B"
            is_step = isinstance(node, StepNode)
            cause = ("missing step" if where == "A" else "extra step") if is_step else "message"
            return cast(RunCause, cause), f"{label} is in {where} only"


def _content(row: Row, node: object, run: _Run) -> Json:
    match node:
        case StepNode(completed=StepCompleted() as completed) if row.aspect in ("result", "failure"):
            return _result(completed, run)
        case StepNode(started=started):
            return content_of(started, run.blob)
        case MessageNode(event=event):
            return content_of(event, run.blob)
        case DeliveryNode(completed=completed) if completed is not None:
            return content_of(completed, run.blob)
        case _:
            return None


def _result(completed: StepCompleted, run: _Run) -> Json:
    if completed.result is not None:
        return {"result": parse(run.blob(completed.result))}
    failure = completed.failure
    return {"failure": None if failure is None else {"type": failure.type, "message": failure.message}}


def _delivery_of(node: object) -> str:
    match node:
        case StepNode(started=started):
            return started.delivery
        case MessageNode(event=event):
            return event.cause
        case DeliveryNode(started=begun):
            return begun.delivery
        case _:
            return ROOT


_OF_THE_RUN = ("run", "wall_s", "spent", "evidence")
"""Entries of a result that differ from run to run by themselves (ids of steps among them), or are counted already."""


def _timeless(result: Json) -> Json:
    """A result without what is of its run alone."""
    if isinstance(result, Mapping):
        return {name: _timeless(value) for name, value in result.items() if name not in _OF_THE_RUN}
    if isinstance(result, list | tuple):
        return [_timeless(value) for value in result]
    return result


def _notes_on_order(found: Alignment) -> list[str]:
    if found.first is not None and found.first.aspect == "order":
        return ["nothing else differs"] if found.count("same") == len(found.rows) else []
    agents = ", ".join(str(agent) for agent in found.reordered)
    return [f"{agents} got messages or answers in another order, which made no difference there"] if agents else []


def _notes(a: _Run, b: _Run) -> list[str]:
    notes: list[str] = []
    if a.started.spec != b.started.spec:
        lines = compared(parse(a.blobs[a.started.spec]), parse(b.blobs[b.started.spec]))
        notes += ["the scenarios differ:", *(f"  {line}" for line in lines)]
    names = sorted(a.started.versions.keys() | b.started.versions.keys())
    for name in names:
        mine, theirs = a.started.versions.get(name, "none"), b.started.versions.get(name, "none")
        if mine != theirs:
            notes.append("the code differs" if name == "code" else f"{name} {mine} in A, {theirs} in B")
    return notes


def meaning(cause: RunCause) -> str:
    """A cause in words."""
    return MEANINGS[cause]
