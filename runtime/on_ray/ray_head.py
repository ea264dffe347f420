"""Whether the head of a Ray cluster still answers: Ray itself would wait a minute, then end the process."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from runtime import clock

LOOK_EVERY_S = 1.0
ANSWER_LIMIT_S = 5.0
LOST_AFTER_S = 8.0
"""How long a head must not have answered to count as lost; a busy machine is slow, not lost."""
LOST_AFTER_LOOKS = 3
"""And how many times in a row: whoever could not look for a while, its loop being kept by something, knows nothing."""


class HeadLost(Exception):
    """The head of the cluster is gone, and all actors with it."""


async def watch_head(address: str, lost_after_s: float = LOST_AFTER_S) -> None:
    """Returns never; looks again and again whether something takes connections at the head's address (`host:port`).

    Raises:
        HeadLost: nothing has done so for a while.
    """
    answered_at, in_vain = clock.monotonic(), 0
    while True:
        if await answers(address):
            answered_at, in_vain = clock.monotonic(), 0
        elif (in_vain := in_vain + 1) >= LOST_AFTER_LOOKS and clock.monotonic() - answered_at > lost_after_s:
            raise HeadLost(f"the head of the Ray cluster at {address} does not answer any more")
        await asyncio.sleep(LOOK_EVERY_S)


async def answers(address: str) -> bool:
    """Whether something takes connections at the head's address (`host:port`) at this moment."""
    host, _, port = address.rpartition(":")
    return await _answers(host.strip("[]"), int(port))


async def _answers(host: str, port: int) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_LIMIT_S):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return True
    return False
