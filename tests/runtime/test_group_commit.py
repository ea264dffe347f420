"""Requests are written in groups, in the order in which they came, and each gets its own outcome."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from runtime.errors import JournalError
from runtime.journals.group_commit import GROUP_LIMIT, LONE_GROUPS, GroupCommit


class Recorder:
    """Notes the groups; even numbers are answered by their double, 13 is refused, and 99 makes the group fail."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may_go_on = threading.Event()

    def write(self, group: Sequence[int]) -> list[int | BaseException]:
        """Waits until it may go on."""
        self.may_go_on.wait(10)
        self.groups.append(list(group))
        if 99 in group:
            raise JournalError("the disk is gone")
        return [ValueError("thirteen") if number == 13 else number * 2 for number in group]

    def go_on(self) -> None:
        """Lets this group and the next ones be written."""
        self.may_go_on.set()


async def test_what_arrives_during_a_commit_shares_the_next_one() -> None:
    recorder = Recorder()
    commit = GroupCommit[int, int](recorder.write, "test")
    tasks = [asyncio.ensure_future(commit.submit(number)) for number in range(10)]
    await asyncio.sleep(0)
    recorder.go_on()
    assert await asyncio.gather(*tasks) == [number * 2 for number in range(10)]
    assert recorder.groups == [[0], list(range(1, 10))]
    await commit.close(lambda: None)


async def test_groups_have_a_limit_and_keep_the_order() -> None:
    recorder = Recorder()
    commit = GroupCommit[int, int](recorder.write, "test")
    numbers = range(100, 100 + GROUP_LIMIT + 5)
    tasks = [asyncio.ensure_future(commit.submit(number)) for number in numbers]
    await asyncio.sleep(0)
    recorder.go_on()
    await asyncio.gather(*tasks)
    assert [len(group) for group in recorder.groups] == [1, GROUP_LIMIT, 4]
    assert [number for group in recorder.groups for number in group] == list(numbers)
    await commit.close(lambda: None)


async def test_each_waiter_gets_its_own_outcome() -> None:
    recorder = Recorder()
    recorder.go_on()
    commit = GroupCommit[int, int](recorder.write, "test")
    outcomes = await asyncio.gather(*map(commit.submit, (1, 12, 13, 14)), return_exceptions=True)
    assert [repr(outcome) for outcome in outcomes] == ["2", "24", "ValueError('thirteen')", "28"]
    await commit.close(lambda: None)


async def test_a_group_that_fails_fails_for_all_of_it_and_for_nobody_else() -> None:
    recorder = Recorder()
    recorder.go_on()
    commit = GroupCommit[int, int](recorder.write, "test")
    outcomes = await asyncio.gather(*map(commit.submit, (1, 99, 2)), return_exceptions=True)
    assert outcomes[0] == 2
    assert [str(outcome) for outcome in outcomes[1:]] == ["the disk is gone"] * 2
    assert await commit.submit(5) == 10
    await commit.close(lambda: None)


class Threads:
    """Notes on which thread each group is written, and takes as long as it is told to."""

    def __init__(self) -> None:
        self.here: list[bool] = []
        self.takes_s = 0.0

    def write(self, group: Sequence[int]) -> list[int | BaseException]:
        """The numbers themselves; 13 is a fault of the program."""
        self.here.append(threading.current_thread() is threading.main_thread())
        time.sleep(self.takes_s)
        if 13 in group:
            raise ZeroDivisionError
        return list(group)


async def test_what_comes_one_by_one_and_is_written_swiftly_is_written_by_the_loop_itself() -> None:
    threads = Threads()
    commit = GroupCommit[int, int](threads.write, "test", swift_s=10.0)
    for number in range(LONE_GROUPS + 2):
        assert await commit.submit(number) == number
    assert threads.here == [False] * LONE_GROUPS + [True] * 2
    with pytest.raises(ZeroDivisionError):
        await commit.submit(13)
    assert await asyncio.gather(*map(commit.submit, (1, 2, 3))) == [1, 2, 3]
    assert threads.here[-2:] == [True, False], "the first comes alone, the others together"
    assert await commit.submit(4) == 4
    assert threads.here[-1] is False
    await commit.close(lambda: None)


async def test_a_slow_write_sends_the_next_ones_back_to_the_thread() -> None:
    threads = Threads()
    commit = GroupCommit[int, int](threads.write, "test", swift_s=0.5)
    for takes_s in (*[0.0] * LONE_GROUPS, 0.6, *[0.0] * (LONE_GROUPS + 1)):
        threads.takes_s = takes_s
        await commit.submit(1)
    assert threads.here == [False] * LONE_GROUPS + [True] + [False] * LONE_GROUPS + [True]
    await commit.close(lambda: None)


async def test_where_no_write_counts_as_swift_the_loop_writes_nothing() -> None:
    threads = Threads()
    commit = GroupCommit[int, int](threads.write, "test")
    for number in range(LONE_GROUPS + 2):
        await commit.submit(number)
    assert not any(threads.here)
    await commit.close(lambda: None)


async def test_closing_waits_for_what_the_loop_is_about_to_write() -> None:
    threads, closed = Threads(), threading.Event()
    commit = GroupCommit[int, int](threads.write, "test", swift_s=10.0)
    for number in range(LONE_GROUPS):
        await commit.submit(number)
    last = commit.submit(7)
    await commit.close(closed.set)
    assert (await last, threads.here[-1], closed.is_set()) == (7, True, True)


async def test_closing_writes_what_waits_and_refuses_what_comes_later() -> None:
    recorder, closed = Recorder(), threading.Event()
    commit = GroupCommit[int, int](recorder.write, "test")
    tasks = [asyncio.ensure_future(commit.submit(number)) for number in range(3)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(commit.close(closed.set))
    await asyncio.sleep(0)
    with pytest.raises(JournalError, match="closed"):
        await commit.submit(4)
    assert not closed.is_set()
    recorder.go_on()
    await closing
    assert closed.is_set()
    assert await asyncio.gather(*tasks) == [0, 2, 4]
    await commit.close(lambda: None)


async def test_a_second_event_loop_at_the_same_time_is_refused() -> None:
    recorder = Recorder()
    commit = GroupCommit[int, int](recorder.write, "test")
    task = asyncio.ensure_future(commit.submit(1))
    await asyncio.sleep(0)

    async def elsewhere() -> int:
        return await commit.submit(2)

    with pytest.raises(JournalError, match="two event loops"):
        await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    recorder.go_on()
    assert await task == 2
    await commit.close(lambda: None)
