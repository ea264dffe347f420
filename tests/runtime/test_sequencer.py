"""The core: one order, no gap, no duplicate, one delivery at a time, no deadlock, a state that restores."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import ids
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Failure,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    RunCompleted,
    StepCompleted,
    StepStarted,
    Topic,
)
from runtime.routing import AgentPolicy, Routes, Subscription
from runtime.sequencer import Outgoing, Sequencer

A, B, C = (AgentName(name) for name in "abc")
ROUTES = Routes(
    {"a": AgentPolicy(), "b": AgentPolicy(), "c": AgentPolicy(concurrent=True)},
    (Subscription("news", "a"), Subscription("ne", "b", is_prefix=True), Subscription("other", "c")),
)


def sent(number: int, to: AgentName, *, sender: AgentName | None = None, cause: str = ids.ROOT) -> MessageSent:
    message = ids.message_id(cause, number)
    return MessageSent(message=message, sender=sender, cause=cause, recipient=to, payload="p")


def completed(start: DeliveryStarted) -> DeliveryCompleted:
    return DeliveryCompleted(delivery=start.delivery, message=start.message, agent=start.agent, response="r")


def starts(outgoing: list[Outgoing]) -> list[DeliveryStarted]:
    return [found.event for found in outgoing if isinstance(found.event, DeliveryStarted)]


def test_a_message_is_handed_to_a_free_agent_in_the_same_append() -> None:
    out = Sequencer(ROUTES).take(sent(0, A), at=5.0)
    assert [type(found.event) for found in out] == [MessageSent, DeliveryStarted]
    assert [(found.event.seq, found.event.at) for found in out] == [(1, 5.0), (2, 5.0)]
    assert out[0].to is None
    assert out[1].to == A
    assert out[1].message == out[0].event


def test_a_busy_agent_gets_its_messages_one_after_the_other_in_their_order() -> None:
    core = Sequencer(ROUTES)
    [first] = starts(core.take(sent(0, A), at=0))
    assert starts(core.take(sent(1, A), at=0)) == []
    assert starts(core.take(sent(2, A), at=0)) == []
    [second] = starts(core.take(completed(first), at=0))
    [third] = starts(core.take(completed(second), at=0))
    assert [first.message, second.message, third.message] == [ids.message_id(ids.ROOT, n) for n in range(3)]


def test_an_agent_that_declares_it_takes_messages_at_once() -> None:
    core = Sequencer(ROUTES)
    assert len(starts(core.take(sent(0, C), at=0)) + starts(core.take(sent(1, C), at=0))) == 2


def test_what_is_proposed_twice_is_taken_once() -> None:
    core = Sequencer(ROUTES)
    [start] = starts(core.take(sent(0, A), at=0))
    assert core.take(sent(0, A), at=0) == []
    step = StepStarted(step="s", delivery=start.delivery, kind="tool", name="t", request="q")
    done = StepCompleted(step="s", delivery=start.delivery, result="r")
    for event in (step, done, completed(start)):
        assert len(core.take(event, at=0)) == 1
        assert core.take(event, at=0) == []


def test_a_step_without_a_start_or_a_delivery_is_dropped() -> None:
    core = Sequencer(ROUTES)
    assert core.take(StepStarted(step="s", delivery="d", kind="tool", name="t", request="q"), at=0) == []
    assert core.take(StepCompleted(step="s", delivery="d", result="r"), at=0) == []


def test_a_message_along_the_own_call_chain_enters_a_busy_agent() -> None:
    core = Sequencer(ROUTES)
    [in_a] = starts(core.take(sent(0, A), at=0))
    [in_b] = starts(core.take(sent(0, B, sender=A, cause=in_a.delivery), at=0))
    [back] = starts(core.take(sent(0, A, sender=B, cause=in_b.delivery), at=0))
    assert back.agent == A


def test_two_agents_that_ask_each_other_do_not_wait_for_ever() -> None:
    core = Sequencer(ROUTES)
    [in_a] = starts(core.take(sent(0, A), at=0))
    [in_b] = starts(core.take(sent(1, B), at=0))
    assert starts(core.take(sent(0, B, sender=A, cause=in_a.delivery), at=0)) == []
    [entered] = starts(core.take(sent(0, A, sender=B, cause=in_b.delivery), at=0))
    assert entered.agent == A


def test_a_message_from_elsewhere_does_not_enter_a_busy_agent() -> None:
    core = Sequencer(ROUTES)
    [in_a] = starts(core.take(sent(0, A), at=0))
    core.take(sent(0, B, sender=A, cause=in_a.delivery), at=0)
    [in_c] = starts(core.take(sent(1, C), at=0))
    assert starts(core.take(sent(0, A, sender=C, cause=in_c.delivery), at=0)) == []


def test_a_response_goes_to_the_sender_and_the_first_one_to_the_driver() -> None:
    core = Sequencer(ROUTES)
    [in_a] = starts(core.take(sent(0, A), at=0))
    [in_b] = starts(core.take(sent(0, B, sender=A, cause=in_a.delivery), at=0))
    [response] = core.take(completed(in_b), at=0)
    assert (response.to, response.to_driver) == (A, False)
    [last] = core.take(completed(in_a), at=0)
    assert (last.to, last.to_driver) == (None, True)
    assert core.is_idle


def test_a_publish_reaches_its_subscribers_once_and_never_its_sender() -> None:
    core = Sequencer(ROUTES)
    event = MessagePublished(message="m", sender=A, cause="d", topic=Topic("news", "k"), recipients=(), payload="p")
    out = core.take(event, at=0)
    published = out[0].event
    assert isinstance(published, MessagePublished)
    assert published.recipients == (AgentName("a", "k"), AgentName("b", "k"))
    assert [start.agent for start in starts(out)] == [AgentName("a", "k"), AgentName("b", "k")]
    own = MessagePublished(
        message="n", sender=AgentName("a", "k"), cause="d", topic=Topic("news", "k"), recipients=(), payload="p"
    )
    second = core.take(own, at=0)[0].event
    assert isinstance(second, MessagePublished)
    assert second.recipients == (AgentName("b", "k"),)


def test_an_unknown_recipient_is_an_error_at_the_sender() -> None:
    out = Sequencer(ROUTES).take(sent(0, AgentName("nobody")), at=0)
    response = out[1]
    assert isinstance(response.event, DeliveryCompleted)
    assert response.to_driver
    assert response.event.failure is not None
    assert "nobody" in response.event.failure.message
    assert "a, b, c" in response.event.failure.message


def test_only_what_must_not_happen_twice_waits_for_its_start_to_be_durable() -> None:
    core = Sequencer(ROUTES)
    [start] = starts(core.take(sent(0, A), at=0))
    free = StepStarted(step="s1", delivery=start.delivery, kind="tool", name="t", request="q")
    dear = StepStarted(step="s2", delivery=start.delivery, kind="tool", name="t", request="q", effect="irreversible")
    assert core.take(free, at=0)[0].to is None
    assert core.take(dear, at=0)[0].to == A


def test_a_cancelled_request_is_told_to_its_recipient_and_waited_for_no_longer() -> None:
    core = Sequencer(ROUTES)
    [in_a] = starts(core.take(sent(0, A), at=0))
    request = sent(0, B, sender=A, cause=in_a.delivery)
    [in_b] = starts(core.take(request, at=0))
    [told] = core.take(MessageCancelled(message=request.message, cause=in_a.delivery), at=0)
    assert told.to == B
    assert starts(core.take(sent(0, A, sender=B, cause=in_b.delivery), at=0)) == [], "A waits for B no longer"


def test_nothing_follows_the_end() -> None:
    core = Sequencer(ROUTES)
    core.take(RunCompleted(result="r"), at=0)
    assert core.has_ended
    assert core.take(sent(0, A), at=0) == []


def test_a_run_ends_when_nothing_is_left_to_do() -> None:
    core = Sequencer(ROUTES)
    [first] = starts(core.take(sent(0, A), at=0))
    assert core.take(RunCompleted(result="r"), at=0) == []
    out = core.take(completed(first), at=0)
    assert isinstance(out[-1].event, RunCompleted)
    assert core.has_ended


class World:
    """Agents that do at random what agents can do, for a property test; keeps every event that came out."""

    def __init__(self) -> None:
        self.core = Sequencer(ROUTES)
        self.events: list[AnyEvent] = []
        self.open: list[DeliveryStarted] = []
        self.proposed: list[AnyEvent] = []
        self.counts: dict[str, int] = {}

    def propose(self, event: AnyEvent) -> None:
        self.proposed.append(event)
        for outgoing in self.core.take(event, at=float(len(self.events))):
            self.events.append(outgoing.event)
            if isinstance(outgoing.event, DeliveryStarted):
                self.open.append(outgoing.event)

    def act(self, choice: int, pick: int, kind: int) -> None:
        delivery = self.open[pick % len(self.open)] if self.open else None
        cause = delivery.delivery if delivery else ids.ROOT
        number = self.counts[cause] = self.counts.get(cause, 0) + 1
        sender = delivery.agent if delivery else None
        target = [A, B, C, AgentName("a", "2"), AgentName("nobody")][kind % 5]
        match choice:
            case 0:
                self.propose(sent(number, target, sender=sender, cause=cause))
            case 1:
                topic = Topic(["news", "other", "nothing"][kind % 3], "default")
                message = ids.message_id(cause, number)
                self.propose(
                    MessagePublished(
                        message=message, sender=sender, cause=cause, topic=topic, recipients=(), payload="p"
                    )
                )
            case 2 if delivery:
                step = f"{cause}-{number}"
                self.propose(StepStarted(step=step, delivery=cause, kind="tool", name="t", request="q"))
                self.propose(StepCompleted(step=step, delivery=cause, result="r"))
            case 3 if delivery:
                self.open.remove(delivery)
                failed = Failure(type="builtins:ValueError", message="x") if kind % 4 == 0 else None
                self.propose(
                    DeliveryCompleted(
                        delivery=cause,
                        message=delivery.message,
                        agent=delivery.agent,
                        response=None if failed else "r",
                        failure=failed,
                    )
                )
            case 4 if self.proposed:
                before = len(self.events)
                self.propose(self.proposed[pick % len(self.proposed)])
                assert len(self.events) == before, "a proposal that was taken is dropped when it comes again"
            case _:
                return

    def finish(self) -> None:
        """Lets every open delivery end."""
        while self.open:
            self.act(3, 0, 1)


acts = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 50), st.integers(0, 20)), max_size=60)


@settings(deadline=None)
@given(acts)
def test_any_history_has_one_order_without_gap_or_duplicate_and_comes_to_rest(
    script: list[tuple[int, int, int]],
) -> None:
    world = World()
    for choice, pick, kind in script:
        world.act(choice, pick, kind)
    world.finish()
    assert [event.seq for event in world.events] == list(range(1, len(world.events) + 1))
    started = [event.delivery for event in world.events if isinstance(event, DeliveryStarted)]
    assert len(started) == len(set(started))
    assert world.core.is_idle, "nothing waits when nothing runs: every message was delivered"


@settings(deadline=None)
@given(acts)
def test_every_message_is_delivered_exactly_once_to_each_recipient(script: list[tuple[int, int, int]]) -> None:
    world = World()
    for choice, pick, kind in script:
        world.act(choice, pick, kind)
    world.finish()
    expected: set[str] = set()
    for event in world.events:
        if isinstance(event, MessagePublished):
            expected |= {ids.delivery_id(event.message, agent) for agent in event.recipients}
        elif isinstance(event, MessageSent):
            expected.add(ids.delivery_id(event.message, event.recipient))
    ended = [event.delivery for event in world.events if isinstance(event, DeliveryCompleted)]
    assert sorted(ended) == sorted(expected)


@settings(deadline=None)
@given(acts, st.integers(0, 60))
def test_events_applied_to_a_fresh_core_restore_the_state_that_they_left(
    script: list[tuple[int, int, int]], cut: int
) -> None:
    world = World()
    for choice, pick, kind in script[:cut]:
        world.act(choice, pick, kind)
    restored = Sequencer(ROUTES)
    for event in world.events:
        restored.apply(event)
    assert restored.resume(at=0.0) == []
    before = len(world.events)
    twin = World()
    twin.core, twin.open, twin.proposed, twin.counts = restored, [*world.open], [*world.proposed], dict(world.counts)
    twin.events = [*world.events]
    for choice, pick, kind in script[cut:]:
        world.act(choice, pick, kind)
        twin.act(choice, pick, kind)
    assert twin.events[before:] == world.events[before:]


@settings(deadline=None)
@given(acts)
def test_deliveries_of_one_agent_overlap_only_where_waiting_would_never_end(script: list[tuple[int, int, int]]) -> None:
    world = World()
    for choice, pick, kind in script:
        world.act(choice, pick, kind)
    running: dict[AgentName, set[str]] = {}
    senders = {event.message: event.cause for event in world.events if isinstance(event, MessageSent)}
    for event in world.events:
        if isinstance(event, DeliveryStarted):
            others = running.setdefault(event.agent, set())
            if others and event.agent.type != "c":
                assert senders.get(event.message, ids.ROOT) != ids.ROOT, "only a request of a delivery may enter"
            others.add(event.delivery)
        elif isinstance(event, DeliveryCompleted):
            running.get(event.agent, set()).discard(event.delivery)
