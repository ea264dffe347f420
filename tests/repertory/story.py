"""A short run, as its events: the planner asks the model, sends work to an executor, and answers."""

from __future__ import annotations

from runtime.blobs import Payload
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Failure,
    MessageSent,
    RunCompleted,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepStarted,
)

PLANNER, EXECUTOR = AgentName("planner"), AgentName("executor", "1")
HASH = "0" * 32
REQUEST = Payload.of({"type": "agents.messages:Request", "data": {}})
WORK = Payload.of({"type": "agents.messages:Assignment", "data": {}})
BLOBS = {payload.digest: payload.data for payload in (REQUEST, WORK)}


def told(*, failing: bool = False) -> list[AnyEvent]:
    """The events of the whole run; where it is failing, the tool fails and with it the run."""
    failure = Failure(type="runtime.errors:StepFailed", message="the booking office is closed") if failing else None
    end: AnyEvent = (
        RunFailed(seq=11, at=112.0, failure=failure) if failure else RunCompleted(seq=11, at=112.0, result=HASH)
    )
    return [
        RunStarted(seq=1, at=100.0, name="trip", builder="some:builder", spec=HASH, routes=HASH, versions={}),
        MessageSent(
            seq=2, at=100.0, message="m1", sender=None, cause="root", recipient=PLANNER, payload=REQUEST.digest
        ),
        DeliveryStarted(seq=3, at=100.5, delivery="d1", message="m1", agent=PLANNER),
        StepStarted(seq=4, at=101.0, step="s1", delivery="d1", kind="model", name="qwen", request=HASH),
        StepCompleted(
            seq=5,
            at=104.0,
            step="s1",
            delivery="d1",
            result=HASH,
            started_at=101.0,
            ended_at=103.5,
            usage={"input_tokens": 900, "output_tokens": 40},
        ),
        MessageSent(seq=6, at=104.0, message="m2", sender=PLANNER, cause="d1", recipient=EXECUTOR, payload=WORK.digest),
        DeliveryStarted(seq=7, at=105.0, delivery="d2", message="m2", agent=EXECUTOR),
        StepStarted(seq=8, at=106.0, step="s2", delivery="d2", kind="tool", name="hotel_search", request=HASH),
        StepCompleted(
            seq=9,
            at=110.0,
            step="s2",
            delivery="d2",
            result=None if failure else HASH,
            failure=failure,
            attempts=3,
            started_at=107.0,
            ended_at=109.0,
        ),
        DeliveryCompleted(
            seq=10,
            at=111.0,
            delivery="d2",
            message="m2",
            agent=EXECUTOR,
            response=None if failure else HASH,
            failure=failure,
        ),
        end,
    ]
