"""`repertory run` on the local engine, with an agent that needs no model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repertory.commands import Terminal
from tests.repertory.small import write_scenario


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_a_run_shows_its_plan_and_writes_its_results(terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", "--input", "city=西安市")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("# a night in 西安市\n- price: ")
    assert files(Path("out")) == {"small/plan.md", "small/result.json"}
    result = json.loads(Path("out/small/result.json").read_text(encoding="utf-8"))
    assert result["item"]["cost_cny"] == 300
    assert "planner: calls price" in ended.err
    assert terminal.type("runs", "list").out.splitlines()[1].split()[1:3] == ["small", "done"]


def test_with_json_stdout_holds_json_alone(terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", "--json", "--out", "there")
    assert json.loads(ended.out)["plan"] == "a night in 北京"
    assert files(Path("there")) == {"plan.md", "result.json"}


def test_a_result_that_is_less_than_what_was_asked_for_ends_with_1(terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd(), "partly"), "--engine", "local")
    assert ended.code == 1
    assert Path("out/small/result.json").exists()


def test_a_failed_run_says_why_and_writes_no_results(terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd(), "fail"), "--engine", "local")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("repertory: the booking office is closed\n")
    assert "Traceback" not in ended.err
    assert files(Path("out")) == set()
    failed = terminal.type("run", write_scenario(Path.cwd(), "fail"), "--engine", "local", "--json")
    assert json.loads(failed.out)["error"] == "the booking office is closed"


def test_a_missing_input_that_nobody_can_be_asked_for_is_named(terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd(), "ask"), "--engine", "local")
    assert ended.code == 1
    assert "--input city=VALUE" in ended.err


def test_a_run_stops_at_its_limit_of_time(terminal: Terminal) -> None:
    file = write_scenario(Path.cwd(), "wait", "limits: {wall_s: 0.2}\n")
    ended = terminal.type("run", file, "--engine", "local")
    assert ended.code == 1
    assert "took 0.2 s, which is limits.wall_s" in ended.err


@pytest.mark.slow
def test_ctrl_c_stops_a_run_cleanly(terminal: Terminal) -> None:
    command = [sys.executable, "-m", "repertory", "run", str(write_scenario(Path.cwd(), "wait")), "--engine", "local"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as run:
        assert run.stderr is not None
        assert "planner: calls price" in run.stderr.readline()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (130, "")
    assert err == "repertory: stopped; what was done until here is in the journal (`repertory runs list`)\n"
    assert files(Path("out")) == set()
    assert json.loads(terminal.type("runs", "list", "--json").out)[0]["status"] == "interrupted"


def environment() -> dict[str, str]:
    """This process's environment, in which another finds our packages from any directory."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("data: nowhere\n", "small.yaml:10: data: found no directory 'nowhere'"),
        ("start: plannr\n", "start: found the text 'plannr', expected the name of an agent (planner, person)"),
        ("tols: []\n", "tols: found an unknown field"),
        ("faults: [{tool: price, when: {town: x}, error: sold_out}]\n", "small.yaml:10: faults[0]: "),
    ],
)
def test_a_wrong_scenario_performs_nothing(more: str, words: str, terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd(), more=more), "--engine", "local")
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert not Path("out").exists()
    assert not terminal.home.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("tools[0]=tests.repertory.small:prise", "--set tools[0]: tools[0]: tool 'tests.repertory.small:prise'"),
        ("tools[0]=no_such_module:price", "no module 'no_such_module'"),
        ("tools[0]=prices", "--set tools[0]: tools[0]: tool: found 'prices', expected"),
        ("domain=tests.repertory.small:Smal", "--set domain: domain: found 'tests.repertory.small:Smal'"),
        ("agents.planner.kind=tests.repertory.small:Sole", "did you mean tests.repertory.small:Solo?"),
        ("model.name=recorded:none.jsonl", "--set model.name: model.name: found no file 'none.jsonl'"),
    ],
)
def test_what_is_named_and_not_there_is_told_with_its_place(change: str, words: str, terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", "--set", change)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert not terminal.home.exists()


def test_a_bad_data_file_is_told_with_line_and_column(terminal: Terminal) -> None:
    data = Path("data")
    data.mkdir()
    ended = terminal.type("run", write_scenario(Path.cwd(), more="data: data\n"), "--engine", "local")
    assert ended.code == 2
    assert "small.yaml:10: data: " in ended.err
    assert "attractions.csv" in ended.err


def test_a_place_that_cannot_hold_results_is_told_before_the_run(terminal: Terminal) -> None:
    Path("out").write_text("")
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local")
    assert ended.code == 2
    assert "found a file on the way" in ended.err
    assert not terminal.home.exists()


def test_an_endpoint_that_cannot_be_reached_is_told_with_its_address(terminal: Terminal) -> None:
    options = ["--model", "m", "--endpoint", "http://127.0.0.1:9/v1"]
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", *options)
    assert ended.code == 2
    assert "endpoint http://127.0.0.1:9/v1: cannot be reached" in ended.err
    assert not terminal.home.exists()
