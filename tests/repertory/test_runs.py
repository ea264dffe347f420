"""`repertory runs`: what the journal holds, for people and for programs."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time

import msgspec

from runtime.events import DeliveryStarted, StepStarted
from runtime.journals.sql_journal import SqliteJournal
from tests.repertory.commands import Terminal
from tests.repertory.story import BLOBS, HASH, told

FIRST, SECOND = "aa" * 16, "ab" * 16


def record(terminal: Terminal) -> None:
    """Two runs in the journal: one that went well, and a later one that failed."""

    async def write() -> None:
        journal = SqliteJournal(terminal.home / "journal.db")
        for run, failing in ((FIRST, False), (SECOND, True)):
            epoch = await journal.claim(run)
            await journal.append(run, epoch, told(failing=failing), BLOBS)
        await journal.close()

    terminal.home.mkdir()
    asyncio.run(write())


def test_without_runs_the_list_says_so(terminal: Terminal) -> None:
    assert terminal.type("runs", "list").out.startswith("no runs yet")
    assert terminal.type("runs", "list", "--json").out == "[]\n"
    assert not terminal.home.exists()


def test_runs_are_listed_with_their_status(terminal: Terminal) -> None:
    record(terminal)
    listed = json.loads(terminal.type("runs", "list", "--json").out)
    assert {(run["run"], run["status"], run["events"]) for run in listed} == {
        (FIRST, "done", 11),
        (SECOND, "failed", 11),
    }
    lines = terminal.type("runs", "list").out.splitlines()
    assert lines[0].split() == ["run", "scenario", "status", "started", "took", "events"]
    assert len(lines) == 3


def test_a_run_is_shown_with_its_cost_and_who_did_what(terminal: Terminal) -> None:
    record(terminal)
    ended = terminal.type("runs", "show", FIRST)
    assert ended.code == 0
    assert "1 model calls (900 tokens in, 40 out), 1 tool calls, 11 events" in ended.out
    assert "executor 1  Assignment  at 5.0 s  6.00 s" in ended.out
    started = [event.seq for event in told() if isinstance(event, DeliveryStarted | StepStarted)]
    assert [int(found) for found in re.findall(r"── (\d+) ", ended.out)] == started, "each line names its event"
    shown = json.loads(terminal.type("runs", "show", FIRST, "--json").out)
    assert shown["usage"] == {"model_calls": 1, "tool_calls": 1, "input_tokens": 900, "output_tokens": 40}
    assert shown["deliveries"][0]["agent"] == "planner"


def test_a_run_is_followed_to_its_end_while_another_process_writes_it(terminal: Terminal) -> None:
    events = told()
    begun = threading.Event()

    async def write(journal: SqliteJournal) -> None:
        await journal.append("run", await journal.claim("run"), events[:1], BLOBS)
        begun.set()
        for event in events[1:]:
            await journal.append("run", 1, [event])
        await journal.close()

    terminal.home.mkdir()
    writer = threading.Thread(target=lambda: asyncio.run(write(SqliteJournal(terminal.home / "journal.db"))))
    writer.start()
    assert begun.wait(30)
    ended = terminal.type("runs", "events", "run", "--follow", "--json")
    writer.join()
    assert ended.code == 0
    assert [json.loads(line)["seq"] for line in ended.out.splitlines()] == list(range(1, 12))


def test_a_failed_run_says_why(terminal: Terminal) -> None:
    record(terminal)
    assert "because: the booking office is closed" in terminal.type("runs", "show", SECOND).out


def test_a_run_that_has_fallen_silent_may_have_lost_its_process(terminal: Terminal) -> None:
    async def write() -> None:
        journal = SqliteJournal(terminal.home / "journal.db")
        for run, at in ((FIRST, told()[0].at), (SECOND, time.time())):
            begun = [msgspec.structs.replace(event, at=at) for event in told()[:2]]
            await journal.append(run, await journal.claim(run), begun, BLOBS)
        await journal.close()

    terminal.home.mkdir()
    asyncio.run(write())
    told_of = [line for line in terminal.type("runs", "list").err.splitlines() if "silent" in line]
    assert len(told_of) == 1
    assert f"`repertory resume {FIRST[:8]}`" in told_of[0]
    assert "silent since" in terminal.type("runs", "show", FIRST).out
    assert "silent since" not in terminal.type("runs", "show", SECOND).out


def test_a_run_is_named_by_the_beginning_of_its_id_or_as_last(terminal: Terminal) -> None:
    record(terminal)
    assert f"run {FIRST}" in terminal.type("runs", "show", "aa").out
    assert terminal.type("runs", "show", "last").code == 0
    ambiguous = terminal.type("runs", "show", "a")
    assert (ambiguous.code, ambiguous.out) == (2, "")
    assert "found 2 runs that begin so" in ambiguous.err
    assert "found no such run" in terminal.type("runs", "show", "zz").err


def test_events_are_printed_one_a_line(terminal: Terminal) -> None:
    record(terminal)
    lines = terminal.type("runs", "events", FIRST).out.splitlines()
    assert len(lines) == 11
    assert "step_started" in lines[3]
    assert "kind=model" in lines[3]
    rows = [json.loads(line) for line in terminal.type("runs", "events", FIRST, "--json").out.splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, 12))
    assert rows[-1] == {"event": "run_completed", "seq": 11, "at": 112.0, "result": HASH}
