"""Events and blobs that the tests of the journal write."""

from __future__ import annotations

from runtime.blobs import Payload
from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Failure,
    LimitsRaised,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    RoutesChanged,
    RunAborting,
    RunCompleted,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunStarted,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepDecided,
    StepStarted,
    Topic,
)

HASH = "0123456789abcdef" * 2
CRITIC = AgentName("critic", "beijing")


def started(name: str = "beijing_family", at: float = 100.0) -> RunStarted:
    """The first event of a run."""
    return RunStarted(
        seq=1, at=at, name=name, builder="scenarios.travel.build:team", spec=HASH, routes=HASH, versions={"python": "3"}
    )


def forked(seq: int, parent: str) -> RunForked:
    """The event by which a run becomes its own after the first `seq` - 1 events of its parent."""
    return RunForked(
        seq=seq,
        at=100.0 + seq,
        parent=parent,
        name="beijing_family",
        spec=HASH,
        routes=HASH,
        edits=HASH,
        versions={"python": "3"},
        set_until=seq + 1,
        live=("qwen",),
        allow=("book",),
    )


def delivery(seq: int, at: float = 0.0) -> DeliveryStarted:
    """An event for any place after the first."""
    return DeliveryStarted(seq=seq, at=at or 100.0 + seq, delivery=f"d{seq}", message=f"m{seq}", agent=CRITIC)


def deliveries(first: int, last: int) -> list[AnyEvent]:
    """Events for the places from `first` to `last`."""
    return [delivery(seq) for seq in range(first, last + 1)]


def question(seq: int, step: str = "q") -> StepStarted:
    """A person is asked."""
    return StepStarted(seq=seq, at=100.0 + seq, step=step, delivery="d", kind="question", name="person", request=HASH)


def answer(seq: int, step: str = "q") -> StepCompleted:
    """The person has answered."""
    return StepCompleted(seq=seq, at=100.0 + seq, step=step, delivery="d", result=HASH)


def blobs(*values: str) -> dict[str, bytes]:
    """Payloads of these texts."""
    return {payload.digest: payload.data for payload in map(Payload.of, values)}


def one_of_each() -> list[AnyEvent]:
    """Every class of events, as a run that continues from seq 1, with all fields set."""
    failure = Failure(type="runtime.errors:StepFailed", message="sold out · 售罄", code="sold_out")
    headers = {"traceparent": "00-1-2-01"}
    topic = Topic("plans", "r1")
    planner = AgentName("planner")
    return [
        started(),
        MessageSent(seq=2, message="m1", sender=None, cause="root", recipient=planner, payload=HASH, headers=headers),
        MessagePublished(
            seq=3, message="m2", sender=planner, cause="d1", topic=topic, recipients=(CRITIC, planner), payload=HASH
        ),
        DeliveryStarted(seq=4, at=1.5, delivery="d1", message="m1", agent=planner, state=HASH),
        StepStarted(
            seq=5,
            step="s1",
            delivery="d1",
            kind="tool",
            name="book",
            request=HASH,
            occurrence=2,
            effect="irreversible",
            is_metered=True,
            tokens=12,
        ),
        StepCompleted(
            seq=6,
            step="s1",
            delivery="d1",
            result=None,
            failure=failure,
            attempts=3,
            started_at=1.25,
            ended_at=1.5,
            usage={"input_tokens": 7, "output_tokens": 9},
            origin="reused",
        ),
        DeliveryCompleted(seq=7, delivery="d1", message="m1", agent=planner, response=None, failure=failure),
        MessageCancelled(seq=8, message="m2", cause="d1"),
        StepAsked(seq=9, step="s1", delivery="d1", why="approval", question="may it happen?"),
        StepDecided(
            seq=10, step="s1", delivery="d1", verdict="done", by="wang", note="by telephone · 电话", result=HASH
        ),
        StepBegun(seq=11, step="s1", delivery="d1"),
        LimitsRaised(seq=12, limits={"model_calls": 200.5, "cost": 1.5}),
        RoutesChanged(
            seq=13,
            types={"late": True},
            subscribed=(("news", "late", False),),
            unsubscribed=(("late:", "late", True),),
        ),
        RunInterrupted(seq=14, reason="Ctrl-C", why="person"),
        RunAborting(seq=15, failure=failure),
        RunFailed(seq=16, failure=failure),
        RunCompleted(seq=17, result=HASH),
        forked(18, "parent"),
        AgentSlept(seq=19, agent=planner, state=HASH, seen=17),
    ]
