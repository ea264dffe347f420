"""What every blackboard promises; each implementation's tests run all of it."""

from __future__ import annotations

import numpy as np
import pytest

from memory.short_term import Blackboard
from memory.values import Value, dump, load
from runtime.blobs import Payload
from runtime.errors import UsageError

VALUES: dict[str, Value] = {
    "text": "故宫周一闭馆",
    "object": {"days": 3, "party": {"children": [5]}, "budget": None, "ratio": 0.5, "quiet": True},
    "bytes": b"\x00\xff raw",
    "floats": np.arange(12, dtype=np.float32).reshape(3, 4),
    "empty": np.zeros((0, 3), dtype=np.int64),
    "nothing": None,
}


def assert_same(found: Value, expected: Value) -> None:
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected
        assert type(found) is type(expected)


async def keep_every_kind_of_value(board: Blackboard) -> None:
    for key, value in VALUES.items():
        await board.write(key, value)
    assert await board.keys() == sorted(VALUES)
    for key, value in VALUES.items():
        assert_same(await board.read(key), value)


async def name_values_by_their_content(board: Blackboard) -> None:
    first = await board.write("a", {"x": 1, "y": [1, 2]})
    same = await board.write("b", {"y": [1, 2], "x": 1})
    other = await board.write("c", {"x": 2, "y": [1, 2]})
    assert first == same != other
    assert first == Payload.of({"x": 1, "y": [1, 2]}).digest
    assert await board.digests() == {"a": first, "b": same, "c": other}


async def let_nobody_change_what_is_held(board: Blackboard) -> None:
    plan: dict[str, Value] = {"days": 3}
    array = np.ones(3)
    await board.write("plan", {"days": 3})
    await board.write("array", array)
    plan["days"] = 4
    array[:] = 7
    read = await board.read("plan")
    assert isinstance(read, dict)
    read["days"] = 5
    assert await board.read("plan") == {"days": 3}
    held = await board.read("array")
    assert isinstance(held, np.ndarray)
    np.testing.assert_array_equal(held, np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        held[0] = 7


async def let_the_last_write_stand(board: Blackboard) -> None:
    await board.write("k", "first")
    await board.write("k", "second")
    assert await board.read("k") == "second"
    assert await board.keys() == ["k"]


async def say_what_is_there_when_a_key_is_not(board: Blackboard) -> None:
    await board.write("hotel", "…")
    with pytest.raises(UsageError, match="nothing under 'hotle'; written so far: hotel"):
        await board.read("hotle")


async def refuse_what_is_no_value(board: Blackboard) -> None:
    for wrong in ({1: "x"}, float("nan"), object(), {"a": [{1, 2}]}, np.array([object()])):
        with pytest.raises(UsageError, match=r"cannot be written|expected plain"):
            await board.write("k", wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] the point
    assert await board.keys() == []


async def be_rebuilt_from_the_journal(board: Blackboard, other: Blackboard) -> None:
    for key, value in VALUES.items():
        await board.write(key, value)
    blobs = {key: dump(value) for key, value in VALUES.items()}
    await other.write("stale", 1)
    await other.restore({key: load(blob) for key, blob in blobs.items()})
    assert await other.digests() == await board.digests()
    for key, value in VALUES.items():
        assert_same(await other.read(key), value)


PROMISES = [
    keep_every_kind_of_value,
    name_values_by_their_content,
    let_nobody_change_what_is_held,
    let_the_last_write_stand,
    say_what_is_there_when_a_key_is_not,
    refuse_what_is_no_value,
]
