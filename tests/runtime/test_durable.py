"""What a durable team promises to its program: it is taken up where it was, and nothing that was done is done again."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import FunctionalTermination, TextMentionTermination, TokenUsageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_core.models import CreateResult
from autogen_ext.models.openai import OpenAIChatCompletionClient
from autogen_ext.models.replay import ReplayChatCompletionClient

from runtime.autogen_teams.component import dumped
from runtime.autogen_teams.graph import stays
from runtime.durable import durable, replayed
from runtime.errors import UsageError
from runtime.events import DeliveryCompleted, RunCompleted, StepStarted
from tests.runtime.chats import INFO, Theatre, call, double, model, said, says


def counting() -> BaseGroupChat:
    """A team that counts to four."""
    return RoundRobinGroupChat(
        [says("a", "one", "three"), says("b", "two", "four DONE")],
        termination_condition=TextMentionTermination("DONE"),
    )


COUNTED = [("user", "count"), ("a", "one"), ("b", "two"), ("a", "three"), ("b", "four DONE")]


@pytest.mark.parametrize("make", [counting, lambda: counting()], ids=["described", "a function of nobody's"])
@pytest.mark.parametrize("heard", [1, 2, 3, 4, 5])
async def test_a_stream_goes_on_where_it_was(theatre: Theatre, heard: int, make: Any) -> None:
    left = await durable(make(), run_id="run", journal=theatre.journal)
    stream = left.run_stream(task="count")
    before = [await anext(stream) for _ in range(heard)]
    await left.detach()

    async with await durable(make(), run_id="run", journal=theatre.journal) as team:
        again = [message async for message in team.run_stream(task="count")]
    assert again[:heard] == before
    assert isinstance(again[-1], TaskResult)
    assert said(again[-1]) == COUNTED
    assert len([step for step in await theatre.steps() if step.kind == "model"]) == 4
    assert isinstance((await theatre.events())[-1], RunCompleted)
    await theatre.replayed(make)


async def test_every_request_of_a_program_is_answered_from_the_record(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1", "2"), says("b", "3", "4")], max_turns=1)

    async def program(team: Any) -> list[Any]:
        first = said(await team.run(task="go"))
        await team.reset()
        second = said(await team.run(task=TextMessage(content="again", source="user")))
        return [first, second, dict(await team.save_state())]

    team = await durable(make(), run_id="run", journal=theatre.journal)
    once = await program(team)
    await team.detach()
    async with await durable(make(), run_id="run", journal=theatre.journal) as team:
        assert await program(team) == once
        assert said(await team.run())[-1] == ("b", "3")
    assert len(await theatre.steps()) == 3


async def test_a_run_that_has_ended_says_what_is_on_record(theatre: Theatre) -> None:
    async with theatre.playing(counting) as team:
        result = await team.run(task="count")
    count = len(await theatre.events())

    async with await durable(counting(), run_id="run", journal=theatre.journal) as team:
        heard: list[Any] = [message async for message in team.run_stream(task="count")]
        assert [message.to_text() for message in heard[:-1]] == [message.to_text() for message in result.messages]
        assert said(heard[-1]) == COUNTED
        with pytest.raises(UsageError, match="has ended"):
            await team.run()
    assert len(await theatre.events()) == count


async def test_a_program_that_asks_something_else_is_told_so(theatre: Theatre) -> None:
    left = await durable(counting(), run_id="run", journal=theatre.journal)
    await left.run(task="count")
    await left.detach()
    team = await durable(counting(), run_id="run", journal=theatre.journal)
    with pytest.raises(UsageError, match=r"request 1 .*'text': 'sing'.*'text': 'count'"):
        await team.run(task="sing")
    await team.detach()


async def test_a_run_that_is_not_there_cannot_be_replayed(theatre: Theatre) -> None:
    with pytest.raises(UsageError, match="there is no run 'none'; `repertory runs list`"):
        await replayed("none", journal=theatre.journal)


async def test_another_team_under_the_same_id_is_refused(theatre: Theatre) -> None:
    left = await durable(counting(), run_id="run", journal=theatre.journal)
    await left.detach()
    other = RoundRobinGroupChat([says("a", "something else")])
    with pytest.raises(UsageError, match="another team"):
        await durable(other, run_id="run", journal=theatre.journal)


async def test_a_program_that_fails_leaves_its_run_to_be_taken_up(theatre: Theatre) -> None:
    with pytest.raises(ZeroDivisionError):
        async with await durable(counting(), run_id="run", journal=theatre.journal) as team:
            await team.run(task="count")
            raise ZeroDivisionError
    assert not isinstance((await theatre.events())[-1], RunCompleted)
    async with await durable(counting(), run_id="run", journal=theatre.journal) as team:
        assert said(await team.run(task="count")) == COUNTED


async def test_a_team_that_works_takes_no_second_task(theatre: Theatre) -> None:
    async with theatre.playing(counting) as team:
        results = await asyncio.gather(team.run(task="count"), team.run(task="count"), return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(failed) == 1
    assert isinstance(failed[0], ValueError)
    assert "already running" in str(failed[0])


async def test_a_task_must_say_something(theatre: Theatre) -> None:
    async with theatre.playing(counting) as team:
        with pytest.raises(ValueError, match="not empty"):
            await team.run(task=[])


async def test_a_run_whose_team_is_elsewhere_says_how_to_bring_it(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        until = FunctionalTermination(lambda messages: messages[-1].source == "a")
        return RoundRobinGroupChat([says("a", "1", "2", "3")], termination_condition=until)

    async with theatre.playing(make) as team:
        await team.run(task="go")
    with pytest.raises(UsageError, match=r"_func is the function .*<lambda>.*call `durable\(team, run_id='run'\)`"):
        await replayed("run", journal=theatre.journal)


async def test_a_team_that_stays_here_begins_one_run_only(theatre: Theatre) -> None:
    until = FunctionalTermination(lambda messages: messages[-1].source == "a")
    team = RoundRobinGroupChat([says("a", "1", "2")], termination_condition=until)
    async with await durable(team, run_id="first", journal=theatre.journal) as first:
        await first.run(task="go")
    with pytest.raises(UsageError, match="made durable before, as run first; make it again"):
        await durable(team, run_id="second", journal=theatre.journal)


def spoiled() -> BaseGroupChat:
    """Makes no team."""
    raise AttributeError("no model today")


async def test_a_function_that_makes_no_team_fails_at_once(theatre: Theatre) -> None:
    with pytest.raises(AttributeError, match="no model today"):
        await durable(spoiled, journal=theatre.journal)


async def test_a_function_of_a_module_makes_the_team_in_every_process(theatre: Theatre) -> None:
    async with await durable(counting, run_id="run", journal=theatre.journal) as team:
        assert said(await team.run(task="count")) == COUNTED
    assert (await replayed("run", journal=theatre.journal)).model_calls == 4


def with_key(key: str) -> BaseGroupChat:
    """A team whose model is somewhere else."""
    client = OpenAIChatCompletionClient(model="m", api_key=key, base_url="http://localhost:9/v1", model_info=INFO)
    return RoundRobinGroupChat([AssistantAgent("a", model_client=client)], max_turns=1)


async def test_a_key_is_never_on_record(theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    component, secrets = dumped(with_key("sk-very-secret"))
    assert secrets == {"OPENAI_API_KEY": "sk-very-secret"}
    assert "sk-very-secret" not in str(component)

    team = await durable(with_key("sk-very-secret"), run_id="run", journal=theatre.journal)
    await team.detach()
    for event in await theatre.events():
        assert "sk-very-secret" not in str(event)
    assert b"sk-very-secret" not in await theatre.journal.blob((await theatre.events())[0].spec)  # type: ignore[union-attr]  # the first event has one


@pytest.mark.parametrize("leaving", ["close", "detach"])
async def test_a_team_that_was_left_says_so(theatre: Theatre, leaving: str) -> None:
    team = await durable(counting(), run_id="run", journal=theatre.journal)
    await getattr(team, leaving)()
    with pytest.raises(UsageError, match="closed or detached"):
        await team.run(task="count")
    await getattr(team, leaving)()


async def nobody() -> None:
    """Makes no team."""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"run_id": ""}, "run_id: found ''"),
        ({"run_id": 7}, "run_id: found 7"),
        ({"engine": "cluster"}, "engine: found 'cluster', expected one of local, ray"),
        ({"effects": {"pay": "reed"}}, "effects: found 'reed' for 'pay'"),
        ({"effects": {"pay": "read"}}, "effects: found 'pay', expected the name of a tool, memory or executor class"),
        ({"team": says("a", "one")}, "expected a team of AgentChat"),
        ({"team": nobody}, "makes a coroutine, expected a function that makes a team"),
    ],
    ids=["no id", "a number", "an engine", "an effect", "an effect of nothing", "an agent", "a coroutine"],
)
async def test_what_cannot_be_meant_is_refused_before_anything_is_on_record(
    theatre: Theatre, given: dict[str, Any], why: str
) -> None:
    wrong: dict[str, Any] = {"team": counting(), "run_id": "run", "journal": theatre.journal, **given}
    with pytest.raises(UsageError, match=re.escape(why)):
        await durable(**wrong)
    assert not await theatre.journal.runs()


class Loud(ReplayChatCompletionClient):
    """A client that is derived from one of AutoGen's, and does otherwise."""

    async def create(self, *given: Any, **named: Any) -> CreateResult:
        answer = await super().create(*given, **named)
        answer.content = f"{answer.content}!"
        return answer


def loud() -> BaseGroupChat:
    """A team whose client is a class of ours."""
    return RoundRobinGroupChat([AssistantAgent("a", Loud(["one"], model_info=INFO))], max_turns=1)


async def test_a_class_that_is_derived_from_a_component_is_not_made_as_that(theatre: Theatre) -> None:
    async with theatre.playing(loud) as team:
        assert said(await team.run(task="go"))[-1] == ("a", "one!")


async def test_a_part_that_nobody_can_make_from_what_it_says_stays_here(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        until = TokenUsageTermination(max_total_token=1)
        return RoundRobinGroupChat([says("a", "one")], termination_condition=until)

    async with theatre.playing(make) as team:
        assert "Token usage limit reached" in str((await team.run(task="go")).stop_reason)


@pytest.mark.parametrize(
    ("team", "why"),
    [
        (lambda: RoundRobinGroupChat([says("a", tools=[lambda: 1])]), "is a tool around the function"),
        (loud, "which would be made elsewhere as the autogen_ext.models.replay.ReplayChatCompletionClient"),
        (
            lambda: (lambda one: RoundRobinGroupChat([AssistantAgent("a", one), AssistantAgent("b", one)]))(model("x")),
            "are one client that answers from one list",
        ),
        (lambda: RoundRobinGroupChat([says("a", tools=[double])]), None),
        (lambda: RoundRobinGroupChat([says("a", handoffs=["b"]), says("b")]), None),
    ],
    ids=["a lambda", "a derived class", "a shared script", "a function", "handoffs"],
)
def test_what_cannot_leave_the_process_is_named(team: Any, why: str | None) -> None:
    found = stays(team())
    assert found is None if why is None else why in str(found)


async def test_a_tool_that_a_crash_cut_off_is_not_called_again_without_a_person(theatre: Theatre) -> None:
    entered, calls = asyncio.Event(), 0

    def make() -> BaseGroupChat:
        async def pay() -> str:
            """Pays."""
            nonlocal calls
            calls += 1
            entered.set()
            await asyncio.sleep(3600)
            return "paid"

        return RoundRobinGroupChat([says("a", call(("pay", "{}")), tools=[pay])], max_turns=1)

    left = await durable(make(), run_id="run", journal=theatre.journal)
    running = asyncio.ensure_future(left.run(task="pay"))
    await entered.wait()
    await left.detach()
    await asyncio.gather(running, return_exceptions=True)

    team = await durable(make(), run_id="run", journal=theatre.journal)
    with pytest.raises(Exception, match="Did it happen"):
        await team.run(task="pay")
    assert calls == 1
    assert [event.failure for event in await theatre.events() if isinstance(event, DeliveryCompleted)].count(None) > 0
    assert [step.name for step in await theatre.steps() if isinstance(step, StepStarted)].count("pay") == 1
    await team.detach()
