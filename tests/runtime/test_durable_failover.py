"""A team whose agents live on several hosts, of which one dies, or the sequencer: it says what it would have said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from autogen_agentchat.teams import BaseGroupChat

from runtime.autogen_teams.asked import TaskGiven
from runtime.autogen_teams.component import dumped
from runtime.autogen_teams.durable_record import FIRST, payload_of
from runtime.autogen_teams.team import spec_of
from runtime.codec import Json
from runtime.events import AnyEvent, DeliveryStarted, RunCompleted, StepCompleted
from runtime.performance import Performance
from tests.runtime.test_durable_chaos import branching, nested, with_tools
from tests.runtime.test_failover import HOSTS, Yard


def yard_of(folder: Path, make: Callable[[], BaseGroupChat]) -> Yard:
    """A yard that performs a team."""
    component, _ = dumped(make())
    spec = spec_of("team", {"component": component}, {"double": "read", "shout": "idempotent"})
    yard = Yard(folder, "lead", {})
    yard.order = Performance("run", spec, FIRST, payload_of(TaskGiven(text="go")))
    return yard


def at_event(number: int, name: str) -> Callable[[AnyEvent], str]:
    """Names the process once, at so manyth event that a host has proposed."""
    seen = 0

    def when(_: AnyEvent) -> str:
        nonlocal seen
        seen += 1
        return name if seen == number else ""

    return when


def spoken(result: Json) -> list[tuple[str, str]]:
    """Who said what."""
    assert isinstance(result, dict)
    messages = result["messages"]
    assert isinstance(messages, list)
    return sorted((str(said["source"]), str(said["content"])) for said in messages if isinstance(said, dict))


async def test_the_agents_of_a_team_are_spread_over_hosts(tmp_path: Path) -> None:
    yard = yard_of(tmp_path, branching)
    homes: set[str] = set()

    def note(_: AnyEvent) -> str:
        for host, (made, _task) in yard.hosts.items():
            homes.update(host for agents in made.held().values() if agents)
        return ""

    yard.when = note
    await yard.perform()
    assert homes == set(HOSTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HOSTS, "sequencer"])
@pytest.mark.parametrize("make", [with_tools, branching, nested])
async def test_whatever_dies_a_team_says_what_it_would_have_said(
    tmp_path: Path, make: Callable[[], BaseGroupChat], name: str
) -> None:
    undisturbed = yard_of(tmp_path, make)
    expected = spoken(await undisturbed.perform())
    calls = sum(isinstance(event, StepCompleted) for event in await undisturbed.journal.events("run"))
    for number in range(3, 40, 6):
        yard = yard_of(tmp_path, make)
        yard.when = at_event(number, name)
        assert spoken(await yard.perform()) == expected, f"{name} died at event {number}"
        events = await yard.checked_events()
        assert isinstance(events[-1], RunCompleted)
        assert sum(isinstance(event, StepCompleted) for event in events) == calls
        assert any(isinstance(event, DeliveryStarted) for event in events)
