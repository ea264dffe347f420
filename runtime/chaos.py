"""Whether a run that was killed and taken up again is the run that nobody disturbed: the comparison, without I/O.

Equal does not mean the same bytes. Times differ, and where agents work at once what they do may interleave in another
order; `docs/chaos.md` says what must be equal and why. Who kills and recovers is in `runtime/killing/chaos_local.py`
and `runtime/killing/chaos_ray.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from runtime.blobs import digest
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.events import (
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    MessagePublished,
    MessageSent,
    StepCompleted,
    StepStarted,
)
from runtime.killing.effects import Effect

Side = Literal["before", "after"]
"""Whether the process dies before an append is durable, or after it and before anyone is told."""

Verdict = Literal["survived", "waits", "failed"]
"""It ended as the undisturbed run; it waits for a person, since something may have happened that must not happen
twice; or it is a fault."""

UNCOMPARED = frozenset({"time", "at", "wall_s", "run"})
"""The keys of a result whose values are times, or name the run."""

UNREPEATABLE = ("compensable", "irreversible")
_FREE_KINDS = ("clock", "timer", "random")
"""Steps whose results may differ each time."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Where a run is killed."""

    place: int
    """Which append, from 1."""
    side: Side
    victim: str = "process"
    """Who is killed: the process with all in it, or on Ray a host, the sequencer or the driver."""

    def __str__(self) -> str:
        prefix = "" if self.victim == "process" else f"{self.victim}:"
        return f"{prefix}{self.place}:{self.side}"


def parse_point(text: str) -> Point:
    """The point that `str(point)` writes: `17:after`, or `host:17:after`.

    Raises:
        UsageError: it is none.
    """
    victim, _, rest = text.partition(":") if text.count(":") == 2 else ("process", "", text)
    place, _, side = rest.partition(":")
    if not place.isdecimal() or int(place) < 1 or side not in ("before", "after"):
        raise UsageError(
            f"--point: found {text!r}, expected an append and a side, such as 17:before or host-1:17:after"
        )
    return Point(int(place), "before" if side == "before" else "after", victim)


@dataclass(frozen=True, slots=True)
class Account:
    """What a run leaves behind, as one sees it who only looks."""

    result: Json
    """The answer; None when there is none."""
    failure: str
    """Why it failed; empty when it did not."""
    events: Sequence[AnyEvent]
    effects: Sequence[Effect]
    outside: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often each thing has happened according to the world's own books, where it keeps some."""


@dataclass(frozen=True, slots=True)
class Crash:
    """What was certain when the process died."""

    acknowledged: Sequence[AnyEvent] = ()
    """The events of which somebody had been told that they are durable."""
    effects: int = 0
    """How many lines the ledger had."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a comparison found."""

    duplicated: tuple[str, ...] = ()
    """Effects that happened more often than they may."""
    lost: tuple[str, ...] = ()
    """Effects that did not happen."""
    differences: tuple[str, ...] = ()
    """What else is not as it must be."""
    repeated_reads: int = 0
    """Steps that may run again freely, and did."""
    repeated_keys: int = 0
    """Idempotent steps that were sent again with the same key."""

    @property
    def faults(self) -> tuple[str, ...]:
        """All that must not be."""
        duplicated = (f"duplicated effect: {name}" for name in self.duplicated)
        lost = (f"lost effect: {name}" for name in self.lost)
        return (*duplicated, *lost, *self.differences)


@dataclass(frozen=True, slots=True)
class Trial:
    """One point, tried."""

    point: Point
    verdict: Verdict
    findings: Findings
    recovery_s: float = 0.0
    """From taking the run up to its next new event."""


def compare(undisturbed: Account, disturbed: Account, crash: Crash, *, has_ended: bool = True) -> Findings:
    """Compares a recovered run with the undisturbed one; one that waits for a person only so far as it came."""
    differences = [*_order_faults(disturbed.events), *_forgotten(crash.acknowledged, disturbed.events)]
    if has_ended:
        differences += _unequal(undisturbed, disturbed)
    duplicated = [*_duplicated(undisturbed, disturbed, crash), *_more(undisturbed.outside, disturbed.outside)]
    lost = [*_lost(undisturbed, disturbed), *_more(disturbed.outside, undisturbed.outside)] if has_ended else []
    begun = Counter(line for line in disturbed.effects if line.phase == "begun")
    return Findings(
        tuple(duplicated),
        tuple(lost),
        tuple(differences),
        repeated_reads=sum(times - 1 for line, times in begun.items() if line.effect == "read"),
        repeated_keys=sum(times - 1 for line, times in begun.items() if line.effect == "idempotent"),
    )


def comparable(value: Json, keys: Collection[str] = UNCOMPARED) -> Json:
    """A result without the values that are times."""
    if isinstance(value, Mapping):
        return {key: comparable(inner, keys) for key, inner in value.items() if key not in keys}
    if isinstance(value, list | tuple):
        return [comparable(inner, keys) for inner in value]
    return value


# The journal


def order_of(events: Sequence[AnyEvent]) -> str:
    """The same for two runs whose agents were told the same things in the same order, whatever the time was."""
    names = ("message", "delivery", "step")
    told = [(type(event).__name__, *(getattr(event, name, None) for name in names)) for event in events]
    results = sorted((step, result or "", failure) for step, (result, failure) in _results(events).items())
    return digest(msgspec.json.encode((told, results)))


def _order_faults(events: Sequence[AnyEvent]) -> Iterable[str]:
    """One order: no gap, and nothing twice."""
    seqs = [event.seq for event in events]
    if seqs != list(range(1, len(seqs) + 1)):
        yield "the journal has a gap, or a place of it is taken twice"
    for name, ids in _ids(events).items():
        if twice := sorted(each for each, times in Counter(ids).items() if times > 1):
            yield f"{name}: on record twice: {', '.join(twice)}"


def _ids(events: Sequence[AnyEvent]) -> dict[str, list[str]]:
    return {
        "messages": [event.message for event in events if isinstance(event, MessageSent | MessagePublished)],
        "deliveries begun": [event.delivery for event in events if isinstance(event, DeliveryStarted)],
        "deliveries ended": [event.delivery for event in events if isinstance(event, DeliveryCompleted)],
        "steps begun": [event.step for event in events if isinstance(event, StepStarted)],
        "steps ended": [event.step for event in events if isinstance(event, StepCompleted)],
    }


def _forgotten(acknowledged: Sequence[AnyEvent], events: Sequence[AnyEvent]) -> Iterable[str]:
    """What was acknowledged stays, in its place."""
    for event in acknowledged:
        if event.seq > len(events) or events[event.seq - 1] != event:
            yield f"event {event.seq} ({type(event).__name__}) was acknowledged and is not in the journal"
            return


def _unequal(undisturbed: Account, disturbed: Account) -> Iterable[str]:
    """The same result by the same doings."""
    if undisturbed.failure != disturbed.failure:
        found, expected = disturbed.failure or "a result", undisturbed.failure or "a result"
        yield f"it ended with {found!r}, undisturbed with {expected!r}"
    elif comparable(undisturbed.result) != comparable(disturbed.result):
        yield "its result is not that of the undisturbed run"
    before, now = _ids(undisturbed.events), _ids(disturbed.events)
    for name in before:
        missing, new = set(before[name]) - set(now[name]), set(now[name]) - set(before[name])
        if missing or new:
            yield f"{name}: {len(missing)} missing, {len(new)} that the undisturbed run does not have"
    before_results, now_results = _results(undisturbed.events), _results(disturbed.events)
    differing = [
        step for step in before_results.keys() & now_results.keys() if before_results[step] != now_results[step]
    ]
    if differing:
        yield f"steps with another result: {', '.join(sorted(differing))}"


def _results(events: Sequence[AnyEvent]) -> dict[str, tuple[Digest | None, str]]:
    free = {event.step for event in events if isinstance(event, StepStarted) and event.kind in _FREE_KINDS}
    ended = (event for event in events if isinstance(event, StepCompleted) and event.step not in free)
    return {event.step: (event.result, event.failure.type if event.failure else "") for event in ended}


# The world


def _duplicated(undisturbed: Account, disturbed: Account, crash: Crash) -> Iterable[str]:
    """What is done again although it was finished, or must not be repeated, or is new to the run."""
    finished = {event.step for event in crash.acknowledged if isinstance(event, StepCompleted)}
    begun = [line for line in disturbed.effects if line.phase == "begun"]
    expected = {line.step for line in undisturbed.effects}
    again = {line.step for line in disturbed.effects[crash.effects :] if line.phase == "begun"}
    undone = Counter(line.step for line in disturbed.effects if line.phase == "undone")
    for line, begins in Counter(begun).items():
        times = begins - undone[line.step]
        if line.step in finished and line.step in again:
            yield f"{line.name} ({line.effect}) was finished and is done again"
        elif times > 1 and line.effect in UNREPEATABLE:
            yield f"{line.name} ({line.effect}) {times} times"
        elif line.step not in expected and line.effect != "read" and line.kind not in _FREE_KINDS:
            yield f"{line.name} ({line.effect}), which the undisturbed run does not do"


def _lost(undisturbed: Account, disturbed: Account) -> Iterable[str]:
    ended = {line.step for line in disturbed.effects if line.phase == "ended"}
    missing = {line for line in undisturbed.effects if line.phase == "ended" and line.step not in ended}
    yield from sorted(f"{line.name} ({line.effect})" for line in missing if line.kind not in _FREE_KINDS)


def _more(expected: Mapping[str, int], found: Mapping[str, int]) -> Iterable[str]:
    for name in sorted(found):
        if found[name] > expected.get(name, 0):
            yield f"{name}: {found[name]} against {expected.get(name, 0)}"
