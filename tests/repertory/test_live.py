"""What is seen on stderr while a run goes on."""

from __future__ import annotations

import os
import sys
from io import StringIO

import pytest
from rich.console import Console

from repertory.live import Lines, LiveTable, Silent, table_of, watching
from repertory.progress import progress_of
from tests.repertory.story import told


def test_without_a_terminal_each_ended_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(quiet=False) as watcher:
        assert isinstance(watcher, Lines)
        for event in told(failing=True):
            watcher.on_event(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "    4.0 s  planner: asks the model (2.5 s)",
        "   10.0 s  executor 1: calls hotel_search (failed, 2.0 s)",
        "   11.0 s  executor 1: failed: the booking office is closed",
        "   12.0 s  the run failed: the booking office is closed",
    ]


def test_a_quiet_watcher_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(quiet=True) as watcher:
        assert isinstance(watcher, Silent)
        for event in told():
            watcher.on_event(event)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [True, False])
def test_a_pause_is_told_with_what_to_do(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(quiet=quiet) as watcher:
        watcher.on_pause("journal /runs.db: the disk is full; free some space there")
        watcher.on_pause("")
    paused, back = capsys.readouterr().err.splitlines()
    assert paused.startswith("paused: journal /runs.db: the disk is full; free some space there; the run goes on by")
    assert "Ctrl-C stops it" in paused
    assert back == "the journal answers again; the run goes on"


def test_the_table_shows_a_pause_for_as_long_as_it_lasts() -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=200)
    table = LiveTable(console)
    table.on_pause("the disk is full")
    console.print(table._table())  # pyright: ignore[reportPrivateUsage]
    assert "paused: the disk is full" in out.getvalue()
    table.on_pause("")
    out.truncate(0)
    console.print(table._table())  # pyright: ignore[reportPrivateUsage]
    assert "paused" not in out.getvalue()


async def test_nobody_is_asked_where_there_is_no_terminal() -> None:
    assert await Lines().ask("When?") is None
    assert await Silent().ask("When?") is None


async def test_a_person_at_the_terminal_is_asked_and_answers_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard, terminal = os.openpty()
    with os.fdopen(terminal) as stdin, os.fdopen(keyboard, "wb") as typing:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        typing.write(" 12月5日 \nand more\n".encode())
        typing.flush()
        assert await Lines().ask("When?\x1b[2J") == "12月5日"
        assert await Lines().ask("And?") == "and more"
    assert capsys.readouterr().err == "\n? When?\N{REPLACEMENT CHARACTER}[2J\n\n? And?\n"


def test_the_table_shows_agents_steps_tokens_and_time() -> None:
    out = StringIO()
    Console(file=out, width=160).print(table_of(progress_of(told()[:8]), 7.4))
    text = out.getvalue()
    assert "trip  7 s, 1 model calls, 0 tool calls, 40 tokens written" in text
    assert "calls hotel_search" in text
    assert "asks the model (2.5 s)" in text
    assert "900" in text


def test_the_live_table_leaves_nothing_behind() -> None:
    out = StringIO()
    with LiveTable(Console(file=out, width=120, force_terminal=True)) as table:
        for event in told():
            table.on_event(event)
    assert out.getvalue().endswith("\x1b[2K") or "\x1b[1A" in out.getvalue()
