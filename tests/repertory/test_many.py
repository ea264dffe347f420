"""`repertory run` with --repeat and --inputs: many runs at once, a line of JSON for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.repertory.commands import Terminal
from tests.repertory.small import write_scenario


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_scenario_is_repeated_with_a_line_for_each_run(terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", "--repeat", "5", "--together", "2")
    assert ended.code == 0, ended.err
    told = lines(ended.out)
    assert [(line["status"], line["result"]["plan"]) for line in told] == [("done", "a night in 北京")] * 5
    assert len({line["run"] for line in told}) == 5
    assert "5 of 5 runs: 5 done" in ended.err
    assert len(terminal.type("runs", "list").out.splitlines()) == 6


def test_each_line_of_inputs_is_a_run_of_its_own(terminal: Terminal) -> None:
    inputs = Path("cities.jsonl")
    inputs.write_text('{"city": "西安市"}\n\n{"city": "上海"}\n', encoding="utf-8")
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", "--inputs", inputs)
    assert ended.code == 0, ended.err
    told = {line["line"]: line["result"] for line in lines(ended.out)}
    assert {number: result["item"]["cost_cny"] for number, result in told.items()} == {1: 300, 3: 200}


def test_one_run_that_fails_does_not_stop_the_others_and_ends_with_1(terminal: Terminal) -> None:
    file = write_scenario(Path.cwd(), "fail")
    ended = terminal.type("run", file, "--engine", "local", "--repeat", "3")
    assert ended.code == 1
    assert [(line["status"], line["error"]) for line in lines(ended.out)] == [
        ("failed", "the booking office is closed")
    ] * 3


def test_runs_that_wait_for_a_person_end_with_4(terminal: Terminal) -> None:
    file = write_scenario(Path.cwd(), "ask", "questions: wait\n")
    ended = terminal.type("run", file, "--engine", "local", "--repeat", "2")
    assert ended.code == 4, ended.err
    assert [line["status"] for line in lines(ended.out)] == ["waiting"] * 2


def test_a_line_that_is_no_object_is_named_before_anything_is_performed(terminal: Terminal) -> None:
    inputs = Path("cities.jsonl")
    inputs.write_text('{"city": "西安市"}\n["上海"]\n', encoding="utf-8")
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", "--inputs", inputs)
    assert (ended.code, ended.out) == (2, "")
    assert 'cities.jsonl:2: found ["上海"], expected an object' in ended.err


def test_results_of_many_runs_go_to_stdout_only(terminal: Terminal) -> None:
    ended = terminal.type("run", write_scenario(Path.cwd()), "--engine", "local", "--repeat", "2", "--out", "there")
    assert ended.code == 2
    assert "--out and --record are for a single run" in ended.err
