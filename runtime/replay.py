"""Replays a run from its journal: the way in to `runtime/reading/replayer.py`, and words for what differs.

replayed = await replay(journal, run)                      raises Diverged at the first difference
seen = await replay_to(journal, run, seq)                  the agents as they were after event `seq`
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from runtime.beginning import sure_beginning
from runtime.codec import canonical, parse
from runtime.errors import CorruptEvent, UsageError
from runtime.events import AgentName, AnyEvent, Digest, MessagePublished, RunStarted, StepStarted
from runtime.journal import Journal
from runtime.reading.agent_state import AgentState, state_asleep, state_of
from runtime.reading.causes import Cause
from runtime.reading.divergence import Changes, Diverged, Divergence, explained
from runtime.reading.lineage import Lineage
from runtime.reading.replayer import Manner, Replay, Replayed, Stray
from runtime.references import blobs_of, named
from runtime.routing import Routes
from runtime.team import Resources, Team, TeamSpec, find_builder
from runtime.versions import versions

__all__ = ["Diverged", "Manner", "Replayed", "Seen", "perform_again", "replay", "replay_to"]

CODE = "code"
"""The entry of a run's versions that is a digest of the code."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A replay up to a point."""

    replayed: Replayed
    agents: tuple[AgentState, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run as it is read to be replayed."""

    journal: Journal
    spec: TeamSpec
    started: RunStarted
    events: list[AnyEvent]
    blobs: dict[Digest, bytes]
    team: Team


async def replay(journal: Journal, run: str, manner: Manner | None = None) -> Replayed:
    """Replays a run; nothing but the journal is asked for, and nothing is written.

    Raises:
        Diverged: at the first difference.
        CorruptEvent: when the run has no beginning, or something it names is missing.
        UsageError: when there is no such run, its team cannot be built here, or `manner` asks for what is not there.
    """
    return (await perform_again(journal, run, manner or Manner())).replayed


async def replay_to(journal: Journal, run: str, seq: int, manner: Manner | None = None) -> Seen:
    """Replays a run up to an event, and looks at its agents as they are then. Raises as `replay` does."""
    return await perform_again(journal, run, dataclasses.replace(manner or Manner(), to=seq))


async def perform_again(journal: Journal, run: str, manner: Manner) -> Seen:
    """Replays a run; where `manner` says `to`, the agents are looked at. Raises as `replay` does."""
    found = await _read(journal, run)
    if manner.to is not None and not 1 <= manner.to <= len(found.events):
        raise UsageError(f"--to {manner.to}: found no such event, expected one from 1 to {len(found.events)}")
    performing = Replay(found.team, found.events, found.blobs, manner)
    try:
        replayed = performing.perform_all()
        agents = () if manner.to is None else _agents(performing)
    except Stray as stray:
        raise Diverged(await _explained(found, stray, performing.proposed)) from None
    finally:
        performing.close()
    if manner.is_strict and manner.to is None:
        _compare_surroundings(found)
    return Seen(replayed, agents)


def _agents(performing: Replay) -> tuple[AgentState, ...]:
    awake = {name: state_of(cell) for name, cell in performing.cells.awake.items()}
    asleep = {name: state_asleep(name, saved) for name, saved in performing.asleep.items() if name not in awake}
    return tuple(state for _, state in sorted({**asleep, **awake}.items()))


async def _explained(found: _Run, stray: Stray, proposed: Mapping[Digest, bytes]) -> Divergence:
    try:
        recorded = await blobs_of(found.journal, found.events)
    except CorruptEvent:  # what is missing there does not hide the divergence
        recorded = found.blobs
    today = {**recorded, **proposed}
    lost = canonical({"lost": "the journal does not have this"})

    def old(name: Digest) -> bytes:
        return recorded.get(name, lost)

    def new(name: Digest) -> bytes:
        return today.get(name, lost)

    return explained(stray.draft, Lineage(found.events), old, new, _changes(found))


async def _read(journal: Journal, run: str) -> _Run:
    events = await journal.events(run)
    started = sure_beginning(run, events)
    blobs = await journal.blobs(
        {name for event in events if not isinstance(event, StepStarted) for name in named(event)}
        | {started.spec, started.routes}
    )
    config = parse(blobs[started.spec])
    assert isinstance(config, Mapping)
    try:
        team = find_builder(started.builder)(config, Resources(run, engine="replay"))
    except UsageError as error:
        raise UsageError(f"run {run}: its team cannot be built here: {error}") from error
    _check_routes(run, team, msgspec.json.decode(blobs[started.routes], type=Routes))
    return _Run(journal, TeamSpec(started.name, started.builder, config), started, events, blobs, team)


def _check_routes(run: str, team: Team, recorded: Routes) -> None:
    missing = sorted(recorded.types.keys() - team.agents.keys())
    if missing:
        raise UsageError(
            f"run {run}: the code of today has no agent type {', '.join(missing)}, which the run was made with "
            f"(there are: {', '.join(sorted(team.agents)) or 'none'}); check out the code that made the run"
        )


def _changes(found: _Run) -> Changes:
    then, now = found.started.versions, versions(found.spec)
    names = (then.keys() | now.keys()) - {CODE}
    libraries = {name: (then.get(name, ""), now.get(name, "")) for name in names if then.get(name) != now.get(name)}
    return Changes(libraries, then[CODE] == now.get(CODE) if CODE in then else None)


def _compare_surroundings(found: _Run) -> None:
    """What a strict replay compares beside what agents do: who listens to what, and the libraries' versions.

    Raises:
        Diverged: at the first of them that differs.
    """
    listeners = found.team.routes()
    for event in found.events:
        if isinstance(event, MessagePublished):
            now = listeners.subscribers(event.topic, event.sender)
            if now != event.recipients:
                before, after = (", ".join(map(str, names)) or "nobody" for names in (event.recipients, now))
                what = f"a message to the topic {event.topic} reached {before} and would now reach {after}"
                raise _surrounding("message", event.seq, event.sender, what, (f"- {before}", f"+ {after}"))
    libraries = _changes(found).libraries
    if libraries:
        lines = [line for name, (a, b) in sorted(libraries.items()) for line in (f"- {name} {a}", f"+ {name} {b}")]
        what = f"{len(libraries)} libraries have another version: {', '.join(sorted(libraries))}"
        raise _surrounding("library version", 1, None, what, tuple(lines))


def _surrounding(cause: Cause, seq: int, agent: AgentName | None, what: str, lines: tuple[str, ...]) -> Diverged:
    name = agent or AgentName("run", "")
    return Diverged(
        Divergence(cause=cause, seq=seq, agent=name, delivery="", step="", what=what, path=(), difference=lines)
    )
