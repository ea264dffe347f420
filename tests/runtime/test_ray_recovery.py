"""Processes of a run on Ray that are killed as a crash would: the run goes on by itself, and nothing happens twice."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ray.exceptions import RayActorError

from runtime.cluster import RayEngine
from runtime.codec import Json
from runtime.errors import ClusterLost, WaitingForPerson
from runtime.events import AnyEvent, DeliveryStarted, RunCompleted, StepCompleted, StepStarted
from runtime.journals.sql_journal import SqliteJournal
from runtime.performance import Performance
from runtime.replay import replay
from tests.runtime import teams
from tests.runtime.payments import LOOK_AGAIN_S, Ledger, performance

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300), pytest.mark.usefixtures("ray_here")]

ROUNDS = 3
PAID: Json = [[[f"look {n}!", f"pay {n}!", n // 4 + 1] for n in range(2 * ROUNDS)], "sum!"]
EFFECTS = {**{f"{kind} {n}": 1 for kind in ("look", "pay") for n in range(2 * ROUNDS)}, "sum": 1}


async def events_of(folder: Path) -> list[AnyEvent]:
    """The run's events, of which none is missing or twice there; replay does the same again."""
    journal = SqliteJournal(folder / "journal.db")
    events = await journal.events("run")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for kind, name in ((StepStarted, "step"), (StepCompleted, "step"), (DeliveryStarted, "delivery")):
        found = [getattr(event, name) for event in events if isinstance(event, kind)]
        assert len(found) == len(set(found)), f"{kind.__name__} is there twice"
    await replay(journal, "run")
    await journal.close()
    return events


class Killer:
    """Performs a run and kills processes of it on the way."""

    def __init__(self, folder: Path, *, losses: int = 5) -> None:
        self.engine = RayEngine("auto", folder / "journal.db", hosts=2, losses=losses)
        self.ledger = Ledger(folder)
        self._folder = folder

    async def kill(self, names: Sequence[str]) -> None:
        """Kills processes and waits until others have taken their places."""
        before = await self.engine.processes()
        for name in names:
            os.kill(before[name], signal.SIGKILL)
        while True:
            try:
                now = await self.engine.processes()
            except RayActorError:
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            if not now or all(now[name] != before[name] for name in names):
                return

    async def perform(self, performance: Performance, when: Callable[[AnyEvent], Sequence[str]]) -> Json:
        """Kills those that `when` names for an event, as soon as the event is durable."""
        running: list[asyncio.Task[None]] = []

        def on_event(event: AnyEvent) -> None:
            if names := when(event):
                running.append(asyncio.create_task(self.kill(names)))

        try:
            return await self.engine.perform(dataclasses.replace(performance, on_event=on_event))
        finally:
            assert running, "nothing was killed"
            await asyncio.gather(*running)


def at_step(completed: int, *names: str) -> Callable[[AnyEvent], Sequence[str]]:
    """Names the processes once: when so many steps are completed."""
    seen = 0

    def when(event: AnyEvent) -> Sequence[str]:
        nonlocal seen
        seen += isinstance(event, StepCompleted)
        return names if isinstance(event, StepCompleted) and seen == completed else ()

    return when


@pytest.mark.parametrize(
    ("completed", "names", "kind"),
    [
        pytest.param(2, ["host-1"], "idempotent", id="a host"),
        pytest.param(3, ["host-2"], "idempotent", id="the other host"),
        pytest.param(3, ["sequencer"], "irreversible", id="the sequencer"),
        pytest.param(4, ["sequencer", "host-1", "host-2"], "idempotent", id="everything but the driver"),
    ],
)
async def test_whatever_is_killed_the_run_goes_on_by_itself(
    tmp_path: Path, completed: int, names: list[str], kind: str
) -> None:
    killer = Killer(tmp_path)
    order = performance(tmp_path, "lead", {"rounds": ROUNDS, "kind": kind})
    assert await killer.perform(order, at_step(completed, *names)) == PAID
    assert killer.ledger.counts() == EFFECTS
    if kind == "irreversible":
        assert killer.ledger.times() == EFFECTS
    assert isinstance((await events_of(tmp_path))[-1], RunCompleted)


async def during_held(killer: Killer, folder: Path, kind: str, names: Sequence[str], recipient: str) -> Json:
    """Kills processes while an effect is under way, and lets it end when others have taken their places."""
    running = asyncio.create_task(killer.engine.perform(performance(folder, recipient, {"kind": kind})))
    pid = await killer.ledger.written("held")
    processes = await killer.engine.processes()
    host = next(name for name, its_pid in processes.items() if its_pid == pid)
    await killer.kill([host if name == "its host" else name for name in names])
    killer.ledger.open_gate()
    return await running


@pytest.mark.parametrize("recipient", ["waiter", "front"])
async def test_an_effect_under_way_goes_on_when_only_the_sequencer_dies(tmp_path: Path, recipient: str) -> None:
    killer = Killer(tmp_path)
    assert await during_held(killer, tmp_path, "irreversible", ["sequencer"], recipient) == ["first!", "held!"]
    assert killer.ledger.times() == {"first": 1, "held": 1, "held done": 1}
    await events_of(tmp_path)


async def test_an_effect_that_may_be_repeated_is_with_its_key_when_its_host_dies(tmp_path: Path) -> None:
    killer = Killer(tmp_path)
    assert await during_held(killer, tmp_path, "idempotent", ["its host"], "waiter") == ["first!", "held!"]
    assert killer.ledger.times() == {"first": 1, "held": 2, "held done": 1}
    assert killer.ledger.counts() == {"first": 1, "held": 1, "held done": 1}
    await events_of(tmp_path)


async def test_an_irreversible_effect_is_never_done_again_when_its_host_dies(tmp_path: Path) -> None:
    killer = Killer(tmp_path)
    with pytest.raises(WaitingForPerson):
        await during_held(killer, tmp_path, "irreversible", ["its host", "sequencer"], "waiter")
    assert killer.ledger.times() == {"first": 1, "held": 1}


async def test_a_host_that_dies_again_and_again_ends_the_run_with_a_word(tmp_path: Path) -> None:
    engine = RayEngine("auto", tmp_path / "journal.db", hosts=2, losses=3)
    with pytest.raises(ClusterLost, match="died 3 times at the same point"):
        await engine.perform(teams.performance("run", "suicidal", {}))
