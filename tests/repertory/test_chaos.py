"""`repertory chaos`: what it prints, and that it can fail."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from tests.postgres_server import PostgresServer
from tests.repertory.commands import Terminal
from tests.repertory.small import Judge, write_scenario


def test_a_scenario_that_loses_nothing_passes_at_every_point(terminal: Terminal) -> None:
    ended = terminal.type("chaos", write_scenario(Path.cwd()), "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["points_in_all"] == told["points_tried"] == told["survived"] >= 8
    assert told["failed"] == []
    assert told["repeated_reads"] > 0
    assert terminal.type("runs", "list").out.startswith("no runs yet")


@pytest.mark.postgres
def test_a_journal_on_a_server_is_tried_in_a_database_of_its_own(
    terminal: Terminal, postgres_server: PostgresServer
) -> None:
    url = postgres_server.new_database().url
    ended = terminal.type("--journal", url, "chaos", write_scenario(Path.cwd()), "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["points_in_all"] == told["points_tried"] == told["survived"] >= 8
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT datname FROM pg_database WHERE datname LIKE '%chaos%'").fetchall() == []
        assert connection.execute("SELECT to_regnamespace('repertory')").fetchone() == (None,)


def test_a_server_that_is_not_there_is_told(terminal: Terminal) -> None:
    ended = terminal.type("--journal", "postgresql:///x?host=/nowhere", "chaos", write_scenario(Path.cwd()))
    assert ended.code == 2
    assert "a database for the time of this command cannot be made there" in ended.err


def test_one_point_is_tried_by_its_name(terminal: Terminal) -> None:
    ended = terminal.type("chaos", write_scenario(Path.cwd()), "--point", "3:after", "--model", "default")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[1].split() == ["points", "tried", "1"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--model", "qwen", "--set", f"agents.planner.kind={Judge.__module__}:Judge"],
            "recorded:FILE or scripted:FILE",
        ),
        (["--point", "3"], "found '3', expected an append and a side"),
        (["--point", "999:after"], "the run has ended by then"),
    ],
)
def test_bad_input_is_told(terminal: Terminal, options: list[str], said: str) -> None:
    ended = terminal.type("chaos", write_scenario(Path.cwd()), *options)
    assert ended.code == 2
    assert said in ended.err


def test_a_run_that_fails_undisturbed_is_no_proof_of_anything(terminal: Terminal) -> None:
    ended = terminal.type("chaos", write_scenario(Path.cwd(), "fail"))
    assert ended.code == 1
    assert "even when nothing disturbs it" in ended.err


def test_the_first_point_that_fails_is_named_with_the_command_that_tries_it_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool answers something else each time that it is asked, as no tool may that a run depends on."""
    prices = iter(range(100, 10_000))

    def another_price(_: str) -> int:
        return next(prices)

    monkeypatch.setattr("tests.repertory.small.cost_of", another_price)
    file = write_scenario(Path.cwd())
    ended = terminal.type("chaos", file)
    assert ended.code == 1
    assert "its result is not that of the undisturbed run" in ended.err
    assert f"repertory chaos {file} --engine local --point 1:before" in ended.err
    again = terminal.type("chaos", file, "--point", "1:before", "--json")
    assert (again.code, json.loads(again.out)["failed"][0]["point"]) == (1, "1:before")
