from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from memory.short_term import Blackboard, DictBlackboard
from memory.values import load
from runtime.errors import CorruptEvent
from tests.memory.boards import PROMISES, be_rebuilt_from_the_journal


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_the_blackboard_of_one_process_must(promise: Callable[[Blackboard], Awaitable[None]]) -> None:
    await promise(DictBlackboard())


async def test_the_blackboard_of_one_process_can_be_rebuilt() -> None:
    await be_rebuilt_from_the_journal(DictBlackboard(), DictBlackboard())


async def test_a_closed_blackboard_is_empty() -> None:
    board = DictBlackboard()
    await board.write("k", 1)
    await board.close()
    await board.close()
    assert await board.keys() == []


def test_bytes_that_are_no_value_are_refused() -> None:
    with pytest.raises(CorruptEvent, match="JSON"):
        load(b"pickle\n...")
