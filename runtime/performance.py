"""What a run is to be performed from and for, and what an engine promises to do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtime import clock, ids
from runtime.beginning import beginning
from runtime.codec import Json, parse
from runtime.errors import UsageError
from runtime.events import AgentName, AnyEvent, MessageSent
from runtime.exchange.line import Converse
from runtime.journal import Journal
from runtime.team import Ask, TeamSpec

OnEvent = Callable[[AnyEvent], None]
"""Sees each event of a run once it is durable."""

OnPause = Callable[[str], None]
"""Is told why a run stands still when its journal cannot be used at the moment, and nothing ("") when it goes on."""


@dataclass(frozen=True, slots=True)
class Performance:
    """A run to perform."""

    run: str
    """Its id."""
    spec: TeamSpec
    recipient: AgentName
    """Who gets the first message; its response is the run's result."""
    payload: bytes
    """The first message: `{"type": …, "data": …}`, canonical."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where what the specification names is found now, by what it is (`model`); what is left out is where it was."""
    ask: Ask | None = None
    on_event: OnEvent | None = None
    on_pause: OnPause | None = None
    converse: Converse | None = None
    """What the driver does in it instead of sending the first message and waiting for its answer."""
    is_resumed: bool = False
    """Whether it is taken up from its journal instead of begun (`recorded_performance`)."""
    by: str = ""
    """Who sits at the terminal, for what they decide."""
    wall_s: float | None = None
    """How long it may take from when the run has begun, or is taken up, in seconds; None: as long as it wants."""
    quiet_s: float = 0.3
    """How long nothing must have come before a run is left because all that is open waits for a person."""
    undo_patience_s: float = 60.0
    """How long an effect that is under way may take to end before it is undone."""


class Engine(Protocol):
    """What `repertory run` needs: the in-process engine or the Ray engine."""

    async def perform(self, performance: Performance) -> Json:
        """Performs a run to its last event, from its first or from where it was left; returns the `data` of the answer.

        Raises:
            UsageError: when a run of this id exists; a resumed one: when there is none, or it has ended.
            WaitingForPerson: when all that is open waits for a person, who was not there; it can be resumed.
            Unreachable: when a step could not reach what it needs; the run can be resumed.
            BudgetExceeded: when a limit stopped the run; it can be resumed with a higher one.
            RunError: when the run failed; the failure is in the journal too, and what could be undone was undone.
        """
        ...


async def recorded_performance(journal: Journal, run: str, shared: Sequence[AnyEvent] = ()) -> Performance:
    """The performance that a run was begun with, to be resumed; secrets and the person are the caller's to add.

    `shared` are its first events where these have been read already: a fork's are its parent's.

    Raises:
        UsageError: when there is no such run, or nothing had been asked of it yet.
    """
    events = [*shared, *await journal.events(run, len(shared))]
    first = next((event for event in events if isinstance(event, MessageSent) and event.cause == ids.ROOT), None)
    started = beginning(events)
    if started is None or first is None:
        raise UsageError(f"run {run!r}: nothing of it is on record that could be resumed; start it again")
    spec = parse(await journal.blob(started.spec))
    assert isinstance(spec, Mapping)
    return Performance(
        run,
        TeamSpec(started.name, started.builder, spec),
        first.recipient,
        await journal.blob(first.payload),
        is_resumed=True,
    )


RUN_ID_CHARACTERS = 200
"""How long the id of a run may be."""


def given_run_id(given: object) -> str:
    """The id that a program gives its run; a new one where it gives None.

    Raises:
        UsageError: it is no id that the journal can hold and a person can type.
    """
    if given is None:
        return new_run_id()
    is_line = isinstance(given, str) and given.strip() and given.isprintable() and len(given) <= RUN_ID_CHARACTERS
    if isinstance(given, str) and is_line and given != "last":
        return given
    raise UsageError(
        f"run_id: found {given!r}, expected one line of at most {RUN_ID_CHARACTERS} characters, and not 'last', which "
        "commands take for the newest run; None makes a new id"
    )


def new_run_id() -> str:
    """A run id that sorts by time and is short enough to type: `20261205-101500-3f9a`."""
    return f"{clock.now():%Y%m%d-%H%M%S}-{clock.new_id()[:4]}"
