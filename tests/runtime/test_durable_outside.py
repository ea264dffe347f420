"""What a durable team reaches outside of itself (tools, people, memories, workbenches, code) is asked once."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from autogen_agentchat.agents import (
    AssistantAgent,
    CodeExecutorAgent,
    UserProxyAgent,
)
from autogen_agentchat.conditions import (
    TextMentionTermination,
)
from autogen_agentchat.messages import (
    ToolCallExecutionEvent,
)
from autogen_agentchat.teams import (
    BaseGroupChat,
    RoundRobinGroupChat,
)
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_core.memory import ListMemory, Memory, MemoryContent, MemoryQueryResult, UpdateContextResult
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import SystemMessage
from autogen_core.tools import TextResultContent, ToolResult, ToolSchema, Workbench

from runtime.autogen_teams.effects import effect_names
from runtime.autogen_teams.outside import SteppedInput
from runtime.autogen_teams.wrap import Wrapping
from runtime.durable import Stage, durable
from runtime.errors import UsageError, WaitingForPerson
from tests.runtime.chats import Theatre, call, double, model, says, shout


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


def test_a_user_proxy_that_is_wrapped_again_asks_with_its_own_function() -> None:
    def typed(prompt: str) -> str:
        return prompt

    proxy = UserProxyAgent("person", input_func=typed)
    for _ in range(2):
        Wrapping("run", {}, None).wrap(RoundRobinGroupChat([proxy]))
    assert proxy.input_func == SteppedInput("person", typed, None)


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


async def test_effects_are_said_of_what_is_there(theatre: Theatre) -> None:
    inner = RoundRobinGroupChat([says("b", "one", tools=[shout])], name="inner", max_turns=1)
    team = RoundRobinGroupChat([says("a", "one", tools=[double, TeamTool(inner, "ask", "Asks.")])], max_turns=1)
    assert effect_names(team) == frozenset({"double", "shout"})
    with pytest.raises(UsageError, match=r"effects: found .duoble., expected .*: double, shout$"):
        await durable(team, run_id="run", journal=theatre.journal, effects={"duoble": "read"})
    assert effect_names(RoundRobinGroupChat([says("a", "one", workbench=Bench())])) is None, "its tools are its own"


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
