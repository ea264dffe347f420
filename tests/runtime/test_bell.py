"""A bell wakes who waits for it, and nobody waits longer than they said."""

from __future__ import annotations

import asyncio

import pytest

from runtime.exchange.bell import Bell


async def test_it_wakes_all_who_wait_and_nobody_who_comes_later() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.heard(60)) for _ in range(2)]
    await asyncio.sleep(0)
    bell.ring()
    await asyncio.gather(*waiting)
    late = asyncio.create_task(bell.heard(60))
    await asyncio.sleep(0)
    assert not late.done()
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late


async def test_who_waits_long_enough_goes_on() -> None:
    async with asyncio.timeout(30):
        await Bell().heard(0.001)


async def test_a_cancellation_that_comes_with_the_ringing_is_not_lost() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(60))
    await asyncio.sleep(0)
    bell.ring()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
