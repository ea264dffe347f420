"""`repertory replay` as people type it: identical, diverged, stopped, debugged, many at once, and without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from autogen_core import CancellationToken, MessageContext, RoutedAgent, message_handler
from autogen_core.tools import Tool

from agents import prompts
from agents.messages import Answer, Request
from runtime.journal import MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from tests.repertory import small
from tests.repertory.commands import Ended, Terminal
from tests.repertory.pseudo_terminal import pseudo_terminal
from tests.repertory.small import write_scenario
from tests.scenarios.test_travel_replay import perform as perform_trip


class Eager(RoutedAgent):
    """Solo, whose code has changed since: it asks for another city."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        super().__init__("asks at once")
        self._tools = tools

    @message_handler
    async def on_request(self, message: Request, ctx: MessageContext) -> Answer:
        """The price of a night in Xi'an."""
        await self._tools[0].run_json({"city": "西安市"}, CancellationToken())
        return Answer(result={})


def run(terminal: Terminal, request: str = "go", code: int = 0, more: str = "") -> None:
    file = write_scenario(Path.cwd(), request, more)
    assert terminal.type("run", file, "--engine", "local", "--json").code == code


def test_an_unchanged_run_is_identical(terminal: Terminal) -> None:
    run(terminal)
    told = terminal.type("replay")
    assert told.code == 0
    assert told.out.startswith("identical: ")
    assert "0 model calls and 1 tool calls answered from the journal (no model and no tool was called)" in told.out
    assert terminal.type("replay", "--strict").code == 0


@pytest.mark.parametrize(
    ("request_", "code", "more", "end"),
    [
        ("fail", 1, "", "the run failed (the booking office is closed)"),
        ("ask", 1, "", "the run failed"),
        ("wait", 1, "limits: {wall_s: 0.2}\n", "the run was interrupted"),
    ],
)
def test_runs_that_failed_or_were_stopped_replay_as_far_as_they_came(
    terminal: Terminal, request_: str, code: int, more: str, end: str
) -> None:
    run(terminal, request_, code, more)
    told = terminal.type("replay")
    assert told.code == 0, told.out
    assert f"the record ends there: {end}" in told.out


def test_a_changed_agent_diverges_with_cause_and_place(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    run(terminal)
    monkeypatch.setattr(small, "Solo", Eager)
    told = terminal.type("replay")
    assert told.code == 3
    assert "cause: tool arguments" in told.out
    assert "where: planner/default, delivery d" in told.out
    assert "  - 北京\n  + 西安市" in told.out
    assert "test_replay.py" in told.out
    as_json = json.loads(terminal.type("replay", "--json").out)
    assert (as_json["identical"], as_json["cause"], as_json["agent"]) == (False, "tool arguments", "planner/default")


def test_an_edited_prompt_file_stops_the_replay_at_its_model_call_and_a_rerun_pays_for_that_call_alone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path.cwd() / "prompts"
    shutil.copytree(prompts.SHIPPED, folder)
    monkeypatch.setattr(prompts, "SHIPPED", folder)
    file = write_scenario(Path.cwd())
    file.write_text(file.read_text().replace("tests.repertory.small:Solo", "tests.repertory.small:Judge"))
    Path("answers.json").write_text('{"answer": "fine"}\n{"answer": "bad"}\n')
    assert terminal.type("run", file, "--engine", "local", "--json").code == 0
    lines = terminal.type("runs", "events", "--json").out.splitlines()
    asked = [event for event in map(json.loads, lines) if event["event"] == "step_started"][1]

    edited = folder / "judge.md"
    edited.write_text("Judge kindly.\n" + edited.read_text())
    told = json.loads(terminal.type("replay", "--json").out)
    assert (told["cause"], told["seq"], told["step"]) == ("prompt", asked["seq"], asked["step"])
    assert [hop["agent"] for hop in told["path"]] == ["planner/default"]
    assert "+ Judge kindly." in told["difference"]

    Path("answers.json").write_text('{"answer": "kind"}\n')
    again = terminal.type("rerun", "last", "--engine", "local", "--json")
    assert json.loads(again.out)["said"] == ["fine", "kind"]
    assert "reused: 1 model calls" in again.err and "spent: 1 model calls" in again.err
    assert terminal.type("replay").out.startswith("identical: ")


def test_to_an_event_prints_the_states(terminal: Terminal) -> None:
    run(terminal)
    told = terminal.type("replay", "--to", "4")
    assert told.out.startswith("identical up to event 4: ")
    assert "planner/default  Solo" in told.out
    assert "at work on d" in told.out and "small.py" in told.out
    states = json.loads(terminal.type("replay", "--to", "4", "--json").out)["agents"]
    assert [state["agent"] for state in states] == ["planner/default"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("replay", "nothing"), "found no such run"),
        (("replay", "--to", "99"), "--to 99: found no such event, expected one from 1 to"),
        (("replay", "--break", "nobody"), "no such agent and no such step, expected an agent (planner)"),
        (("replay", "--junit", "x.xml"), "expected both: --all DIR --junit FILE"),
        (("replay", "--all", "nowhere"), "found no directory"),
        (("replay", "--all", "."), "found no run in it"),
        (("replay", "--all", ".", "--to", "3"), "found --all with --to, --break or --trace"),
    ],
)
def test_bad_input_says_what_to_do_and_changes_nothing(
    terminal: Terminal, typed: tuple[str, ...], message: str
) -> None:
    run(terminal)
    told = terminal.type(*typed)
    assert (told.code, told.out) == (2, "")
    assert message in told.err
    assert not Path("x.xml").exists()


def test_a_replay_as_a_trace_is_marked_and_holds_no_call(terminal: Terminal) -> None:
    run(terminal)
    assert terminal.type("replay", "--trace", "replay.jsonl").code == 0
    assert terminal.type("runs", "trace", "--file", "run.jsonl").code == 0
    spans = {file: spans_in(Path(file)) for file in ("replay.jsonl", "run.jsonl")}
    assert len(spans["replay.jsonl"]) == len(spans["run.jsonl"])
    assert all("repertory.replay" in attributes for attributes in spans["replay.jsonl"])
    operations = {file: [each for each in found if "gen_ai.operation.name" in each] for file, found in spans.items()}
    assert operations["replay.jsonl"] == []
    assert operations["run.jsonl"]
    again = terminal.type("replay", "--trace", "replay.jsonl")
    assert (again.code, "found something there" in again.err) == (2, True)


def spans_in(file: Path) -> list[set[str]]:
    """The names of the attributes of each span of a file."""
    requests = map(json.loads, file.read_text().splitlines())
    scopes = [scope for each in requests for resource in each["resourceSpans"] for scope in resource["scopeSpans"]]
    return [{attribute["key"] for attribute in span["attributes"]} for scope in scopes for span in scope["spans"]]


def test_code_without_the_agent_says_which_it_is(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    run(terminal)
    monkeypatch.delattr(small, "Solo")
    told = terminal.type("replay")
    assert told.code == 2
    assert "its team cannot be built here" in told.err and "Solo" in told.err


def python(terminal: Terminal, code: str, typed: str = "") -> Ended:
    """Runs a program of its own in the terminal's home."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=typed,
        capture_output=True,
        text=True,
        env=environment(terminal),
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_break_opens_pdb_in_the_handler(terminal: Terminal) -> None:
    run(terminal)
    code = "from repertory.cli import main; main(['replay', '--break', 'planner'])"
    told = python(terminal, code, "n\nn\np 'the city is', message.inputs.get('city', '北京')\nw\nc\n")
    assert told.code == 0, told.err
    assert "small.py" in told.out
    assert "('the city is', '北京')" in told.out
    assert "identical: " in told.out


def environment(terminal: Terminal) -> dict[str, str]:
    """That of a program of its own in the terminal's home."""
    found = {**os.environ, "REPERTORY_HOME": str(terminal.home), "PYTHONPATH": os.pathsep.join(sys.path)}
    found.pop("PYTHONBREAKPOINT", None)
    return found


@pytest.mark.slow
def test_a_person_at_a_terminal_steps_through_a_handler_with_the_recorded_world_around_it(terminal: Terminal) -> None:
    run(terminal)
    with pseudo_terminal(["replay", "--break", "planner"], environment(terminal)) as session:
        assert "small.py" in session.wait_for("(replay) ")
        steps = 0
        while 'if message.text == "twice"' not in session.shown and steps < 20:
            session.type("n")
            session.wait_for("(replay) ")
            steps += 1
        session.type("p 'a night costs', found")
        assert "('a night costs', {'" in session.wait_for("(replay) ")
        session.type("c")
        session.wait_for("identical: ")
        assert session.process.wait(60) == 0


@pytest.mark.slow
def test_a_person_at_a_terminal_looks_up_from_a_step_and_quits(terminal: Terminal) -> None:
    run(terminal)
    lines = terminal.type("runs", "events", "--json").out.splitlines()
    step = next(event["step"] for event in map(json.loads, lines) if event["event"] == "step_started")
    with pseudo_terminal(["replay", "--break", step[:10]], environment(terminal)) as session:
        session.wait_for("(replay) ")
        session.type("w")
        assert "small.py" in session.wait_for("(replay) ")
        session.type("q")
        session.wait_for("stopped at the debugger; the journal is as it was")
        assert session.process.wait(60) == 0


WITHOUT_A_NETWORK = """
import socket, sys
real = socket.socket
class Forbidden(real):
    def __init__(self, family=-1, *args, **more):
        if family not in (socket.AF_UNIX,):  # the event loop wakes itself through a pair of these
            raise AssertionError("a socket was opened")
        super().__init__(family, *args, **more)
    def connect(self, *args):
        raise AssertionError("a connection was made")
    connect_ex = connect
socket.socket = Forbidden
socket.create_connection = socket.getaddrinfo = Forbidden.connect
from repertory.cli import main
try:
    main(["replay", "last"])
finally:
    loaded = {"ray", "lancedb", "vllm", "torch", "openai", "transformers"} & set(sys.modules)
    print("loaded:", sorted(loaded))
"""


@pytest.mark.slow
def test_a_replay_needs_no_socket_and_none_of_the_heavy_libraries(terminal: Terminal) -> None:
    run(terminal)
    told = python(terminal, WITHOUT_A_NETWORK)
    assert told.code == 0, told.err
    assert told.out.startswith("identical: ")
    assert told.out.endswith("loaded: []\n")


@pytest.mark.slow
async def test_the_trip_replays_without_a_socket(terminal: Terminal) -> None:
    memory = MemoryJournal()
    await perform_trip(memory)
    journal = SqliteJournal(terminal.home / "journal.db")
    terminal.home.mkdir()
    blobs = memory._blobs  # pyright: ignore[reportPrivateUsage]
    await journal.append("run1", await journal.claim("run1"), await memory.events("run1"), blobs)
    await journal.close()
    told = python(terminal, WITHOUT_A_NETWORK)
    assert told.code == 0, told.err
    assert told.out.startswith("identical: ")


@pytest.mark.slow
def test_all_runs_of_a_directory_are_replayed_and_reported(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Path("kept")
    kept.mkdir()
    for name in ("one", "two"):
        run(terminal)
        assert terminal.type("runs", "export", "last", kept / f"{name}.run").code == 0
    (kept / "notes.txt").write_text("no run")
    told = terminal.type("replay", "--all", kept, "--junit", "report/replays.xml")
    assert told.code == 0
    assert "2 of 2 runs identical" in told.out
    report = ElementTree.parse("report/replays.xml").getroot()
    assert (report.get("tests"), report.get("failures"), report.get("errors")) == ("2", "0", "0")
    (kept / "three.run").write_bytes((kept / "two.run").read_bytes()[:-20])
    monkeypatch.setattr(small, "Solo", Eager)
    told = terminal.type("replay", "--all", kept, "--junit", "report/replays.xml")
    assert told.code == 3
    report = ElementTree.parse("report/replays.xml").getroot()
    assert (report.get("failures"), report.get("errors")) == ("2", "1")
    failure = report.find("testcase/failure")
    assert failure is not None and failure.text is not None
    assert "cause: tool arguments" in failure.text
    found: list[dict[str, Any]] = json.loads(terminal.type("replay", "--all", kept, "--json").out)
    assert [each["identical"] for each in found] == [False, False, False]


def test_two_runs_are_compared(terminal: Terminal) -> None:
    file = write_scenario(Path.cwd())
    for city in ("北京", "西安市"):
        assert terminal.type("run", file, "--engine", "local", "--json", "--input", f"city={city}").code == 0
    runs = json.loads(terminal.type("runs", "list", "--json").out)
    told = terminal.type("diff", runs[1]["run"], "last")
    assert told.code == 0
    assert "cause: input" in told.out
    assert "+ 西安市" in told.out
    found = json.loads(terminal.type("diff", runs[1]["run"], "last", "--json").out)
    assert (found["same"], found["first"]["cause"]) == (False, "input")
    assert terminal.type("diff", "last", "last").out.splitlines()[3].startswith("the same: ")
    assert terminal.type("diff", "last", "nothing").code == 2
