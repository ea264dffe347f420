"""The Ray engine: the same runs as in one process, spread over actors, with the same records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from runtime.blobs import Payload
from runtime.codec import Json
from runtime.errors import Undeliverable
from runtime.events import StepStarted
from runtime.fork import ForkOrder, at_result, fork
from runtime.journals.sql_journal import SqliteJournal
from runtime.performance import recorded_performance
from runtime.reading.fork_bill import bill
from runtime.replay import replay
from runtime.versions import versions
from tests.runtime.teams import performance

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300), pytest.mark.usefixtures("ray_here")]


async def perform(journal: Path, recipient: str, data: dict[str, Json] | None = None, *, local: str = "echo") -> Json:
    from runtime.cluster import RayEngine

    return await RayEngine("auto", journal, hosts=2).perform(performance("run", recipient, data or {}, local=[local]))


async def test_a_run_over_several_actors_answers_and_records_as_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    answer = cast(dict[str, Json], await perform(path, "boss", {"workers": 4}))
    assert [found["square"] for found in cast(list[dict[str, Json]], answer["answers"])] == [0, 1, 4, 9]
    journal = SqliteJournal(path)
    events = await journal.events("run")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len([event for event in events if isinstance(event, StepStarted)]) == 6
    replayed = await replay(journal, "run")
    assert replayed.events == len(events)
    await journal.close()


async def test_agents_on_different_hosts_ask_one_another_back(tmp_path: Path) -> None:
    assert await perform(tmp_path / "journal.db", "both") == ["right says", "left says"]


async def test_a_local_agent_lives_in_the_process_that_drives_the_run(tmp_path: Path) -> None:
    answer = cast(dict[str, Json], await perform(tmp_path / "journal.db", "where", local="process"))
    assert answer["local"] == os.getpid()
    assert answer["hosted"] != os.getpid()


async def test_an_error_on_another_host_fails_the_run_with_its_type(tmp_path: Path) -> None:
    with pytest.raises(Undeliverable, match="nobody"):
        await perform(tmp_path / "journal.db", "lost")


async def test_a_fork_on_the_cluster_is_answered_from_its_parent_and_replays(tmp_path: Path) -> None:
    from runtime.cluster import RayEngine

    path = tmp_path / "journal.db"
    first = await perform(path, "chain")
    journal = SqliteJournal(path)
    events = await journal.events("run")
    second = next(e for e in events if isinstance(e, StepStarted) and e.name.startswith("second"))
    content = Payload.of("OTHER")
    order = ForkOrder(parent="run", point=at_result(events, second.seq), content=content, versions=versions())
    await fork(journal, "fork", order, events)
    answer = await RayEngine("auto", path, hosts=2).perform(await recorded_performance(journal, "fork"))
    assert (first, answer) == (
        ["FIRST", "SECOND OF FIRST", "THIRD OF SECOND OF FIRST", "LAST"],
        ["FIRST", "OTHER", "THIRD OF OTHER", "LAST"],
    )
    found = bill(await journal.events("fork"))
    assert (found.shared.tool_calls, found.reused.tool_calls, found.spent.tool_calls) == (1, 2, 1)
    await replay(journal, "fork")
    await journal.close()
