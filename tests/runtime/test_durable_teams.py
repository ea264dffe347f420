"""AgentChat's teams, unchanged, made durable: they answer as ever, and each run replays exactly."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from autogen_agentchat.agents import (
    AssistantAgent,
    BaseChatAgent,
    CodeExecutorAgent,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.base import Handoff, Response, TaskResult
from autogen_agentchat.conditions import (
    ExternalTermination,
    HandoffTermination,
    MaxMessageTermination,
    TextMentionTermination,
    TimeoutTermination,
)
from autogen_agentchat.messages import (
    BaseChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    StructuredMessage,
    TextMessage,
    ToolCallExecutionEvent,
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
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_core.memory import ListMemory, Memory, MemoryContent, MemoryQueryResult, UpdateContextResult
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import SystemMessage
from autogen_core.tools import TextResultContent, ToolResult, ToolSchema, Workbench
from pydantic import BaseModel

from runtime.durable import Stage
from runtime.errors import WaitingForPerson
from tests.runtime.chats import Theatre, call, double, model, said, says, shout


@pytest.fixture
async def theatre(tmp_path: Path) -> AsyncGenerator[Theatre]:
    made = Theatre(tmp_path)
    yield made
    await made.journal.close()


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


async def test_tools_are_called_once_each_and_their_results_are_on_record(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        asks = call(("double", '{"number": 21}'), ("shout", '{"text": "hey"}'))
        return RoundRobinGroupChat([says("a", asks, tools=[double, shout])], max_turns=1)

    async with theatre.playing(make, effects={"double": "read"}) as team:
        result = await team.run(task="double 21")
    assert result.messages[-1].to_text() == "42\nHEY!"
    assert [(step.name, step.effect) for step in await theatre.steps() if step.kind == "tool"] == [
        ("double", "read"),
        ("shout", "irreversible"),
    ]


async def test_a_tool_that_fails_tells_the_model_why(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        def broken(text: str) -> str:
            """Fails."""
            raise ValueError(f"no {text} today")

        return RoundRobinGroupChat([says("a", call(("broken", '{"text": "milk"}')), tools=[broken])], max_turns=1)

    async with theatre.playing(make) as team:
        result = await team.run(task="buy")
    events = [message for message in result.messages if isinstance(message, ToolCallExecutionEvent)]
    assert [(one.content, one.is_error) for one in events[0].content] == [("no milk today", True)]


async def test_agents_and_teams_serve_as_tools(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        clerk = AgentTool(says("clerk", "looked up"), return_value_as_last_message=True)
        board = TeamTool(
            RoundRobinGroupChat([says("chair", "agreed")], max_turns=1),
            name="board",
            description="decides",
            return_value_as_last_message=True,
        )
        asks = [call(("clerk", '{"task": "look"}')), call(("board", '{"task": "decide"}'))]
        agent = AssistantAgent("a", model_client=model(*asks), tools=[clerk, board], max_tool_iterations=2)
        return RoundRobinGroupChat([agent], max_turns=1)

    async with theatre.playing(make) as team:
        result = await team.run(task="go")
    assert result.messages[-1].to_text() == "agreed"
    assert [step.kind for step in await theatre.steps()] == ["model"] * 4


async def test_a_user_proxy_answers_with_what_the_person_types(theatre: Theatre) -> None:
    asked: list[str] = []

    def make() -> BaseGroupChat:
        def typed(prompt: str) -> str:
            asked.append(prompt)
            return "yes DONE"

        return RoundRobinGroupChat(
            [says("a", "shall I?"), UserProxyAgent("person", input_func=typed)],
            termination_condition=TextMentionTermination("DONE"),
        )

    async with theatre.playing(make) as team:
        assert (await team.run(task="go")).messages[-1].to_text() == "yes DONE"
    assert len(asked) == 1


def shy() -> BaseGroupChat:
    """A team with a person in it whom nobody has told how to reach."""
    return RoundRobinGroupChat(
        [says("a", "shall I?"), UserProxyAgent("person")], termination_condition=TextMentionTermination("DONE")
    )


async def test_a_user_proxy_asks_the_runs_own_person(theatre: Theatre) -> None:
    async def ask(prompt: str) -> str:
        return f"DONE, as I was asked to {prompt.strip(' :')}"

    async with theatre.playing(shy, engine=Stage(ask=ask)) as team:
        assert (await team.run(task="go")).messages[-1].to_text() == "DONE, as I was asked to Enter your response"


async def test_a_user_proxy_asks_at_the_terminal_of_its_program(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower) as terminal, os.fdopen(leader, "wb") as keyboard:
        monkeypatch.setattr(sys, "stdin", terminal)
        keyboard.write(b"yes DONE\n")
        keyboard.flush()
        async with theatre.playing(shy) as team:
            assert (await team.run(task="go")).messages[-1].to_text() == "yes DONE"


async def test_a_team_waits_where_nobody_is_there_to_answer(theatre: Theatre) -> None:
    with pytest.raises(WaitingForPerson, match="Enter your response"):
        async with theatre.playing(shy) as team:
            await team.run(task="go")


async def test_a_stream_stops_at_an_external_termination(theatre: Theatre) -> None:
    stops: list[ExternalTermination] = []

    def make() -> BaseGroupChat:
        stops.append(ExternalTermination())
        return RoundRobinGroupChat([says("a", *["again"] * 500)], termination_condition=stops[-1])

    async with theatre.playing(make) as team:
        heard: list[Any] = []
        async for message in team.run_stream(task="go"):
            heard.append(message)
            if len(heard) == 2:
                stops[0].set()
    assert heard[-1].stop_reason == "External termination requested"


async def test_a_reset_team_begins_anew(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        agents = [says("a", "first", "second"), says("b", "never")]
        return RoundRobinGroupChat(cast("list[Any]", agents), max_turns=1)

    async with theatre.playing(make) as team:
        first = await team.run(task="go")
        await team.reset()
        second = await team.run(task="go")
    assert said(first) == [("user", "go"), ("a", "first")]
    assert said(second) == [("user", "go"), ("a", "second")]


async def test_a_team_goes_on_with_its_conversation(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1"), says("b", "2")], max_turns=1)

    async with theatre.playing(make) as team:
        await team.run(task="go")
        assert said(await team.run()) == [("b", "2")]


async def test_saved_state_goes_on_in_another_team(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1"), says("b", "2")], max_turns=1)

    async with theatre.playing(make, "first") as first:
        await first.run(task="go")
        state = await first.save_state()
    async with theatre.playing(make, "second") as second:
        await second.load_state(state)
        assert said(await second.run())[-1] == ("b", "2")


async def test_a_durable_team_takes_the_state_of_a_plain_one(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1"), says("b", "2")], max_turns=1)

    plain = make()
    await plain.run(task="go")
    async with theatre.playing(make) as team:
        await team.load_state(await plain.save_state())
        assert said(await team.run())[-1] == ("b", "2")


class Pausable(BaseChatAgent):
    """Waits in its turn until it is resumed, and says what it was told."""

    def __init__(self) -> None:
        super().__init__("pausable", "waits")
        self._resumed = asyncio.Event()
        self._calls: list[str] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        waiting = asyncio.ensure_future(self._resumed.wait())
        cancellation_token.link_future(waiting)
        await waiting
        return Response(chat_message=TextMessage(content=" ".join(self._calls), source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self._calls.clear()

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        self._calls.append("pause")

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        self._calls.append("resume")
        self._resumed.set()


def waiting_team() -> BaseGroupChat:
    """A team whose one agent waits to be resumed."""
    return RoundRobinGroupChat([Pausable()], max_turns=1)


async def test_a_team_pauses_and_resumes_while_an_agent_is_in_its_turn(theatre: Theatre) -> None:
    async with theatre.playing(waiting_team) as team:
        stream = team.run_stream(task="go")
        assert isinstance(await anext(stream), TextMessage)
        await team.pause()
        await team.resume()
        result = [message async for message in stream][-1]
        assert isinstance(result, TaskResult)
        assert said(result)[-1] == ("pausable", "pause resume")


async def test_a_cancelled_task_is_cancelled_in_all_agents(theatre: Theatre) -> None:
    token = CancellationToken()
    async with theatre.playing(waiting_team) as team:
        stream = team.run_stream(task="go", cancellation_token=token)
        await anext(stream)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await anext(stream)


async def test_a_task_is_given_up_when_nobody_listens_any_more(theatre: Theatre) -> None:
    async with theatre.playing(waiting_team) as team:
        stream = team.run_stream(task="go")
        await anext(stream)
        await stream.aclose()


class Refuses(BaseChatAgent):
    """Fails in its turn."""

    def __init__(self) -> None:
        super().__init__("refuses", "fails")

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        raise ValueError("not today")

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        pass


async def test_an_agent_that_fails_ends_its_task_and_not_the_run(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "one"), Refuses()], max_turns=2)

    async with theatre.playing(make) as team:
        with pytest.raises(RuntimeError, match="ValueError: not today"):
            await team.run(task="go")
        await team.reset()


async def test_a_model_that_fails_ends_its_task(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a")], max_turns=1)

    async with theatre.playing(make) as team:
        with pytest.raises(RuntimeError, match="No more mock responses available"):
            await team.run(task="go")


async def test_a_memory_of_the_agents_own_is_made_again_with_it(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        memory = ListMemory(memory_contents=[MemoryContent(content="blue", mime_type="text/plain")])
        return RoundRobinGroupChat([says("a", "it is blue", memory=[memory])], max_turns=1)

    async with theatre.playing(make) as team:
        result = await team.run(task="which colour?")
    assert [type(message).__name__ for message in result.messages] == ["TextMessage", "MemoryQueryEvent", "TextMessage"]


class Library(Memory):
    """A memory outside of the process, as far as its agents know."""

    asked = 0

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        Library.asked += 1
        await model_context.add_message(SystemMessage(content="remember: blue"))
        found = MemoryContent(content="blue", mime_type="text/plain")
        return UpdateContextResult(memories=MemoryQueryResult(results=[found]))

    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        raise NotImplementedError

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        raise NotImplementedError

    async def clear(self) -> None:
        raise NotImplementedError

    async def close(self) -> None: ...


async def test_a_memory_outside_is_asked_once_and_not_in_a_replay(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "it is blue", memory=[Library()])], max_turns=1)

    before = Library.asked
    async with theatre.playing(make) as team:
        result = await team.run(task="which colour?")
    assert [type(message).__name__ for message in result.messages] == ["TextMessage", "MemoryQueryEvent", "TextMessage"]
    assert Library.asked == before + 1
    assert [step.kind for step in await theatre.steps()] == ["retrieval", "model"]


class Bench(Workbench):
    """A workbench with one tool, and a count of its uses."""

    uses = 0

    async def list_tools(self) -> list[ToolSchema]:
        return [ToolSchema(name="greet", description="greets")]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        Bench.uses += 1
        return ToolResult(name=name, result=[TextResultContent(content=f"hello {dict(arguments or {})['who']}")])

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def reset(self) -> None: ...

    async def save_state(self) -> Mapping[str, Any]:
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None: ...


async def test_a_workbench_is_used_once_and_not_in_a_replay(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", call(("greet", '{"who": "you"}')), workbench=Bench())], max_turns=1)

    before = Bench.uses
    async with theatre.playing(make, effects={"greet": "read"}) as team:
        assert (await team.run(task="go")).messages[-1].to_text() == "hello you"
    assert Bench.uses == before + 1
    assert ("greet", "read") in [(step.name, step.effect) for step in await theatre.steps()]


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


class Calculator(CodeExecutor):
    """Executes nothing but counts how often it is asked to."""

    runs = 0

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        Calculator.runs += 1
        return CodeResult(exit_code=0, output=code_blocks[0].code.strip()[::-1])

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def restart(self) -> None: ...


@pytest.mark.filterwarnings("ignore:No approval function set:UserWarning")
async def test_code_is_executed_once_and_not_in_a_replay(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        agent = CodeExecutorAgent("runner", code_executor=Calculator())
        return RoundRobinGroupChat([says("a", "```python\nabc\n```"), agent], max_turns=2)

    before = Calculator.runs
    async with theatre.playing(make) as team:
        assert (await team.run(task="go")).messages[-1].to_text() == "cba"
    assert Calculator.runs == before + 1


async def test_a_time_limit_goes_by_the_time_on_record(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat(
            [says("a", "one", "two")], termination_condition=TimeoutTermination(3600) | MaxMessageTermination(3)
        )

    async with theatre.playing(make) as team:
        assert len((await team.run(task="go")).messages) == 3


async def test_team_events_are_told(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "one")], max_turns=1, emit_team_events=True)

    async with theatre.playing(make) as team:
        result = await team.run(task="go")
    assert "SelectSpeakerEvent" in [type(message).__name__ for message in result.messages]
