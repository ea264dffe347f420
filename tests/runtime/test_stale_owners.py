"""Two owners of one run at once, paused and woken: no effect is doubled, no event is missing, none comes in between."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import StaleEpoch, WaitingForPerson
from runtime.events import AnyEvent, RunCompleted, RunInterrupted, StepAsked, StepStarted
from runtime.journal import Journal
from runtime.journals.journal_address import JournalAddress, journal_address, open_journal
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.replay import replay
from tests.postgres_server import PostgresServer
from tests.runtime.payments import LOOK_AGAIN_S, Ledger, performance

ROOT = Path(__file__).parents[2]
DONE = ["first!", "held!"]


@pytest.fixture(
    params=[pytest.param("sqlite", marks=pytest.mark.slow), pytest.param("postgres", marks=pytest.mark.postgres)]
)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> JournalAddress:
    """A new journal, of each kind that several processes can use."""
    if request.param == "sqlite":
        return journal_address(tmp_path / "journal.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


async def owner(folder: Path, address: JournalAddress, kind: str, manner: str) -> asyncio.subprocess.Process:
    """Another process that performs the run over the same journal."""
    place = address.url or str(address)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runtime.stale_owner", str(folder), place, "waiter", kind, manner),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> str:
    """How it says that it ended."""
    told, _ = await process.communicate()
    return told.decode().strip()


async def in_effect(journal: Journal, ledger: Ledger, pid: int) -> None:
    """Waits until a process is in the middle of the effect that waits, and has written down that it began."""
    while pid not in {its_pid for name, _, its_pid in ledger.entries() if name == "held"}:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_AGAIN_S)
    while sum(isinstance(event, StepStarted) for event in await journal.events("run")) < 2:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_AGAIN_S)


async def checked(journal: Journal) -> Sequence[AnyEvent]:
    """The run's events, of which none is missing, twice there or of another owner; replay does the same again."""
    events = await journal.events("run")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    steps = [event.step for event in events if isinstance(event, StepStarted)]
    assert len(steps) == len(set(steps)) == 2
    await replay(journal, "run")
    return events


def resumed(folder: Path, kind: str) -> Performance:
    return replace(performance(folder, "waiter", {"kind": kind}), is_resumed=True)


async def test_an_owner_that_was_paused_wakes_up_and_changes_nothing(tmp_path: Path, address: JournalAddress) -> None:
    journal, ledger = open_journal(address), Ledger(tmp_path)
    paused = await owner(tmp_path, address, "idempotent", "begin")
    await in_effect(journal, ledger, paused.pid)
    paused.send_signal(signal.SIGSTOP)
    going_on = asyncio.create_task(LocalEngine(journal).perform(resumed(tmp_path, "idempotent")))
    await in_effect(journal, ledger, os.getpid())
    ledger.open_gate()
    assert await going_on == DONE
    before = await checked(journal)
    assert isinstance(before[-1], RunCompleted)
    paused.send_signal(signal.SIGCONT)
    assert await ended(paused) == StaleEpoch.__name__
    assert await checked(journal) == before
    assert ledger.counts() == {"first": 1, "held": 1, "held done": 1}, "the same key each time"
    await journal.close()


async def test_what_a_paused_owner_was_doing_is_done_by_nobody_else(tmp_path: Path, address: JournalAddress) -> None:
    journal, ledger = open_journal(address), Ledger(tmp_path)
    paused = await owner(tmp_path, address, "irreversible", "begin")
    await in_effect(journal, ledger, paused.pid)
    paused.send_signal(signal.SIGSTOP)
    with pytest.raises(WaitingForPerson, match="Did it happen"):
        await LocalEngine(journal).perform(resumed(tmp_path, "irreversible"))
    before = await checked(journal)
    assert [type(event) for event in before[-2:]] == [StepAsked, RunInterrupted]
    ledger.open_gate()
    paused.send_signal(signal.SIGCONT)
    assert await ended(paused) == StaleEpoch.__name__
    assert await checked(journal) == before
    assert ledger.times() == {"first": 1, "held": 1, "held done": 1}
    await journal.close()


async def test_three_owners_one_after_the_other_wake_up_in_any_order(tmp_path: Path, address: JournalAddress) -> None:
    journal, ledger = open_journal(address), Ledger(tmp_path)
    owners = [await owner(tmp_path, address, "idempotent", "begin")]
    await in_effect(journal, ledger, owners[0].pid)
    owners[0].send_signal(signal.SIGSTOP)
    owners.append(await owner(tmp_path, address, "idempotent", "resume"))
    await in_effect(journal, ledger, owners[1].pid)
    owners[1].send_signal(signal.SIGSTOP)
    owners.append(await owner(tmp_path, address, "idempotent", "resume"))
    await in_effect(journal, ledger, owners[2].pid)
    ledger.open_gate()
    owners[0].send_signal(signal.SIGCONT)
    assert await ended(owners[0]) == StaleEpoch.__name__
    assert await ended(owners[2]) == "done"
    before = await checked(journal)
    owners[1].send_signal(signal.SIGCONT)
    assert await ended(owners[1]) == StaleEpoch.__name__
    assert await checked(journal) == before
    assert ledger.counts() == {"first": 1, "held": 1, "held done": 1}
    await journal.close()


async def test_two_owners_awake_at_once_leave_one_order(tmp_path: Path, address: JournalAddress) -> None:
    """Both are in the same effect when it ends; only what the newer one says of it counts."""
    journal: Journal = open_journal(address)
    ledger = Ledger(tmp_path)
    order = performance(tmp_path, "waiter", {"kind": "idempotent"})
    former = asyncio.create_task(LocalEngine(journal).perform(order))
    await in_effect(journal, ledger, os.getpid())
    newer = asyncio.create_task(LocalEngine(journal).perform(resumed(tmp_path, "idempotent")))
    while ledger.times()["held"] < 2:  # noqa: ASYNC110  # the other owner writes it
        await asyncio.sleep(LOOK_AGAIN_S)
    ledger.open_gate()
    assert await newer == DONE
    with pytest.raises(StaleEpoch):
        await former
    assert isinstance((await checked(journal))[-1], RunCompleted)
    assert ledger.counts() == {"first": 1, "held": 1, "held done": 1}
    await journal.close()
