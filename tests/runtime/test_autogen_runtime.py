"""`RayAgentRuntime` in the calling process: its record, and the faults that it does not share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest
from autogen_core import (
    AgentId,
    AgentType,
    CancellationToken,
    DefaultInterventionHandler,
    DefaultTopicId,
    DropMessage,
    MessageContext,
    RoutedAgent,
    Subscription,
    TopicId,
    TypeSubscription,
    message_handler,
)
from autogen_core.exceptions import MessageDroppedException

from runtime.autogen import RayAgentRuntime
from runtime.autogen_local.errors import RegistrationError, RuntimeStopped, UnknownAgent, WrongAddress, WrongState
from runtime.errors import JournalError, UsageError
from runtime.events import (
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    RoutesChanged,
    RunCompleted,
    RunStarted,
)
from runtime.journal import MemoryJournal
from runtime.routing import Routes
from runtime.sequencer import Sequencer

ECHO = AgentId("echo", "default")
Behaviour = Callable[["Note", MessageContext], Any]


@dataclass
class Note:
    text: str


@dataclass
class Shared:
    """A message that has no bytes."""

    queue: Any


class Echo(RoutedAgent):
    """Does what it was given to do, and keeps what it got."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        super().__init__("echoes")
        self._behaviour = behaviour
        self.seen: list[str] = []

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> Note | None:
        self.seen.append(message.text)
        if self._behaviour is None:
            return message
        return cast("Note | None", await self._behaviour(message, ctx))

    @message_handler
    async def on_shared(self, message: Shared, ctx: MessageContext) -> None:
        message.queue.put_nowait("seen")


async def started(behaviour: Behaviour | None = None, **options: Any) -> RayAgentRuntime:
    runtime = RayAgentRuntime(**options)
    await Echo.register(runtime, "echo", lambda: Echo(behaviour))
    runtime.start()
    return runtime


async def test_a_wrong_address_is_told_to_its_sender_and_stops_nobody_else() -> None:
    runtime = await started()
    given: Any
    for given in ("echo", AgentType("echo"), None):
        with pytest.raises(WrongAddress, match="expected an address like AgentId"):
            await runtime.send_message(Note("a"), given)
        with pytest.raises(WrongAddress, match="expected an address like TopicId"):
            await runtime.publish_message(Note("a"), given)
    assert await runtime.send_message(Note("a"), ECHO) == Note("a")
    await runtime.close()


async def test_a_factory_that_makes_no_agent_is_told_to_the_sender() -> None:
    runtime = await started()
    nothing: Any = lambda: None  # noqa: E731  # as one that forgets its return
    await runtime.register_factory("nothing", nothing)
    with pytest.raises(RegistrationError, match="made a NoneType, not the Agent"):
        await runtime.send_message(Note("a"), AgentId("nothing", "x"))
    await runtime.close()


@pytest.mark.parametrize(
    "given",
    [{"placement": "ray"}, {"hosts": 0}, {"journal": "journal.db"}]
    + [{"run_id": run} for run in ("", " ", 7, "last", "two\nlines", "x" * 201)],
    ids=str,
)
def test_a_runtime_is_not_made_of_what_it_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="found"):
        RayAgentRuntime(**given)


async def recorded(runtime: RayAgentRuntime) -> list[AnyEvent]:
    return await runtime.journal.events(runtime.run_id)


async def test_every_message_is_on_record_in_the_order_of_cause_and_effect() -> None:
    runtime = await started()
    assert await runtime.send_message(Note("hello"), ECHO) == Note("hello")
    await runtime.close()

    events = await recorded(runtime)
    assert [type(event) for event in events] == [
        RunStarted,
        MessageSent,
        DeliveryStarted,
        DeliveryCompleted,
        RunCompleted,
    ]
    assert b"hello" in await runtime.journal.blob(cast(MessageSent, events[1]).payload)


async def test_types_and_subscriptions_that_come_later_are_on_record_and_restore_a_sequencer() -> None:
    runtime = await started()
    await runtime.send_message(Note("first"), ECHO)
    await Echo.register(runtime, "late", Echo)
    later = TypeSubscription("news", "late")
    await runtime.add_subscription(later)
    await runtime.publish_message(Note("second"), TopicId("news", "k"))
    await runtime.stop_when_idle()
    runtime.start()
    await runtime.remove_subscription(later.id)
    await runtime.publish_message(Note("third"), TopicId("news", "k"))
    await runtime.stop_when_idle()

    events = await recorded(runtime)
    changes = [event for event in events if isinstance(event, RoutesChanged)]
    reached = [len(event.recipients) for event in events if isinstance(event, MessagePublished)]
    assert changes[0].types == {"late": True}
    assert changes[1].unsubscribed == (("news", "late", False),)
    assert reached == [1, 0]
    first = await runtime.journal.blob(cast(RunStarted, events[0]).routes)
    restored = Sequencer(msgspec.json.decode(first, type=Routes))
    for event in events:
        restored.apply(event)
    assert restored.is_idle
    assert restored.seq == len(events)


async def test_a_subscription_of_ones_own_class_reaches_its_agents() -> None:
    class Everything(Subscription):
        @property
        def id(self) -> str:
            return "everything"

        def is_match(self, topic_id: TopicId) -> bool:
            return True

        def map_to_agent(self, topic_id: TopicId) -> AgentId:
            return AgentId("echo", "all")

        def __eq__(self, other: object) -> bool:
            return other is self

    runtime = await started()
    await runtime.add_subscription(Everything())
    await runtime.publish_message(Note("anything"), TopicId("what", "ever"))
    await runtime.stop_when_idle()

    agent = await runtime.try_get_underlying_agent_instance(AgentId("echo", "all"), Echo)
    assert agent.seen == ["anything"]


async def test_objects_without_bytes_travel_as_they_are_and_are_named_in_the_record() -> None:
    runtime = await started()
    queue: asyncio.Queue[str] = asyncio.Queue()
    await runtime.send_message(Shared(queue), ECHO)

    assert queue.get_nowait() == "seen"
    sent = next(event for event in await recorded(runtime) if isinstance(event, MessageSent))
    assert b'"opaque"' in await runtime.journal.blob(sent.payload)
    await runtime.close()


@pytest.mark.parametrize("is_started", [True, False])
async def test_an_unknown_recipient_is_a_typed_error_at_the_sender(is_started: bool) -> None:
    runtime = RayAgentRuntime()
    if is_started:
        runtime.start()

    with pytest.raises(UnknownAgent, match="nobody"):
        await runtime.send_message(Note("?"), AgentId("nobody", "default"))
    assert any(isinstance(event, DeliveryCompleted) and event.failure for event in await recorded(runtime))
    await runtime.close()


async def test_a_none_result_is_a_result() -> None:
    async def nothing(message: Note, ctx: MessageContext) -> None:
        return None

    runtime = await started(nothing)
    assert await runtime.send_message(Note("?"), ECHO) is None
    await runtime.close()


async def test_an_error_keeps_its_type_also_without_a_running_loop() -> None:
    class Mine(Exception):
        pass

    async def fail(message: Note, ctx: MessageContext) -> None:
        raise Mine("no")

    runtime = RayAgentRuntime()
    await Echo.register(runtime, "echo", lambda: Echo(fail))
    response = asyncio.ensure_future(runtime.send_message(Note("?"), ECHO))
    await runtime.process_next()

    with pytest.raises(Mine, match="no"):
        await response


async def test_a_factory_that_fails_fails_at_the_sender_and_is_tried_again() -> None:
    tries: list[int] = []

    async def factory() -> Echo:
        tries.append(1)
        await asyncio.sleep(0)
        if len(tries) == 1:
            raise ConnectionError("not yet")
        return Echo()

    runtime = RayAgentRuntime()
    await Echo.register(runtime, "echo", factory)
    runtime.start()

    with pytest.raises(ConnectionError, match="not yet"):
        await runtime.send_message(Note("1"), ECHO)
    assert await runtime.send_message(Note("2"), ECHO) == Note("2")
    await runtime.close()


async def test_an_async_factory_makes_one_agent_for_many_first_messages() -> None:
    made: list[Echo] = []

    async def factory() -> Echo:
        await asyncio.sleep(0)
        made.append(agent := Echo())
        await asyncio.sleep(0)
        return agent

    runtime = RayAgentRuntime()
    await Echo.register(runtime, "echo", factory)
    runtime.start()
    await asyncio.gather(*(runtime.send_message(Note(str(number)), ECHO) for number in range(5)))

    assert len(made) == 1
    assert made[0].seen == ["0", "1", "2", "3", "4"]
    await runtime.close()


async def test_stop_when_idle_returns_after_a_message_was_dropped() -> None:
    class Drop(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return DropMessage

    runtime = await started(intervention_handlers=[Drop()])
    with pytest.raises(MessageDroppedException):
        await runtime.send_message(Note("?"), ECHO)
    await runtime.stop_when_idle()
    assert await recorded(runtime) == [] or not any(isinstance(e, MessageSent) for e in await recorded(runtime))


async def test_what_an_intervention_handler_changes_is_what_is_recorded() -> None:
    class Shout(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return Note(message.text.upper())

    runtime = await started(intervention_handlers=[Shout()])
    assert await runtime.send_message(Note("quiet"), ECHO) == Note("QUIET")
    sent = next(event for event in await recorded(runtime) if isinstance(event, MessageSent))
    assert b"QUIET" in await runtime.journal.blob(sent.payload)
    await runtime.close()


async def test_stop_tells_those_whose_requests_were_not_handed_over() -> None:
    runtime = RayAgentRuntime()
    await Echo.register(runtime, "echo", Echo)
    waiting = asyncio.ensure_future(runtime.send_message(Note("?"), ECHO))
    await asyncio.sleep(0)
    runtime.start()
    await runtime.stop()

    with pytest.raises(RuntimeStopped):
        await waiting


async def test_a_handler_that_outlives_stop_still_answers_and_may_send_nothing_more() -> None:
    entered, go = asyncio.Event(), asyncio.Event()
    refused: list[BaseException] = []

    async def slow(message: Note, ctx: MessageContext) -> Note:
        entered.set()
        await go.wait()
        try:
            await runtime.publish_message(message, DefaultTopicId(source="x"))
        except RuntimeStopped as error:
            refused.append(error)
        return message

    runtime = await started(slow)
    response = asyncio.ensure_future(runtime.send_message(Note("late"), ECHO))
    await entered.wait()
    await runtime.stop()
    go.set()

    assert await response == Note("late")
    assert len(refused) == 1
    await runtime.close()
    assert isinstance((await recorded(runtime))[-1], RunCompleted)


async def test_cancelling_a_token_cancels_the_wait_and_is_on_record() -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(message: Note, ctx: MessageContext) -> Note:
        entered.set()
        await go.wait()
        assert ctx.cancellation_token.is_cancelled()
        return message

    runtime = await started(slow)
    token = CancellationToken()
    response = asyncio.ensure_future(runtime.send_message(Note("?"), ECHO, cancellation_token=token))
    await entered.wait()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await response
    go.set()
    await runtime.stop_when_idle()

    kinds = [type(event) for event in await recorded(runtime)]
    assert MessageCancelled in kinds
    assert DeliveryCompleted in kinds


async def test_an_agent_asks_itself_without_a_deadlock() -> None:
    async def ask(message: Note, ctx: MessageContext) -> Note:
        if message.text == "inner":
            return Note("answer")
        return cast(Note, await runtime.send_message(Note("inner"), ECHO, sender=ECHO))

    runtime = await started(ask)
    assert await runtime.send_message(Note("outer"), ECHO) == Note("answer")
    sent = [event for event in await recorded(runtime) if isinstance(event, MessageSent)]
    begun = [event for event in await recorded(runtime) if isinstance(event, DeliveryStarted)]
    assert sent[1].cause == begun[0].delivery
    await runtime.close()


async def test_the_first_error_of_an_event_handler_is_raised_when_errors_are_not_ignored() -> None:
    async def fail(message: Note, ctx: MessageContext) -> None:
        raise ValueError(message.text)

    runtime = await started(fail, ignore_unhandled_exceptions=False)
    await runtime.add_subscription(TypeSubscription("t", "echo"))
    await runtime.publish_message(Note("first"), TopicId("t", "default"))
    await runtime.publish_message(Note("second"), TopicId("t", "default"))
    with pytest.raises(ValueError, match="first"):
        await runtime.stop_when_idle()


async def test_a_journal_that_refuses_is_told_to_the_sender() -> None:
    class Full(MemoryJournal):
        async def append(self, *args: Any, **options: Any) -> None:
            raise JournalError("disk full")

    runtime = await started(journal=Full())
    with pytest.raises(JournalError, match="disk full"):
        await runtime.send_message(Note("?"), ECHO)
    with pytest.raises(JournalError, match="disk full"):
        await runtime.stop()


async def test_a_run_id_that_exists_is_refused_and_changes_nothing() -> None:
    journal = MemoryJournal()
    first = await started(journal=journal, run_id="mine")
    await first.send_message(Note("1"), ECHO)
    await first.close()
    before = await journal.events("mine")

    second = await started(journal=journal, run_id="mine")
    with pytest.raises(UsageError, match="exists already"):
        await second.send_message(Note("2"), ECHO)
    assert await journal.events("mine") == before
    with pytest.raises(UsageError, match="exists already"):
        await second.stop()


async def test_stop_when_stops_at_the_condition() -> None:
    runtime = await started()
    await runtime.add_subscription(TypeSubscription("t", "echo"))
    await runtime.publish_message(Note("go"), TopicId("t", "default"))
    agent = await runtime.try_get_underlying_agent_instance(ECHO, Echo)
    await runtime.stop_when(lambda: agent.seen == ["go"])
    with pytest.raises(WrongState):
        await runtime.stop()


async def test_what_is_wrong_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="placement 'moon'"):
        RayAgentRuntime(placement=cast(Any, "moon"))
    runtime = await started()
    with pytest.raises(WrongState):
        runtime.start()
    with pytest.raises(RegistrationError, match="echo"):
        await Echo.register(runtime, "echo", Echo)
    await runtime.close()
