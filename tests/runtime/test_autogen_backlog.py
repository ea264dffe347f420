"""A sender of a `RayAgentRuntime` with placement `cluster` waits while too much of what it sent is unfinished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
from autogen_core import (
    AgentId,
    CancellationToken,
    DefaultInterventionHandler,
    DropMessage,
    InterventionHandler,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    message_handler,
)
from hypothesis import given
from hypothesis import strategies as st

from runtime import ids
from runtime.autogen import RayAgentRuntime
from runtime.autogen_cluster.pace import SLICE_BYTES, Pace
from runtime.autogen_local.backlog import LIMIT_BYTES, Backlog
from runtime.autogen_local.errors import RuntimeStopped
from runtime.autogen_local.mail import Outbound

LOWER_LIMIT_BYTES = LIMIT_BYTES // 4
LARGE = LOWER_LIMIT_BYTES // 8
MANY = 40
"""Five times what a sender may have unfinished then."""


def mail(name: str, cause: str = ids.ROOT) -> Outbound:
    return Outbound(
        message=name, id=name, given_id=None, cause=cause, sender=None, token=CancellationToken(), metadata=None
    )


def sent(backlog: Backlog, size_bytes: int, cause: str = ids.ROOT) -> Outbound:
    one = mail("one", cause)
    backlog.sent(one)
    backlog.weighed(one, size_bytes)
    return one


async def rest() -> None:
    """Lets all go on who can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_came_first_goes_on_first_and_each_counts() -> None:
    backlog, order = Backlog(), list[int]()
    first = sent(backlog, LIMIT_BYTES)

    async def send(number: int) -> Outbound:
        await backlog.room(ids.ROOT)
        order.append(number)
        return sent(backlog, LIMIT_BYTES // 2)

    sending = [asyncio.ensure_future(send(number)) for number in range(9)]
    await rest()
    assert order == []
    backlog.finished(first)
    late = asyncio.ensure_future(send(9))
    await rest()
    assert order == [0, 1], "what fits"
    sending[2].cancel()
    for one in sending[:2]:
        backlog.finished(await one)
    await rest()
    assert order == [0, 1, 3, 4]
    while not late.done():
        for one in sending:
            if one.done() and not one.cancelled():
                backlog.finished(one.result())
        await rest()
    assert order == [0, 1, *range(3, 10)]
    assert not backlog.is_awaited


async def test_what_a_handler_leaves_unfinished_counts_for_who_caused_it() -> None:
    backlog = Backlog()
    asked = sent(backlog, 10)
    backlog.began("a", asked)
    passed_on = sent(backlog, 10, "a")
    backlog.began("b", passed_on)
    rests = sent(backlog, LIMIT_BYTES, "b")
    waiting = asyncio.ensure_future(backlog.room("b"))
    await asyncio.wait_for(backlog.room("a"), 5)
    backlog.ended("b")
    await rest()
    assert not waiting.done()
    for one in (passed_on, asked):
        backlog.finished(one)
    backlog.ended("a")
    of_the_program = asyncio.ensure_future(backlog.room(ids.ROOT))
    await rest()
    assert not waiting.done()
    assert not of_the_program.done()
    backlog.finished(rests)
    await asyncio.gather(waiting, of_the_program)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200_000)), max_size=60), st.randoms())
def test_when_all_is_finished_nothing_counts(plan: list[tuple[int, int]], order: Any) -> None:
    backlog, names, open_mail, running = Backlog(), [ids.ROOT], list[Outbound](), list[str]()
    for number, (cause, size) in enumerate(plan):
        one = sent(backlog, size, names[cause % len(names)])
        backlog.began(str(number), one)
        names.append(str(number))
        running.append(str(number))
        open_mail.append(one)
        if running and order.random() < 0.5:
            backlog.ended(running.pop(order.randrange(len(running))))
    order.shuffle(open_mail)
    order.shuffle(running)
    for one in open_mail:
        if running and order.random() < 0.7:
            backlog.ended(running.pop())
        backlog.finished(one)
    for delivery in running:
        backlog.ended(delivery)
    assert [account.bytes for account in backlog._accounts.values()] == [0]  # pyright: ignore[reportPrivateUsage]


async def test_a_handler_asks_for_room_after_each_slice_and_its_tasks_go_on_in_order() -> None:
    pace, asked, order = Pace(), asyncio.Queue[asyncio.Future[None]](), list[int]()

    async def ask() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asked.put_nowait(answer)
        await answer

    async def send(number: int) -> None:
        await pace.room(ask)
        order.append(number)
        pace.count(SLICE_BYTES // 2)

    sending = [asyncio.ensure_future(send(number)) for number in range(7)]
    for let_on in (2, 4, 6):
        answer = await asked.get()
        await rest()
        assert order == list(range(let_on))
        answer.set_result(None)
        sending.append(asyncio.ensure_future(send(len(sending))))
    (await asked.get()).set_result(None)
    await asyncio.gather(*sending)
    assert order == list(range(10))


# With agents, all of which stay in this process


@dataclass
class Chunk:
    number: int
    text: str
    then: str = ""
    """To whom one like it is sent, by whoever gets it; `TYPE:` followed by the next one's."""


class Slow(RoutedAgent):
    """Handles a message when the test says so; passes on what is to be passed on."""

    def __init__(self, gate: asyncio.Event) -> None:
        super().__init__("slow")
        self.heard: list[int] = []
        self._gate = gate

    @message_handler
    async def on_chunk(self, message: Chunk, ctx: MessageContext) -> Chunk:
        self.heard.append(message.number)
        first, _, left = message.then.partition(":")
        if first == "publish":
            await self.publish_message(Chunk(message.number, message.text), TopicId(left, "default"))
        elif first:
            many = [Chunk(number, message.text, left) for number in range(MANY if left else 1)]
            await asyncio.gather(*(self.send_message(one, AgentId(first, "default")) for one in many))
        else:
            await self._gate.wait()
        return Chunk(message.number, "")


class Stage:
    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.runtime = RayAgentRuntime(placement="cluster")
        self.agents: dict[str, Slow] = {}

    async def add(self, name: str) -> Slow:
        made = self.agents[name] = Slow(self.gate)
        await made.register_instance(self.runtime, AgentId(name, "default"))
        await self.runtime.add_subscription(TypeSubscription(name, name))
        return made

    async def flood(self, to: str, then: str = "") -> None:
        """The program publishes more than it may have unfinished."""
        for number in range(MANY):
            await self.runtime.publish_message(Chunk(number, "x" * LARGE, then), TopicId(to, "default"))

    async def at_rest(self) -> int:
        """How many messages the slow one has heard, when no more come."""
        quiet, heard = 0, -1
        while quiet < 200:
            await asyncio.sleep(0)
            now = len(self.agents["b"].heard)
            quiet, heard = (quiet + 1 if now == heard else 0), now
        return heard


@pytest.fixture
def lower_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.autogen_local.backlog.LIMIT_BYTES", LOWER_LIMIT_BYTES)


@pytest.fixture
async def stage(lower_limit: None) -> AsyncGenerator[Stage]:
    made = Stage()
    for name in "ab":
        await made.add(name)
    yield made
    made.gate.set()
    await made.runtime.close()


@pytest.mark.parametrize(("to", "then"), [("b", ""), ("a", "publish:b")], ids=["at once", "through another agent"])
async def test_the_program_waits_for_the_slow_one_and_nothing_is_lost(stage: Stage, to: str, then: str) -> None:
    stage.runtime.start()
    flooding = asyncio.ensure_future(stage.flood(to, then))
    assert 8 <= await stage.at_rest() <= 10, "as much as a sender may have unfinished"
    assert not flooding.done()
    stage.gate.set()
    await flooding
    await stage.runtime.stop_when_idle()
    assert stage.agents["b"].heard == list(range(MANY))


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("b:a:", id="a circle"),
        pytest.param("a:a:", id="oneself"),
        pytest.param("b:a:b:", id="there and back", marks=pytest.mark.slow),
    ],
)
async def test_nobody_waits_for_who_waits_for_them(stage: Stage, then: str) -> None:
    stage.gate.set()
    stage.runtime.start()
    async with asyncio.timeout(50):
        size = LARGE // 16 if then.count(":") > 2 else LARGE
        await stage.runtime.send_message(Chunk(0, "x" * size, then), AgentId("a", "default"))


async def test_a_runtime_that_stops_tells_those_who_wait_for_room(stage: Stage) -> None:
    stage.runtime.start()
    flooding = asyncio.ensure_future(stage.flood("b"))
    await stage.at_rest()
    await stage.runtime.stop()
    with pytest.raises(RuntimeStopped):
        await flooding
    stage.gate.set()
    stage.runtime.start()
    await stage.flood("b")
    await stage.runtime.stop_when_idle()


async def test_nobody_waits_for_what_nobody_hands_over(stage: Stage) -> None:
    await stage.flood("b")
    stage.gate.set()
    stage.runtime.start()
    await stage.runtime.stop_when_idle()
    assert stage.agents["b"].heard == list(range(MANY))


class Dropping(DefaultInterventionHandler):
    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return DropMessage


async def test_dropped_messages_and_those_without_a_recipient_count_no_more(lower_limit: None) -> None:
    cases: list[tuple[list[InterventionHandler], str]] = [([Dropping()], "b"), ([], "nobody")]
    for handlers, topic in cases:
        stage = Stage()
        stage.runtime = RayAgentRuntime(placement="cluster", intervention_handlers=handlers)
        await stage.add("b")
        stage.runtime.start()
        async with asyncio.timeout(50):
            for _ in range(2):
                await stage.flood(topic)
        await stage.runtime.stop_when_idle()
        await stage.runtime.close()
