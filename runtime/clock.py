"""The only source of time, ids and randomness.

Inside a delivery all three are functions of the journal: the time is that of the event that the agent last saw, ids and
random numbers are derived from the delivery's id. The same run replayed therefore sees the same values, and a reading
needs no event of its own (Temporal's workflow clock is the model). Outside of deliveries they are the machine's own.
"""

from __future__ import annotations

import hashlib
import random as _random
import time
import uuid
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import Protocol


class LogicalClock(Protocol):
    """What a delivery offers in place of the machine's clock."""

    @property
    def time_s(self) -> float:
        """Seconds since 1970 (UTC) of the event that was last released to the agent."""
        ...

    def next_id(self) -> str:
        """The delivery's next derived id: 32 hexadecimal digits."""
        ...


current: ContextVar[LogicalClock | None] = ContextVar("repertory_clock", default=None)
"""The clock of the delivery that is running; None outside of deliveries. Set by the host alone."""


def time_s() -> float:
    """Seconds since 1970 (UTC)."""
    clock = current.get()
    return time.time() if clock is None else clock.time_s


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.fromtimestamp(time_s(), UTC)


def today() -> date:
    """The date in UTC."""
    return now().date()


def monotonic() -> float:
    """Seconds of a clock that never goes back, for durations outside of deliveries."""
    return time.monotonic()


def new_id() -> str:
    """An id that no other call returns: 32 hexadecimal digits."""
    clock = current.get()
    return uuid.uuid4().hex if clock is None else clock.next_id()


def random() -> _random.Random:
    """A generator of its own, seeded by the delivery inside of one and by the machine outside."""
    clock = current.get()
    return _random.Random() if clock is None else _random.Random(clock.next_id())


def derived_id(*parts: object, digits: int = 24) -> str:
    """The same id for the same parts: so many hexadecimal digits of BLAKE2b over them."""
    text = "\x1f".join(map(str, parts))
    return hashlib.blake2b(text.encode(), digest_size=digits // 2).hexdigest()
