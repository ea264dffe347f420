"""What goes wrong for reasons of a person's or machine's: one message, the right exit code, nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.travel.domain import DATA
from tests.repertory.commands import Ended, Terminal
from tests.repertory.small import LARGE, write_scenario
from tests.serving.folders import write_folder

ROOT = Path(__file__).parents[2]


def refused(ended: Ended, *words: str, code: int = 2) -> None:
    """The command ended with one message of these words, and said nothing else."""
    assert (ended.code, ended.out) == (code, "")
    for word in words:
        assert word in ended.err
    assert ended.err.startswith("repertory: ")
    assert "Traceback" not in ended.err


def run(terminal: Terminal, *options: str | Path, more: str = "") -> Ended:
    return terminal.type("run", write_scenario(Path(), more=more), "--engine", "local", *options)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "hotels.csv",
            ",657,",
            ",cheap,",
            ("hotels.csv:2", "price_cny", "found 'cheap'"),
        ),
        ("restaurants.csv", "cuisine", "kitchen", ("restaurants.csv:1", "cuisine")),
        ("attractions.csv", "故宫博物院,", ",", ("attractions.csv:2", "name")),
    ],
)
def test_a_bad_row_is_told_with_file_line_and_column(
    file: str, old: str, new: str, words: tuple[str, ...], terminal: Terminal
) -> None:
    shutil.copytree(DATA, "mine")
    spoilt = Path("mine") / file
    spoilt.write_text(spoilt.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    refused(run(terminal, "--set", "data=mine"), "--set data: data: ", *words)
    assert not terminal.home.exists()


def test_a_missing_data_file_is_told_with_its_place(terminal: Terminal) -> None:
    shutil.copytree(DATA, "mine")
    (Path("mine") / "hotels.csv").unlink()
    refused(run(terminal, "--set", "data=mine"), "--set data: data: ", "hotels.csv")
    assert not terminal.home.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("limits.rounds=many", "--set limits.rounds: limits.rounds: found the text 'many', expected a whole number"),
        ("limitz.rounds=1", "--set limitz.rounds: limitz: found an unknown field, expected one of"),
        (
            "start=plannr",
            "start: found the text 'plannr', expected the name of an agent (planner, person)",
        ),
    ],
)
def test_a_wrong_value_on_the_command_line_is_told_with_its_option(change: str, words: str, terminal: Terminal) -> None:
    refused(run(terminal, "--set", change), words)
    assert not terminal.home.exists()


def test_circles_are_told_with_their_way(terminal: Terminal) -> None:
    near = {"planner": "critic", "critic": "planner"}
    agents = json.dumps({name: {"kind": name, "placement": {"together": other}} for name, other in near.items()})
    refused(run(terminal, "--set", f"agents={agents}"), "a circle of agents: planner → critic → planner")
    tools = "[{name: a, import: 'm:a', fallback: b}, {name: b, import: 'm:b', fallback: a}]"
    refused(run(terminal, "--set", f"tools={tools}"), "a circle of fallbacks: a → b → a, expected a last tool")
    assert not terminal.home.exists()


@pytest.fixture
def huge() -> Path:
    """A model of a terabyte, which takes no room on the disk."""
    return write_folder(Path("huge").absolute(), weights_bytes=10**12)


def test_a_model_that_does_not_fit_into_memory_is_refused_before_anything_starts(
    terminal: Terminal, huge: Path
) -> None:
    commands: list[list[str]] = [["serve", "up"], ["run", str(write_scenario(Path()))]]
    for command in commands:
        ended = terminal.type(*command, "--model", huge)
        refused(ended, "huge needs about 10", "GB of memory to be served, found", "choose a smaller model")
        assert not list(terminal.home.rglob("head.json"))
        assert not (terminal.home / "journal.db").exists()


def test_a_port_that_is_in_use_is_refused_before_anything_starts(terminal: Terminal) -> None:
    folder = write_folder(Path("small").absolute())
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = terminal.type("serve", "up", "--model", folder, "--tensor-parallel-size", "1", "--port", port)
    refused(ended, f"--port: found {port}, which another program uses; choose another, or leave --port out")
    assert not list(terminal.home.rglob("head.json"))


def limited(size_bytes: int) -> Callable[[], None]:
    """Has a process write no file beyond a size: what a full disk does, for anyone and anywhere."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def in_little_room(terminal: Terminal, size_bytes: int, *arguments: str) -> Ended:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "REPERTORY_HOME": str(terminal.home)}
    ended = subprocess.run(
        [sys.executable, "-m", "repertory", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        preexec_fn=limited(size_bytes),
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_results_that_find_no_room_leave_what_was_there_before(terminal: Terminal) -> None:
    file = write_scenario(Path(), "large")
    out = Path("out/small")
    out.mkdir(parents=True)
    (out / "plan.md").write_text("before")
    ended = in_little_room(terminal, LARGE // 4, "run", str(file), "--engine", "local")
    assert (ended.code, ended.out) == (1, "")
    assert "is done and in the journal, but its results could not be written" in ended.err
    assert "repertory: out/small/plan.md: the file would be larger than this process may write" in ended.err
    assert "Traceback" not in ended.err
    assert {path.name: path.read_text() for path in out.iterdir()} == {"plan.md": "before"}
    assert json.loads(terminal.type("runs", "list", "--json").out)[0]["status"] == "done"


def test_a_journal_that_finds_no_room_is_told_with_its_place(terminal: Terminal) -> None:
    ended = in_little_room(terminal, 20_000, "run", str(write_scenario(Path())), "--engine", "local")
    assert (ended.code, ended.out) == (1, "")
    assert f"repertory: journal {terminal.home / 'journal.db'}: " in ended.err
    assert "Traceback" not in ended.err
    assert not list(Path("out/small").iterdir())


def test_output_that_finds_no_room_is_told(terminal: Terminal) -> None:
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "REPERTORY_HOME": str(terminal.home)}
        command = [sys.executable, "-m", "repertory", "models", "list"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "repertory: the disk is full; free some space and try again\n"
