"""The blackboard as agents get it: postings are named by content, and a replay needs no board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from memory.short_term import DictBlackboard
from runtime.board import JournaledBoard, Posted
from runtime.codec import Json, canonical
from runtime.errors import RunError
from runtime.events import AgentName, StepStarted
from runtime.journal import MemoryJournal
from runtime.killing.chaos_local import LocalChaos
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.replay import replay
from runtime.team import AgentSpec, Incoming, Resources, Team, TeamSpec

HELD = DictBlackboard()


@dataclass
class Poster:
    board: JournaledBoard

    async def receive(self, incoming: Incoming) -> bytes:
        first = await self.board.post("facts", {"price": 60})
        again = await self.board.post("facts", {"price": 60})
        await self.board.post("facts", {"price": 40})
        return canonical({"type": "json", "data": [await self.board.fetch(first), first == again]})


@dataclass
class Reader:
    board: JournaledBoard

    async def receive(self, incoming: Incoming) -> bytes:
        await self.board.fetch(Posted(key="facts:other", digest="0" * 32))
        return b""


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    board = JournaledBoard(DictBlackboard() if config else HELD)

    async def poster(_: AgentName) -> Poster:
        return Poster(board)

    async def reader(_: AgentName) -> Reader:
        return Reader(board)

    return Team({"poster": AgentSpec(poster), "reader": AgentSpec(reader)})


async def perform(agent: str) -> tuple[Json, MemoryJournal]:
    journal = MemoryJournal()
    spec = TeamSpec("board", f"{__name__}:build", {})
    payload = canonical({"type": "json", "data": None})
    return await LocalEngine(journal).perform(Performance("run", spec, AgentName(agent), payload)), journal


async def test_a_posting_keeps_its_content_whatever_is_posted_after_it() -> None:
    answer, journal = await perform("poster")
    assert answer == [{"price": 60}, True]
    steps = [event for event in await journal.events("run") if isinstance(event, StepStarted)]
    assert [step.kind for step in steps] == ["memory", "memory", "memory", "retrieval"]


async def test_a_replay_reads_postings_from_the_record() -> None:
    _, journal = await perform("poster")
    await HELD.close()
    await replay(journal, "run")


async def test_a_posting_is_found_when_its_board_went_away_with_the_process(tmp_path: Path) -> None:
    """A fetch that was under way is done again, by a process that has the posting from the record only."""

    def order(_: Path) -> Performance:
        spec = TeamSpec("board", f"{__name__}:build", {"board": "of its process"})
        return Performance("run", spec, AgentName("poster"), canonical({"type": "json", "data": None}))

    chaos = LocalChaos(order, tmp_path)
    undisturbed, points = await chaos.undisturbed()
    for point in points:
        tried = await chaos.trial(undisturbed, point)
        assert tried is None or tried.verdict == "survived", (point, tried.findings.faults)


async def test_other_content_than_was_posted_is_an_error() -> None:
    await HELD.write("facts:other", {"price": 0})
    with pytest.raises(RunError, match="other content"):
        await perform("reader")
