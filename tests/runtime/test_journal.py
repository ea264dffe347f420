"""What every journal promises, tried on each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.blobs import digest
from runtime.errors import CorruptEvent, SeqConflict, StaleEpoch, UsageError
from runtime.events import AnyEvent, RunCompleted
from runtime.journal import Journal, MemoryJournal
from runtime.journals.journal_address import open_journal
from runtime.journals.sql_journal import SqliteJournal
from tests.postgres_server import PostgresServer
from tests.runtime.journal_samples import HASH, blobs, deliveries, delivery, one_of_each, started


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    opened = _opened(request, tmp_path)
    yield opened
    await opened.close()


def _opened(request: pytest.FixtureRequest, folder: Path) -> Journal:
    if request.param == "memory":
        return MemoryJournal()
    if request.param == "sqlite":
        return SqliteJournal(folder / "journal.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return open_journal(server.new_database())


async def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert await journal.runs() == []
    assert await journal.events("r") == []
    assert await journal.blobs([]) == {}


async def test_events_come_back_in_order_as_they_were(journal: Journal) -> None:
    epoch = await journal.claim("r")
    events = one_of_each()
    await journal.append("r", epoch, events[:4], {})
    await journal.append("r", epoch, events[4:], {})
    assert await journal.events("r") == events


@pytest.mark.parametrize("after", [0, 1, 5, 9, 10, 11, 99])
async def test_events_after_a_seq_are_those_that_follow(journal: Journal, after: int) -> None:
    epoch = await journal.claim("r")
    events: list[AnyEvent] = [started(), *deliveries(2, 10)]
    await journal.append("r", epoch, events, {})
    assert await journal.events("r", after=after) == events[after:]


async def test_runs_do_not_mix(journal: Journal) -> None:
    for run in ("a", "b", "a2"):
        epoch = await journal.claim(run)
        await journal.append(run, epoch, [started(name=run)], {})
    await journal.append("a", 1, [delivery(2)], {})
    assert await journal.events("a") == [started(name="a"), delivery(2)]
    assert await journal.events("b") == [started(name="b")]


async def test_the_first_claim_has_epoch_1_and_each_more_one_above(journal: Journal) -> None:
    assert [await journal.claim("r") for _ in range(3)] == [1, 2, 3]
    assert await journal.claim("other") == 1


async def test_an_append_of_an_earlier_owner_is_refused_and_leaves_nothing(journal: Journal) -> None:
    old = await journal.claim("r")
    await journal.append("r", old, [started()], {})
    new = await journal.claim("r")
    with pytest.raises(
        StaleEpoch, match="append of epoch 1 is refused: another program owns the run since, with epoch 2"
    ):
        await journal.append("r", old, [delivery(2)], blobs("lost"))
    with pytest.raises(CorruptEvent):
        await journal.blob(next(iter(blobs("lost"))))
    await journal.append("r", new, [delivery(2)], {})
    assert len(await journal.events("r")) == 2


@pytest.mark.parametrize("epoch", [0, 1])
async def test_an_append_to_a_run_that_nobody_claimed_is_refused(journal: Journal, epoch: int) -> None:
    with pytest.raises(StaleEpoch, match="nobody has claimed the run"):
        await journal.append("r", epoch, [started()], {})
    assert await journal.events("r") == []


@pytest.mark.parametrize("seqs", [[1], [2], [4], [3, 5], [3, 3], [3, 4, 2]])
async def test_seqs_that_do_not_continue_the_run_are_refused_as_a_whole(journal: Journal, seqs: list[int]) -> None:
    epoch = await journal.claim("r")
    await journal.append("r", epoch, [started(), delivery(2)], {})
    with pytest.raises(SeqConflict, match="comes next"):
        await journal.append("r", epoch, [delivery(seq, at=7.0) for seq in seqs], blobs("lost"))
    assert len(await journal.events("r")) == 2
    with pytest.raises(CorruptEvent):
        await journal.blob(next(iter(blobs("lost"))))


async def test_what_the_owner_sends_again_is_answered_and_added_once(journal: Journal) -> None:
    epoch = await journal.claim("r")
    events: list[AnyEvent] = [started(), *deliveries(2, 5)]
    await journal.append("r", epoch, events[:3], blobs("one"))
    await journal.append("r", epoch, events[:3], blobs("one"))
    await journal.append("r", epoch, events[3:], {})
    for again in (events[:3], events[3:], events[1:2], events):
        await journal.append("r", epoch, again, {})
    assert await journal.events("r") == events
    with pytest.raises(SeqConflict):
        await journal.append("r", epoch, [*events[3:], delivery(6)], {})
    await journal.claim("r")
    with pytest.raises(StaleEpoch):
        await journal.append("r", epoch, events[3:], {})


async def test_blobs_come_back_by_their_digest(journal: Journal) -> None:
    epoch = await journal.claim("r")
    long = "长" * 5000
    kept = blobs("one", "two", long) | {digest(raw): raw for raw in (b"", b"\x00\x01", bytes(range(256)) * 9)}
    await journal.append("r", epoch, [started()], kept)
    assert await journal.blobs(kept) == kept
    assert [await journal.blob(name) for name in kept] == list(kept.values())


async def test_a_blob_may_come_again_in_any_run(journal: Journal) -> None:
    for run in ("a", "b"):
        epoch = await journal.claim(run)
        await journal.append(run, epoch, [], blobs("same"))
        await journal.append(run, epoch, [started()], blobs("same"))
    assert await journal.blobs(blobs("same")) == blobs("same")


async def test_a_blob_that_is_not_there_is_an_error_that_names_it(journal: Journal) -> None:
    with pytest.raises(CorruptEvent, match=f"blob {HASH} is not in the journal"):
        await journal.blob(HASH)
    with pytest.raises(CorruptEvent, match=HASH):
        await journal.blobs([HASH])


async def test_a_blob_under_a_foreign_digest_is_refused_and_nothing_added(journal: Journal) -> None:
    epoch = await journal.claim("r")
    with pytest.raises(UsageError, match=f"a blob was given as {HASH}"):
        await journal.append("r", epoch, [started()], {HASH: b"other"})
    assert await journal.events("r") == []


async def test_the_list_of_runs_has_the_newest_first(journal: Journal) -> None:
    for run, at in (("old", 10.0), ("new", 30.0), ("middle", 20.0), ("empty", 0.0)):
        epoch = await journal.claim(run)
        await journal.append(run, epoch, [started(name=f"the {run}", at=at)] if at else [], {})
    await journal.append("old", 1, [delivery(2, at=40.0), RunCompleted(seq=3, at=50.0, result=HASH)], {})
    runs = await journal.runs()
    assert [run.run for run in runs] == ["new", "middle", "old"]
    oldest = runs[-1]
    assert (oldest.name, oldest.status, oldest.events) == ("the old", "done", 3)
    assert (oldest.started_at, oldest.last_at) == (10.0, 50.0)


async def test_appends_of_many_runs_at_once_all_arrive(journal: Journal) -> None:
    async def perform(run: str) -> None:
        epoch = await journal.claim(run)
        await journal.append(run, epoch, [started(name=run)], {})
        for seq in range(2, 12):
            await journal.append(run, epoch, [delivery(seq)], blobs(f"{run} {seq}"))

    await asyncio.gather(*(perform(f"r{number}") for number in range(30)))
    assert {run.events for run in await journal.runs()} == {11}
    assert await journal.events("r7") == [started(name="r7"), *deliveries(2, 11)]


async def test_appends_of_one_run_take_effect_in_the_order_of_the_calls(journal: Journal) -> None:
    epoch = await journal.claim("r")
    await asyncio.gather(
        journal.append("r", epoch, [started()], {}),
        *(journal.append("r", epoch, [delivery(seq)], {}) for seq in range(2, 50)),
    )
    assert [event.seq for event in await journal.events("r")] == list(range(1, 50))


async def test_closing_twice_does_nothing(journal: Journal) -> None:
    await journal.claim("r")
    await journal.close()
    await journal.close()


async def test_a_run_is_begun_once(journal: Journal) -> None:
    await journal.claim("claimed")
    assert await journal.begin("claimed", [started()]) == 0
    assert await journal.begin("r", [started()], blobs("begun")) == 1
    assert await journal.begin("r", [started()]) == 0
    await journal.append("r", 1, deliveries(2, 3))
    assert await journal.events("claimed") == []
    assert await journal.events("r") == [started(), *deliveries(2, 3)]
    assert await journal.blobs(blobs("begun")) == blobs("begun")
    assert await journal.claim("r") == 2


async def test_a_beginning_that_is_refused_claims_nothing(journal: Journal) -> None:
    with pytest.raises(SeqConflict):
        await journal.begin("r", deliveries(2, 3))
    with pytest.raises(UsageError):
        await journal.begin("r", [started()], {"f" * 32: b"no blob of this name"})
    assert await journal.begin("r", [started()]) == 1
    assert await journal.claim("r") == 2
