"""The Ray engine with its journal on a server, which crashes in the middle of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from runtime.events import AnyEvent, RunCompleted, StepCompleted
from runtime.journals.journal_address import open_journal
from runtime.replay import replay
from tests.postgres_server import PostgresServer
from tests.runtime.teams import performance

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300), pytest.mark.usefixtures("ray_here")]


async def test_a_run_over_actors_survives_the_crash_of_its_server(postgres_server: PostgresServer) -> None:
    from runtime.cluster import RayEngine

    address, crashes = postgres_server.new_database(), list[int]()

    def on_event(event: AnyEvent) -> None:
        if isinstance(event, StepCompleted) and not crashes:
            crashes.append(event.seq)
            postgres_server.restart()

    ordered = dataclasses.replace(performance("run", "boss", {"workers": 6}), on_event=on_event)
    answer = await RayEngine("auto", address, hosts=2).perform(ordered)
    assert isinstance(answer, Mapping)
    assert len(answer["answers"]) == 6 if isinstance(answer["answers"], list) else False
    journal = open_journal(address)
    events = await journal.events("run")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunCompleted)
    assert len(crashes) == 1
    await replay(journal, "run")
    await journal.close()
