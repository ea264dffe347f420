"""The first place where a replay does something else than its record: what, where, and why. Pure.

`runtime/replay.py` drafts it from two events; `explained` finds the cause and puts it into words. Every cause of
`runtime/reading/causes.py` that a replay can have is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.codec import Json
from runtime.errors import DivergenceError
from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    DeliveryCompleted,
    Failure,
    MessagePublished,
    MessageSent,
    StepStarted,
)
from runtime.reading.causes import MEANINGS, Cause, cause_of_request
from runtime.reading.compared import compared
from runtime.reading.doings import BlobOf, content_of, key_of, request_of, words
from runtime.reading.lineage import Hop, Lineage


@dataclass(slots=True)
class Draft:
    """A difference as it was met."""

    agent: AgentName
    delivery: str
    recorded: AnyEvent | None
    """What the agent did next according to the record; None when the record has nothing more of it."""
    now: AnyEvent | None
    """What it does now; None when it does nothing."""
    seq: int
    """Where the replay stands."""
    later: list[AnyEvent] = field(default_factory=list[AnyEvent])
    """What the agent did afterwards, until it came to rest."""
    is_recorded_for_later: bool = False
    """Whether what it does now is on record further on."""
    frames: tuple[str, ...] = ()
    """Where the code stands, outermost first."""
    traceback: tuple[str, ...] = ()
    """Where the error of now was raised, outermost first."""
    fields: tuple[str, ...] = ()
    """The fields that differ, where both events are the same thing."""
    is_mailbox: bool = False
    """Whether the record itself starts deliveries in another order than their messages have."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """A difference explained."""

    cause: Cause
    seq: int
    agent: AgentName
    delivery: str
    step: str
    """The step's id; empty where it is no step."""
    what: str
    """In a sentence."""
    path: tuple[Hop, ...]
    """The deliveries that led there."""
    difference: tuple[str, ...]
    """What was recorded (`-`) and what came now (`+`)."""
    notes: tuple[str, ...] = ()
    """Where the code stands, and what else has changed."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "cause": self.cause,
            "seq": self.seq,
            "agent": str(self.agent),
            "delivery": self.delivery,
            "step": self.step or None,
            "what": self.what,
            "path": [{"seq": h.seq, "agent": str(h.agent), "message": h.message_type} for h in self.path],
            "difference": list(self.difference),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        place = f"delivery {self.delivery}" + (f", step {self.step}" if self.step else "")
        lines = [
            f"diverged at event {self.seq}: {self.what}",
            f"cause: {self.cause} ({MEANINGS[self.cause]})",
            f"where: {self.agent}, {place}",
        ]
        lines += [("came by: " if n == 0 else "         ") + str(hop) for n, hop in enumerate(self.path)]
        lines += ["recorded (-) and now (+):", *(f"  {line}" for line in self.difference)] if self.difference else []
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


class Diverged(DivergenceError):
    """A replay stopped; `divergence` says everything about it."""

    def __init__(self, divergence: Divergence) -> None:
        super().__init__(str(divergence))
        self.divergence = divergence


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed between record and replay, beside the events."""

    libraries: Mapping[str, tuple[str, str]]
    """By name, the versions then and now."""
    is_code_same: bool | None
    """None where the record does not say what its code was."""


def explained(draft: Draft, lineage: Lineage, old: BlobOf, new: BlobOf, changes: Changes) -> Divergence:
    """The difference with its cause."""
    cause, what = _cause(draft, old, new)
    cause = _library_instead(cause, draft, changes)
    subject = draft.recorded if draft.recorded is not None else draft.now
    step = subject.step if isinstance(subject, StepStarted) else ""
    if isinstance(draft.now, StepStarted) and cause == "extra step":
        step = draft.now.step
    recorded_seq = draft.recorded.seq if draft.recorded is not None else draft.seq
    return Divergence(
        cause=cause,
        seq=recorded_seq,
        agent=draft.agent,
        delivery=draft.delivery,
        step=step,
        what=what,
        path=lineage.path(draft.delivery, old),
        difference=tuple(_difference(draft, cause, old, new)),
        notes=tuple(_notes(draft, changes)),
    )


def _cause(draft: Draft, old: BlobOf, new: BlobOf) -> tuple[Cause, str]:
    agent, recorded, now = draft.agent, draft.recorded, draft.now
    if draft.is_mailbox:
        assert recorded is not None and now is not None
        return "order", f"{agent} was handed {words(recorded)} before {words(now)}, though the latter came first"
    if recorded is not None and now is not None and key_of(recorded) == key_of(now):
        return _cause_of_change(draft, recorded, now)
    if now is None:
        assert recorded is not None
        if isinstance(recorded, AgentSlept):
            return "state", f"{agent} went to sleep and now cannot: it is at work, or does not say what it has kept"
        return _cause_of_absence(recorded), f"{agent} did {words(recorded)} and does not do it now"
    if isinstance(now, DeliveryCompleted):
        return _cause_of_early_end(draft, recorded, now)
    if recorded is None:
        return _cause_of_novelty(now), f"{agent} now does {words(now)}, which was never recorded"
    if key_of(recorded) in map(key_of, draft.later):
        if draft.is_recorded_for_later:
            return "order", f"{agent} did {words(recorded)} first and now does {words(now)} first"
        return _cause_of_novelty(now), f"{agent} now does {words(now)} before {words(recorded)}"
    if draft.is_recorded_for_later:
        return _cause_of_absence(recorded), f"{agent} now does {words(now)} without {words(recorded)} before it"
    return _cause_of_substitute(draft, recorded, now, old, new)


def _cause_of_change(draft: Draft, recorded: AnyEvent, now: AnyEvent) -> tuple[Cause, str]:
    """The same thing by its name, with other contents."""
    match recorded, now:
        case StepStarted(kind="model"), StepStarted() if recorded.name != now.name:
            return "model settings", f"{draft.agent} asked the model {recorded.name!r} and now asks {now.name!r}"
        case DeliveryCompleted(), DeliveryCompleted() if now.failure is not None:
            return "code", f"the handler of {draft.agent} now raises {_failed(now.failure)}"
        case DeliveryCompleted(), DeliveryCompleted() if recorded.failure is not None:
            return "code", f"the handler of {draft.agent} raised {_failed(recorded.failure)} and does not now"
        case DeliveryCompleted(), _:
            return "message", f"{draft.agent} answers something else"
        case AgentSlept(), _:
            return "state", f"{draft.agent} has kept something else when it goes to sleep"
        case MessageSent(), _ if any(_is_same_message(recorded, later) for later in draft.later):
            return "order", f"{draft.agent} sends the same messages in another order"
        case ((MessageSent() | MessagePublished()), _):
            return "message", f"{draft.agent} says something else in {words(recorded)}"
        case _:
            return "code", f"{draft.agent} does {words(recorded)} differently ({', '.join(draft.fields)})"


def _is_same_message(one: AnyEvent, other: AnyEvent) -> bool:
    if not isinstance(one, MessageSent) or not isinstance(other, MessageSent):
        return False
    return (one.recipient, one.payload) == (other.recipient, other.payload)


def _cause_of_absence(recorded: AnyEvent) -> Cause:
    match recorded:
        case StepStarted():
            return "missing step"
        case MessageSent() | MessagePublished():
            return "message"
        case _:
            return "code"


def _cause_of_novelty(now: AnyEvent) -> Cause:
    match now:
        case StepStarted():
            return "extra step"
        case MessageSent() | MessagePublished():
            return "message"
        case _:
            return "code"


def _cause_of_early_end(draft: Draft, recorded: AnyEvent | None, now: DeliveryCompleted) -> tuple[Cause, str]:
    if now.failure is not None:
        return "code", f"the handler of {draft.agent} now raises {_failed(now.failure)}"
    if recorded is None:
        return "code", f"the handler of {draft.agent} ends, which was never recorded"
    return _cause_of_absence(recorded), f"the handler of {draft.agent} now ends without {words(recorded)}"


def _cause_of_substitute(
    draft: Draft, recorded: AnyEvent, now: AnyEvent, old: BlobOf, new: BlobOf
) -> tuple[Cause, str]:
    """Something that was never recorded stands in the place of what was."""
    if isinstance(recorded, StepStarted) and isinstance(now, StepStarted) and recorded.kind == now.kind:
        if recorded.kind == "model" and recorded.name != now.name and recorded.request == now.request:
            return "model settings", f"{draft.agent} asked the model {recorded.name!r} and now asks {now.name!r}"
        if recorded.kind == "model" or recorded.name == now.name:
            cause = cause_of_request(recorded.kind, request_of(recorded, old), request_of(now, new))
            return cause, f"{draft.agent} asks something else in {words(recorded)}"
    return _cause_of_novelty(now), f"{draft.agent} now does {words(now)} where it did {words(recorded)}"


def _library_instead(cause: Cause, draft: Draft, changes: Changes) -> Cause:
    """Other behaviour of equal code, or an error out of a library that has changed, is the library's doing."""
    if cause != "code" or not changes.libraries:
        return cause
    raised_in = draft.traceback[-1] if draft.traceback else ""
    is_theirs = any(f"/{name.replace('-', '_')}/" in raised_in for name in changes.libraries)
    return "library version" if changes.is_code_same or is_theirs else cause


# In words


def _failed(failure: Failure) -> str:
    return f"{failure.type.rpartition(':')[2]}: {failure.message}"


def _difference(draft: Draft, cause: Cause, old: BlobOf, new: BlobOf) -> list[str]:
    if draft.is_mailbox:
        return []
    before = None if draft.recorded is None else content_of(draft.recorded, old)
    after = None if draft.now is None else content_of(draft.now, new)
    is_one_thing = type(draft.recorded) is type(draft.now) and cause not in ("missing step", "extra step", "order")
    if before is None or after is None or not is_one_thing:
        lines = [] if draft.recorded is None else [f"- {words(draft.recorded)}", *_indented("-", before)]
        return lines + ([] if draft.now is None else [f"+ {words(draft.now)}", *_indented("+", after)])
    return compared(before, after)


def _indented(sign: str, value: Json) -> list[str]:
    empty: Json = {} if isinstance(value, Mapping) else None
    lines = compared(value, empty) if sign == "-" else compared(empty, value)
    return [f"    {line.lstrip('-+ ')}" for line in lines if line.startswith(sign) or line.startswith("  ")]


def _notes(draft: Draft, changes: Changes) -> list[str]:
    notes = [f"the code stands at {' → '.join(draft.frames)}"] if draft.frames else []
    notes += [f"raised at {' → '.join(draft.traceback[-3:])}"] if draft.traceback else []
    others = [f"{name} {then or 'none'} → {now or 'none'}" for name, (then, now) in sorted(changes.libraries.items())]
    notes += [f"libraries have changed since: {', '.join(others)}"] if others else []
    if changes.is_code_same and not others:
        notes.append(
            "neither code nor libraries have changed since: something here depends on more than messages and steps "
            "(a global, the random module, the machine's clock, a file, the order of a set); docs/replay.md tells "
            "what to use instead"
        )
    elif changes.is_code_same is False:
        notes.append("the code has changed since")
    return notes


def located(frames: Sequence[tuple[str, int, str]], keep: int = 3) -> tuple[str, ...]:
    """The last frames (file, line, function) as `folder/file.py:12 in function`."""
    return tuple(f"{'/'.join(file.split('/')[-2:])}:{line} in {name}" for file, line, name in frames[-keep:])
