"""AgentChat's teams, unchanged, made durable: they answer as ever, and each run replays exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autogen_agentchat.agents import (
    SocietyOfMindAgent,
)
from autogen_agentchat.base import Handoff, TaskResult
from autogen_agentchat.conditions import (
    HandoffTermination,
    MaxMessageTermination,
    TextMentionTermination,
)
from autogen_agentchat.messages import (
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    StructuredMessage,
)
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from pydantic import BaseModel

from tests.runtime.chats import Theatre, call, model, said, says


async def test_round_robin_says_what_its_agents_say(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat(
            [says("a", "one"), says("b", "two DONE")], termination_condition=TextMentionTermination("DONE")
        )

    async with theatre.playing(make) as team:
        result = await team.run(task="count")
    assert said(result) == [("user", "count"), ("a", "one"), ("b", "two DONE")]
    assert result.stop_reason == "Text 'DONE' mentioned"
    assert [step.kind for step in await theatre.steps()] == ["model", "model"]


async def test_a_stream_says_it_piece_by_piece(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "one two", model_client_stream=True)], max_turns=1)

    async with theatre.playing(make) as team:
        heard = [message async for message in team.run_stream(task="count")]
    chunks = [message.content for message in heard if isinstance(message, ModelClientStreamingChunkEvent)]
    assert chunks == ["one ", "two"]
    assert isinstance(heard[-1], TaskResult)
    assert said(heard[-1]) == [("user", "count"), ("a", "one two")]


async def test_a_selector_asks_its_model_who_is_next(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return SelectorGroupChat(
            [says("a", "from a"), says("b", "from b")],
            model_client=model("b", "a"),
            termination_condition=MaxMessageTermination(3),
        )

    async with theatre.playing(make) as team:
        assert [source for source, _ in said(await team.run(task="go"))] == ["user", "b", "a"]


async def test_a_selector_with_a_function_of_its_own_stays_here_and_replays(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        def last_first(thread: Sequence[Any]) -> str | None:
            return "b" if len(thread) == 1 else "a"

        return SelectorGroupChat(
            [says("a", "from a"), says("b", "from b")],
            model_client=model(),
            termination_condition=MaxMessageTermination(3),
            selector_func=last_first,
        )

    async with theatre.playing(make) as team:
        assert [source for source, _ in said(await team.run(task="go"))] == ["user", "b", "a"]


async def test_a_swarm_hands_off_and_goes_on_from_the_user(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        first = says("first", call(("transfer_to_second", "{}")), handoffs=["second"])
        second = says("second", call(("transfer_to_user", "{}")), "thanks DONE", handoffs=[Handoff(target="user")])
        until = HandoffTermination("user") | TextMentionTermination("DONE")
        return Swarm([first, second], termination_condition=until)

    async with theatre.playing(make) as team:
        result = await team.run(task="go")
        back = HandoffMessage(source="user", target="second", content="there")
        after = await team.run(task=back)
    assert [message.source for message in result.messages if isinstance(message, HandoffMessage)] == ["first", "second"]
    assert said(after)[-1] == ("second", "thanks DONE")


async def test_a_graph_runs_its_branches_before_it_joins(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        root, left, right, end = says("root", "go"), says("left", "l"), says("right", "r"), says("end", "all")
        graph = DiGraphBuilder().add_node(root).add_node(left).add_node(right).add_node(end)
        graph.add_edge(root, left).add_edge(root, right).add_edge(left, end).add_edge(right, end)
        return GraphFlow([root, left, right, end], graph.build())

    async with theatre.playing(make) as team:
        order = [source for source, _ in said(await team.run(task="t"))]
    assert order[:2] == ["user", "root"]
    assert sorted(order[2:4]) == ["left", "right"]
    assert order[4] == "end"


async def test_a_graph_chooses_its_way_by_what_was_said(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        judge, good, bad = says("judge", "APPROVE"), says("good", "so be it"), says("bad", "never")
        graph = DiGraphBuilder().add_node(judge).add_node(good).add_node(bad)
        graph.add_edge(judge, good, condition="APPROVE").add_edge(judge, bad, condition="REJECT")
        return GraphFlow([judge, good, bad], graph.build())

    async with theatre.playing(make) as team:
        assert [source for source, _ in said(await team.run(task="t"))] == ["user", "judge", "good"]


async def test_magentic_one_plans_asks_and_answers(theatre: Theatre) -> None:
    def ledger(done: str, agent: str) -> str:
        yes = f'{{"answer": {done}, "reason": "r"}}'
        no = '{"answer": false, "reason": "r"}'
        return (
            f'{{"is_request_satisfied": {yes}, "is_progress_being_made": {{"answer": true, "reason": "r"}}, '
            f'"is_in_loop": {no}, "instruction_or_question": {{"answer": "do it", "reason": "r"}}, '
            f'"next_speaker": {{"answer": "{agent}", "reason": "r"}}}}'
        )

    def make() -> BaseGroupChat:
        orchestrator = model("facts", "plan", ledger("false", "worker"), ledger("true", "worker"), "the answer")
        return MagenticOneGroupChat([says("worker", "did it")], model_client=orchestrator)

    async with theatre.playing(make) as team:
        result = await team.run(task="solve")
    assert ("worker", "did it") in said(result)
    assert result.messages[-1].to_text() == "the answer"


async def test_a_team_can_be_a_participant_of_a_team(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        inner = RoundRobinGroupChat([says("deep", "inside"), says("deeper", "more")], name="inner", max_turns=2)
        return RoundRobinGroupChat([inner, says("outer", "outside")], max_turns=2)

    async with theatre.playing(make) as team:
        texts = [text for _, text in said(await team.run(task="go"))]
    assert texts == ["go", "inside", "more", "outside"]
    assert len(await theatre.steps()) == 3


async def test_a_society_of_mind_speaks_with_one_voice(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        inner = RoundRobinGroupChat([says("deep", "inside")], termination_condition=MaxMessageTermination(2))
        society = SocietyOfMindAgent("society", team=inner, model_client=model("in short"))
        return RoundRobinGroupChat([society], max_turns=1)

    async with theatre.playing(make) as team:
        assert said(await team.run(task="go"))[-1] == ("society", "in short")


class Colour(BaseModel):
    """A structured answer."""

    name: str


async def test_structured_messages_keep_their_type(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        agent = says("a", '{"name": "blue"}', output_content_type=Colour)
        return RoundRobinGroupChat([agent], max_turns=1, custom_message_types=[StructuredMessage[Colour]])

    async with theatre.playing(make) as team:
        result = await team.run(task="which colour?")
    last: Any = result.messages[-1]
    assert isinstance(last, StructuredMessage)
    assert last.model_dump()["content"] == {"name": "blue"}


async def test_team_events_are_told(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "one")], max_turns=1, emit_team_events=True)

    async with theatre.playing(make) as team:
        result = await team.run(task="go")
    assert "SelectSpeakerEvent" in [type(message).__name__ for message in result.messages]
