"""Chaos runs on Ray kill real processes, tell what survives it, and notice what does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest

from runtime import steps
from runtime.chaos import Account, Point, Trial
from runtime.cluster import RayStage
from runtime.codec import Json, canonical
from runtime.events import AgentName, EffectClass, StepStarted
from runtime.journals.journal_address import journal_address
from runtime.killing.chaos_ray import DRIVER, RayChaos
from runtime.killing.chaos_scene import RayScene
from runtime.performance import Performance
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Incoming, Resources, Team, TeamSpec

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

PURCHASE_S = 1.0
"""How long the shop takes to answer after it has sold something: long enough to be killed meanwhile."""


class Buyer:
    """Buys tickets, and waits for the receipt."""

    def __init__(self, folder: Path, effect: EffectClass) -> None:
        self._folder = folder
        self._effect: EffectClass = effect

    async def receive(self, incoming: Incoming) -> bytes:
        async def buy(_: str) -> StepResult:
            with (self._folder / "book.txt").open("a") as book:
                book.write("tickets\n")
            await asyncio.sleep(PURCHASE_S)
            return StepResult("receipt")

        bought = await steps.perform(StepCall("tool", "buy", canonical("tickets"), buy, self._effect))
        return canonical({"type": "json", "data": bought.value})


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """One buyer."""

    async def make(_: AgentName) -> Buyer:
        return Buyer(Path(cast(str, config["folder"])), cast(EffectClass, config["effect"]))

    return Team({"buyer": AgentSpec(make)})


def purchase(effect: EffectClass) -> Callable[[Path], Performance]:
    def order(folder: Path) -> Performance:
        spec = TeamSpec("shop", "tests.runtime.test_chaos_on_ray:build", {"folder": str(folder), "effect": effect})
        return Performance("run", spec, AgentName("buyer"), canonical({"type": "json", "data": {}}))

    return order


def book_of(folder: Path) -> Mapping[str, int]:
    """What has been bought, by the shop's own book."""
    book = folder / "book.txt"
    return Counter(book.read_text().split()) if book.exists() else {}


def while_buying(undisturbed: Account, victim: str) -> Point:
    """The point at which the purchase is under way."""
    begun = next(event for event in undisturbed.events if isinstance(event, StepStarted))
    return Point(begun.seq, "after", victim)


async def tried(folder: Path, address: str, effect: EffectClass, *victims: str) -> dict[str, Trial]:
    """A trial for each victim, killed while the purchase is under way."""
    journal = journal_address(folder / "journal.db")
    chaos = RayChaos(purchase(effect), folder, journal, address, hosts=1, books=book_of)
    seen: list[None] = []
    try:
        undisturbed, points = await chaos.undisturbed()
        assert {point.victim for point in points} == {"host-1", "sequencer", DRIVER}
        chosen = [while_buying(undisturbed, victim) for victim in victims]
        trials = await chaos.trials(undisturbed, chosen, lambda: seen.append(None))
    finally:
        await chaos.close()
    assert len(seen) == len(victims)
    return {trial.point.victim: trial for trial in trials}


async def test_a_purchase_is_never_made_twice_whoever_is_killed_meanwhile(tmp_path: Path, ray_here: str) -> None:
    trials = await tried(tmp_path, ray_here, "irreversible", "host-1", "sequencer", DRIVER)
    assert {name: trial.findings.faults for name, trial in trials.items()} == {
        "host-1": (),
        "sequencer": (),
        DRIVER: (),
    }
    verdicts = {name: trial.verdict for name, trial in trials.items()}
    assert verdicts == {"host-1": "waits", "sequencer": "survived", DRIVER: "waits"}, "a person must say if it happened"


async def test_an_effect_that_is_wrongly_declared_a_read_is_noticed(tmp_path: Path, ray_here: str) -> None:
    trials = await tried(tmp_path, ray_here, "read", "host-1", DRIVER)
    assert {trial.verdict for trial in trials.values()} == {"failed"}
    assert {trial.findings.duplicated for trial in trials.values()} == {("tickets: 2 against 1",)}
    assert all(trial.findings.repeated_reads == 1 for trial in trials.values())


async def test_a_run_that_ends_after_its_driver_died_is_judged_by_its_record(tmp_path: Path, ray_here: str) -> None:
    journal = journal_address(tmp_path / "journal.db")
    scene = RayScene(purchase("irreversible"), tmp_path, journal, book_of, None)
    async with RayStage(ray_here, journal, hosts=1) as stage:
        ended = await scene.perform(stage, scene.order, lambda _: None)
        assert await scene.recover(stage, lambda _: None) == ended
    assert (ended.result, ended.failure, ended.outside) == ("receipt", "", {"tickets": 1})
