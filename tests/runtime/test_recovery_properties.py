"""Random teams under random schedules with crashes, duplicates and stale owners: no loss, no duplicate, one order."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    MessagePublished,
    MessageSent,
    RunCompleted,
    StepCompleted,
    StepStarted,
)
from runtime.reading.replayer import Replay, Replayed
from runtime.references import blobs_of
from tests.runtime.small_world import HOSTS, NEVER, RUN, Doing, Program, World, now

PROGRESS = ("hand_over", "append", "release", "release", "happen", "doze")
MISHAPS = (
    "hand_over_again",
    "kill_host",
    "kill_host_after_its_effect",
    "kill_owner",
    "pause_owner",
    "wake_stale",
    "lose_answer",
    "kill_all",
)
MOVES = (*PROGRESS * 4, *MISHAPS)
"""Most moves bring the run on, so that mishaps meet it at every stage."""


@st.composite
def programs(draw: st.DrawFn) -> list[Program]:
    """Two to four agents; each reaches only those after it."""
    count = draw(st.integers(2, 4))
    made: list[Program] = []
    for number in range(count):
        later = st.lists(st.integers(number + 1, count - 1), min_size=1, max_size=2) if number + 1 < count else None
        kinds = ["read", "idempotent", "irreversible", *(["ask", "tell"] if later is not None else [])]
        doings: list[Doing] = []
        for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3)):
            targets = tuple(draw(later)) if later is not None and kind in ("ask", "tell") else ()
            doings.append(Doing(kind, targets))
        made.append(doings)
    return made


naps = st.sampled_from((1, 2, NEVER))
"""After how many deliveries an agent sleeps, beside the moves that put it to sleep."""

schedules = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, HOSTS - 1)), min_size=20, max_size=120)


def move(world: World, name: str, host: int) -> None:
    """One move of the schedule."""
    match name:
        case "hand_over" | "hand_over_again" | "release" | "happen" | "doze" | "kill_host":
            getattr(world, name)(host)
        case "kill_host_after_its_effect":
            world.kill_host(host, with_effect=True)
        case "pause_owner":
            world.kill_owner(is_paused=True)
        case _:
            getattr(world, name)()


def doings(events: list[AnyEvent]) -> dict[str, list[str]]:
    """The ids of all that happened, by what it is."""
    return {
        "messages": [event.message for event in events if isinstance(event, MessageSent | MessagePublished)],
        "begun": [event.delivery for event in events if isinstance(event, DeliveryStarted)],
        "ended": [event.delivery for event in events if isinstance(event, DeliveryCompleted)],
        "steps": [event.step for event in events if isinstance(event, StepStarted)],
        "results": [event.step for event in events if isinstance(event, StepCompleted)],
    }


async def performed(team: list[Program], schedule: list[tuple[str, int]], naps: int = NEVER) -> World:
    world = World(team, naps)
    for name, host in schedule:
        if world.owner.core.has_ended:
            break
        move(world, name, host)
    world.finish()
    while world.stale:
        world.wake_stale()
    return world


@pytest.mark.slow
@given(team=programs(), schedule=schedules, naps=naps)
def test_a_run_under_any_mishaps_is_the_undisturbed_one_in_which_nobody_sleeps(
    team: list[Program], schedule: list[tuple[str, int]], naps: int
) -> None:
    undisturbed, disturbed = asyncio.run(_both(team, schedule, naps))
    events = now(disturbed.journal.events(RUN))
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), "no gap"
    assert all(events[event.seq - 1] == event for event in disturbed.known), "what was acknowledged stays"
    assert isinstance(events[-1], RunCompleted)
    assert disturbed.result == undisturbed.result
    expected, found = doings(now(undisturbed.journal.events(RUN))), doings(events)
    for name, ids in found.items():
        assert len(ids) == len(set(ids)), f"{name}: nothing twice"
        assert set(ids) == set(expected[name]), f"{name}: nothing lost"
    assert disturbed.done_again == [], "what was finished is not done again"
    assert set(disturbed.effects) == set(undisturbed.effects), "no effect is lost"
    twice = {disturbed.keys[step] for step, times in disturbed.effects.items() if times > 1}
    assert twice <= {"read", "idempotent"}, "what must not be repeated is not"
    assert Counter(undisturbed.effects.values()).keys() <= {1}
    assert set(disturbed.turns) == set(found["begun"])
    for agent, turns in _turns(events, disturbed).items():
        assert sorted(turns) == list(range(1, len(turns) + 1)), f"{agent} remembers all that it was told, once"
    assert asyncio.run(_replayed(team, disturbed)).is_whole


@pytest.mark.slow
@given(team=programs(), naps=st.sampled_from((1, 2)))
def test_a_run_in_which_agents_sleep_goes_as_one_in_which_nobody_does(team: list[Program], naps: int) -> None:
    awake, asleep = asyncio.run(_awake_and_asleep(team, naps))
    without, with_ = (now(world.journal.events(RUN)) for world in (awake, asleep))
    assert asleep.result == awake.result
    assert asleep.effects == awake.effects
    assert [_timeless(event) for event in with_ if not isinstance(event, AgentSlept)] == [
        _timeless(event) for event in without
    ], "the same happens, in the same order"
    assert naps == 2 or any(isinstance(event, AgentSlept) for event in with_), "somebody has slept"
    assert asyncio.run(_replayed(team, asleep)).is_whole


async def _both(team: list[Program], schedule: list[tuple[str, int]], naps: int) -> tuple[World, World]:
    return await performed(team, []), await performed(team, schedule, naps)


async def _awake_and_asleep(team: list[Program], naps: int) -> tuple[World, World]:
    return await performed(team, []), await performed(team, [], naps)


async def _replayed(team: list[Program], world: World) -> Replayed:
    events = now(world.journal.events(RUN))
    blobs = now(blobs_of(world.journal, events))
    replaying = Replay(world.team(team), events, blobs)
    try:
        return replaying.perform_all()
    finally:
        replaying.close()


def _turns(events: list[AnyEvent], world: World) -> dict[AgentName, list[int]]:
    """Of which number each delivery was for its agent."""
    found: dict[AgentName, list[int]] = {}
    for event in events:
        if isinstance(event, DeliveryStarted):
            found.setdefault(event.agent, []).append(world.turns[event.delivery])
    return found


def _timeless(event: AnyEvent) -> AnyEvent:
    """An event without its place and time, and whom it woke."""
    event = msgspec.structs.replace(event, seq=0, at=0.0)
    if isinstance(event, StepCompleted):
        return msgspec.structs.replace(event, started_at=0.0, ended_at=0.0)
    return msgspec.structs.replace(event, state=None) if isinstance(event, DeliveryStarted) else event
