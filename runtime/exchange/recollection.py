"""What a fork need not do again: the steps of its parent, by what was asked. Pure.

A step is the same when the same was asked of the same: of the same name by the same delivery, else by any. What was
answered is reused; what failed is tried again. An effect that cannot be repeated at will never happens again: it is
answered with what came of it in the parent, and refused where nothing did, unless it was allowed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from runtime.errors import EffectWithheld
from runtime.events import (
    AnyEvent,
    Digest,
    Failure,
    RunForked,
    StepCompleted,
    StepKind,
    StepOrigin,
    StepStarted,
)
from runtime.steps import StepCall

EVERY = "all"
"""In place of a name: everything."""

_PERFORMED_ANEW: frozenset[StepKind] = frozenset({"timer"})
"""Time passes anew, or a time limit of the parent would end what takes another time now."""
_OWN_ONLY: frozenset[StepKind] = frozenset({"clock", "random"})
"""What was read by one delivery is nothing to another."""

_FETCH = re.compile(rb'\{"fetch":"[^"]*:([0-9a-f]{32})"\}')


class Recalled(msgspec.Struct, frozen=True):
    """How a step ends without being performed."""

    result: Digest | None
    failure: Failure | None = None
    usage: dict[str, int] = {}
    attempts: int = 1
    origin: StepOrigin = "reused"
    body: bytes | None = None
    """The result's bytes, once they are read."""

    def completed(self, started: StepStarted, at: float) -> StepCompleted:
        """The end of the step, which took no time."""
        return StepCompleted(
            step=started.step,
            delivery=started.delivery,
            result=self.result,
            failure=self.failure,
            attempts=self.attempts,
            started_at=at,
            ended_at=at,
            usage=dict(self.usage),
            origin=self.origin,
        )


class Recollection:
    """The parent's steps, as a fork asks for them."""

    def __init__(self, parent: Sequence[AnyEvent], fork: RunForked) -> None:
        self._fork = fork
        self._started = {event.step: event for event in parent if isinstance(event, StepStarted)}
        self._ended = {event.step: event for event in parent if isinstance(event, StepCompleted)}
        self._equal: dict[tuple[str, str, Digest], list[StepCompleted]] = {}
        for step, ended in self._ended.items():
            if (started := self._started.get(step)) is not None:
                self._equal.setdefault(_asked(started), []).append(ended)

    def of(self, started: StepStarted, request: bytes = b"") -> Recalled | None:
        """How the step ends; None where it is to be performed. `request` are the bytes of what is asked, if known."""
        if started.effect in ("compensable", "irreversible"):
            return self._without_firing(started)
        if started.kind in _PERFORMED_ANEW or _names(self._fork.live, started) or _is_posting(started):
            return None
        if started.name == "blackboard" and (posted := _FETCH.fullmatch(request)):
            return Recalled(posted[1].decode())
        ended = self._own(started) or (None if started.kind in _OWN_ONLY else self._other(started))
        return _answer(ended, "reused") if ended is not None and ended.failure is None else None

    def _without_firing(self, started: StepStarted) -> Recalled | None:
        before = self._started.get(started.step)
        is_the_parents = before is not None and before.seq < self._fork.seq
        if not is_the_parents and may_fire(self._fork, started):
            return None
        ended = self._own(started) or self._other(started)
        if ended is not None:
            return _answer(ended, "simulated")
        failure = Failure(
            type=f"{EffectWithheld.__module__}:{EffectWithheld.__qualname__}",
            message=(
                f"{started.kind} {started.name!r} is {started.effect} and run {self._fork.parent} has no result for "
                f"this request; a fork does not fire it by itself: fork again with --allow {started.name}"
            ),
        )
        return Recalled(None, failure, origin="simulated")

    def _own(self, started: StepStarted) -> StepCompleted | None:
        before = self._started.get(started.step)
        return self._ended.get(started.step) if before is not None and _asked(before) == _asked(started) else None

    def _other(self, started: StepStarted) -> StepCompleted | None:
        """The answer that another delivery got; of several the one of the same occurrence."""
        found = self._equal.get(_asked(started), [])
        return found[min(started.occurrence, len(found) - 1)] if found else None


def may_fire(fork: RunForked, started: StepStarted | StepCall) -> bool:
    """Whether a fork was allowed to fire an effect that cannot be repeated at will."""
    return _names(fork.allow, started)


def _answer(ended: StepCompleted, origin: StepOrigin) -> Recalled:
    return Recalled(ended.result, ended.failure, dict(ended.usage), ended.attempts, origin)


def _asked(started: StepStarted) -> tuple[str, str, Digest]:
    return started.kind, started.name, started.request


def _names(names: Sequence[str], started: StepStarted | StepCall) -> bool:
    return bool({EVERY, started.name, started.kind} & set(names))


def _is_posting(started: StepStarted) -> bool:
    """A value that is put on the run's own blackboard, where it costs nothing and others look for it."""
    return started.kind == "memory" and started.name == "blackboard"
