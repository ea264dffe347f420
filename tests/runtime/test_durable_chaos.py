"""Teams that die at any append of their run end as the undisturbed ones do, and do nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)

from runtime.autogen_teams.asked import TaskGiven
from runtime.autogen_teams.component import dumped
from runtime.autogen_teams.durable_record import FIRST, payload_of
from runtime.autogen_teams.team import spec_of
from runtime.killing.chaos_local import LocalChaos
from runtime.performance import Performance
from tests.runtime.chats import call, double, model, says, shout


def with_tools() -> BaseGroupChat:
    """Two agents, of whom one calls two tools at once."""
    asks = call(("double", '{"number": 21}'), ("shout", '{"text": "hey"}'))
    return RoundRobinGroupChat(
        [says("a", asks, tools=[double, shout]), says("b", "fine DONE")],
        termination_condition=TextMentionTermination("DONE"),
    )


def selected() -> BaseGroupChat:
    """A model says who speaks."""
    return SelectorGroupChat(
        [says("a", "from a"), says("b", "from b")],
        model_client=model("b", "a"),
        termination_condition=MaxMessageTermination(3),
    )


def handed() -> BaseGroupChat:
    """One hands off to another, who hands off to the user."""
    first = says("first", call(("transfer_to_second", "{}")), handoffs=["second"])
    second = says("second", call(("transfer_to_user", "{}")), handoffs=[Handoff(target="user")])
    return Swarm([first, second], termination_condition=HandoffTermination("user"))


def branching() -> BaseGroupChat:
    """Two speak at once."""
    root, left, right, end = says("root", "go"), says("left", "l"), says("right", "r"), says("end", "all")
    graph = DiGraphBuilder().add_node(root).add_node(left).add_node(right).add_node(end)
    graph.add_edge(root, left).add_edge(root, right).add_edge(left, end).add_edge(right, end)
    return GraphFlow([root, left, right, end], graph.build())


def nested() -> BaseGroupChat:
    """A team and a society inside of a team."""
    inner = RoundRobinGroupChat([says("deep", "inside"), says("deeper", "more")], name="inner", max_turns=2)
    mind = RoundRobinGroupChat([says("thought", "so")], termination_condition=MaxMessageTermination(2))
    society = SocietyOfMindAgent("society", team=mind, model_client=model("in short"))
    return RoundRobinGroupChat([inner, society], max_turns=2)


@pytest.mark.slow
@pytest.mark.parametrize("make", [with_tools, selected, handed, branching, nested])
async def test_a_team_that_dies_at_any_append_ends_as_the_undisturbed_one(
    tmp_path: Path, make: Callable[[], BaseGroupChat]
) -> None:
    component, _ = dumped(make())
    spec = spec_of("team", {"component": component}, {"double": "read", "shout": "idempotent"})
    order = Performance("run", spec, FIRST, payload_of(TaskGiven(text="go")))
    chaos = LocalChaos(lambda _: order, tmp_path)
    undisturbed, points = await chaos.undisturbed()
    found = [trial for point in points if (trial := await chaos.trial(undisturbed, point)) is not None]

    assert [(str(t.point), t.findings.faults) for t in found if t.verdict != "survived"] == []
    assert {t.point.side for t in found} == {"before", "after"}
    assert len(found) >= 20
