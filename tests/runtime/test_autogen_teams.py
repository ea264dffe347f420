"""AgentChat's teams, unchanged, on `RayAgentRuntime`: what they answer, and that what they say is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import pytest
from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, SocietyOfMindAgent, UserProxyAgent
from autogen_agentchat.base import Handoff, Response, TaskResult
from autogen_agentchat.conditions import (
    ExternalTermination,
    HandoffTermination,
    MaxMessageTermination,
    TextMentionTermination,
)
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage, TextMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import CreateResult, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

from runtime.autogen import RayAgentRuntime
from runtime.events import DeliveryCompleted, MessagePublished

INFO: ModelInfo = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "structured_output": True,
    "family": "unknown",
}


def model(*answers: str | CreateResult) -> ReplayChatCompletionClient:
    return ReplayChatCompletionClient(list(answers), model_info=INFO)


def call(name: str, arguments: str = "{}") -> CreateResult:
    return CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id="1", name=name, arguments=arguments)],
        usage=RequestUsage(prompt_tokens=1, completion_tokens=1),
        cached=False,
    )


def says(name: str, *answers: str | CreateResult, **options: Any) -> AssistantAgent:
    return AssistantAgent(name, model_client=model(*answers), description=name, **options)


@pytest.fixture
async def runtime() -> AsyncGenerator[RayAgentRuntime]:
    made = RayAgentRuntime()
    made.start()
    yield made
    await made.close()
    failures = [
        event
        for event in await made.journal.events(made.run_id)
        if isinstance(event, DeliveryCompleted) and event.failure
    ]
    assert failures == []


def said(result: TaskResult) -> list[tuple[str, str]]:
    return [(message.source, message.to_text()) for message in result.messages if isinstance(message, TextMessage)]


async def test_round_robin_says_what_its_agents_say_and_all_of_it_is_on_record(runtime: RayAgentRuntime) -> None:
    team = RoundRobinGroupChat(
        [says("a", "one"), says("b", "two DONE")], termination_condition=TextMentionTermination("DONE"), runtime=runtime
    )
    result = await team.run(task="count")

    assert said(result) == [("user", "count"), ("a", "one"), ("b", "two DONE")]
    payloads = [
        await runtime.journal.blob(event.payload)
        for event in await runtime.journal.events(runtime.run_id)
        if isinstance(event, MessagePublished)
    ]
    assert any(b"two DONE" in payload for payload in payloads)
    assert not any(b'"opaque"' in payload for payload in payloads)


async def test_a_selector_asks_its_model_who_is_next(runtime: RayAgentRuntime) -> None:
    team = SelectorGroupChat(
        [says("a", "from a"), says("b", "from b")],
        model_client=model("b", "a"),
        termination_condition=MaxMessageTermination(3),
        runtime=runtime,
    )
    assert [source for source, _ in said(await team.run(task="go"))] == ["user", "b", "a"]


async def test_a_swarm_hands_off_and_stops_for_the_user(runtime: RayAgentRuntime) -> None:
    first = says("first", call("transfer_to_second"), handoffs=["second"])
    second = says("second", call("transfer_to_user"), handoffs=[Handoff(target="user")])
    team = Swarm([first, second], termination_condition=HandoffTermination("user"), runtime=runtime)
    result = await team.run(task="go")

    assert [message.source for message in result.messages if isinstance(message, HandoffMessage)] == ["first", "second"]


async def test_a_graph_runs_its_branches_before_it_joins(runtime: RayAgentRuntime) -> None:
    root, left, right, end = says("root", "go"), says("left", "l"), says("right", "r"), says("end", "all")
    graph = DiGraphBuilder().add_node(root).add_node(left).add_node(right).add_node(end)
    graph.add_edge(root, left).add_edge(root, right).add_edge(left, end).add_edge(right, end)
    team = GraphFlow([root, left, right, end], graph.build(), runtime=runtime)
    order = [source for source, _ in said(await team.run(task="t"))]

    assert order[:2] == ["user", "root"]
    assert sorted(order[2:4]) == ["left", "right"]
    assert order[4] == "end"


async def test_magentic_one_plans_asks_and_answers(runtime: RayAgentRuntime) -> None:
    def ledger(done: str, agent: str) -> str:
        yes = f'{{"answer": {done}, "reason": "r"}}'
        no = '{"answer": false, "reason": "r"}'
        return (
            f'{{"is_request_satisfied": {yes}, "is_progress_being_made": {{"answer": true, "reason": "r"}}, '
            f'"is_in_loop": {no}, "instruction_or_question": {{"answer": "do it", "reason": "r"}}, '
            f'"next_speaker": {{"answer": "{agent}", "reason": "r"}}}}'
        )

    orchestrator = model("facts", "plan", ledger("false", "worker"), ledger("true", "worker"), "the answer")
    team = MagenticOneGroupChat([says("worker", "did it")], model_client=orchestrator, runtime=runtime)
    result = await team.run(task="solve")

    assert ("worker", "did it") in said(result)
    assert result.messages[-1].to_text() == "the answer"


async def test_a_team_can_be_a_participant_of_a_team(runtime: RayAgentRuntime) -> None:
    inner = RoundRobinGroupChat([says("deep", "inside")], name="inner", max_turns=1, runtime=runtime)
    team = RoundRobinGroupChat([inner, says("outer", "outside")], max_turns=2, runtime=runtime)
    texts = [text for _, text in said(await team.run(task="go"))]

    assert "inside" in texts
    assert "outside" in texts


async def test_a_society_of_mind_speaks_with_one_voice(runtime: RayAgentRuntime) -> None:
    inner = RoundRobinGroupChat(
        [says("deep", "inside")], termination_condition=MaxMessageTermination(2), runtime=runtime
    )
    society = SocietyOfMindAgent("society", team=inner, model_client=model("in short"))
    team = RoundRobinGroupChat([society], max_turns=1, runtime=runtime)

    assert said(await team.run(task="go"))[-1] == ("society", "in short")


async def test_tools_are_called_and_their_results_reported(runtime: RayAgentRuntime) -> None:
    async def double(number: int) -> int:
        """Doubles a number."""
        return 2 * number

    agent = says("a", call("double", '{"number": 21}'), tools=[double])
    result = await RoundRobinGroupChat([agent], max_turns=1, runtime=runtime).run(task="double 21")

    assert result.messages[-1].to_text() == "42"


async def test_a_user_proxy_answers_with_what_the_person_types(runtime: RayAgentRuntime) -> None:
    async def typed(prompt: str, token: CancellationToken | None) -> str:
        return "yes DONE"

    team = RoundRobinGroupChat(
        [says("a", "shall I?"), UserProxyAgent("person", input_func=typed)],
        termination_condition=TextMentionTermination("DONE"),
        runtime=runtime,
    )
    assert (await team.run(task="go")).messages[-1].to_text() == "yes DONE"


async def test_a_stream_stops_at_an_external_termination(runtime: RayAgentRuntime) -> None:
    stop = ExternalTermination()
    team = RoundRobinGroupChat([says("a", *["again"] * 50)], termination_condition=stop, runtime=runtime)
    result: TaskResult | None = None
    async for message in team.run_stream(task="go"):
        if isinstance(message, TaskResult):
            result = message
        elif message.source == "a":
            stop.set()

    assert result is not None
    assert result.stop_reason == "External termination requested"


async def test_a_reset_team_begins_anew(runtime: RayAgentRuntime) -> None:
    agents = [says("a", "first", "second"), says("b", "never")]
    team = RoundRobinGroupChat(cast("list[Any]", agents), max_turns=1, runtime=runtime)
    first = await team.run(task="go")
    await team.reset()
    second = await team.run(task="go")

    assert said(first) == [("user", "go"), ("a", "first")]
    assert said(second) == [("user", "go"), ("a", "second")]


async def test_saved_state_goes_on_in_another_team(runtime: RayAgentRuntime) -> None:
    def team() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1"), says("b", "2")], max_turns=1, runtime=runtime)

    first, second = team(), team()
    await first.run(task="go")
    await second.load_state(await first.save_state())

    assert said(await second.run())[-1] == ("b", "2")


class Pausable(BaseChatAgent):
    """Counts pauses, and waits in its turn until it is resumed."""

    def __init__(self) -> None:
        super().__init__("pausable", "waits")
        self.entered, self.resumed = asyncio.Event(), asyncio.Event()
        self.calls: list[str] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.entered.set()
        await self.resumed.wait()
        return Response(chat_message=TextMessage(content="resumed", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.calls.append("reset")

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        self.calls.append("pause")

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        self.calls.append("resume")
        self.resumed.set()


async def test_a_team_pauses_and_resumes_while_an_agent_is_in_its_turn(runtime: RayAgentRuntime) -> None:
    agent = Pausable()
    team = RoundRobinGroupChat([agent], max_turns=1, runtime=runtime)
    running = asyncio.ensure_future(team.run(task="go"))
    await agent.entered.wait()
    await team.pause()
    await team.resume()

    assert said(await running)[-1] == ("pausable", "resumed")
    assert agent.calls == ["pause", "resume"]


async def test_a_cancelled_team_run_is_cancelled(runtime: RayAgentRuntime) -> None:
    agent = Pausable()
    token = CancellationToken()
    team = RoundRobinGroupChat([agent], max_turns=1, runtime=runtime)
    running = asyncio.ensure_future(team.run(task="go", cancellation_token=token))
    await agent.entered.wait()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    agent.resumed.set()
