"""`repertory runs verify`: a line for each run, and exit code 1 when one is damaged."""

from __future__ import annotations

import asyncio
import json
import sqlite3

from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from tests.repertory.commands import Terminal
from tests.runtime.teams import performance


def record(terminal: Terminal) -> None:
    """Two runs, a and b."""

    async def perform() -> None:
        journal = SqliteJournal(terminal.home / "journal.db")
        for run in ("a", "b"):
            await LocalEngine(journal).perform(performance(run, "ping"))
        await journal.close()

    asyncio.run(perform())


def damage(terminal: Terminal, statement: str) -> None:
    connection = sqlite3.connect(terminal.home / "journal.db", isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_whole_runs_have_a_line_each(terminal: Terminal) -> None:
    assert terminal.type("runs", "verify").out.startswith("no runs yet")
    record(terminal)
    ended = terminal.type("runs", "verify")
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    assert all(line.startswith("whole ") and " events, " in line for line in ended.out.splitlines())
    assert len(terminal.type("runs", "verify", "a").out.splitlines()) == 1


def test_a_damaged_run_is_named_and_the_others_are_checked(terminal: Terminal) -> None:
    record(terminal)
    damage(terminal, "UPDATE events SET data = x'00' || data WHERE place = 4294967296 + 5")
    ended = terminal.type("runs", "verify")
    assert ended.code == 1
    assert "DAMAGED  a  run a: event 5 is damaged; restore the journal from a copy" in ended.out
    assert "whole    b" in ended.out
    ended = terminal.type("runs", "verify", "--json")
    assert (ended.code, {found["run"]: found["seq"] for found in json.loads(ended.out)}) == (1, {"a": 5, "b": 0})
    assert terminal.type("runs", "verify", "b").code == 0


def test_a_run_whose_own_row_is_damaged_hinders_no_other_command(terminal: Terminal) -> None:
    record(terminal)
    damage(terminal, "UPDATE runs SET state = x'00' || state WHERE run = 'a'")
    assert terminal.type("runs", "show", "b").code == 0
    listed = json.loads(terminal.type("runs", "list", "--json").out)
    assert [(run["run"], run["status"]) for run in listed] == [("b", "done"), ("a", "damaged")]
    shown = terminal.type("runs", "show", "a")
    assert (shown.code, "the run's own row" in shown.err) == (1, True)
    assert terminal.type("runs", "verify").code == 1
