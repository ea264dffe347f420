"""A run waits for a person and goes on from another command, in another process as far as it knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.repertory.commands import Terminal
from tests.repertory.small import write_scenario

pytestmark = pytest.mark.slow

APPROVED = '- {{import: "tests.repertory.small:price", effect: read, approval: {approval}}}'


def scenario(approval: str = "always", *, request: str = "go", more: str = "") -> Path:
    """The small scenario with a rule on its tool."""
    file = write_scenario(Path.cwd(), request, more)
    text = file.read_text().replace(
        'tools: [{import: "tests.repertory.small:price", effect: read}]',
        f"tools:\n{APPROVED.format(approval=approval)}",
    )
    file.write_text(text)
    return file


def result() -> dict[str, object]:
    found: dict[str, object] = json.loads(Path("out/small/result.json").read_text())
    return found


def test_a_run_that_needs_approval_waits_and_says_what_to_type(terminal: Terminal) -> None:
    ended = terminal.type("run", scenario(), "--engine", "local")
    assert ended.code == 4
    assert 'May this happen: price(city="北京")?' in ended.err
    assert "repertory approve" in ended.err
    assert result()["status"] == "waiting"
    shown = terminal.type("runs", "show")
    assert "waiting" in shown.out and "repertory approve" in shown.out and "repertory deny" in shown.out
    approved = terminal.type("approve", "last", "--engine", "local")
    assert approved.code == 0, approved.err
    assert result()["status"] == "done"
    assert terminal.type("replay").code == 0


def test_what_is_denied_reaches_the_agent_as_a_tool_error(terminal: Terminal) -> None:
    terminal.type("run", scenario(), "--engine", "local")
    ended = terminal.type("deny", "--note", "too dear", "--engine", "local")
    assert ended.code == 1
    assert "too dear" in terminal.type("runs", "show").out


def test_a_rule_asks_only_where_it_holds(terminal: Terminal) -> None:
    free = "{when: {city: {one_of: [北京]}}}"
    assert terminal.type("run", scenario(free), "--engine", "local", "--input", "city=上海").code == 0
    assert terminal.type("run", scenario(free), "--engine", "local", "--input", "city=北京").code == 4


def test_a_decision_may_be_recorded_alone_and_only_once(terminal: Terminal) -> None:
    terminal.type("run", scenario(), "--engine", "local")
    assert terminal.type("approve", "--no-resume").code == 0
    again = terminal.type("deny", "--no-resume")
    assert again.code == 2
    assert "waits for nobody" in again.err
    assert terminal.type("resume", "--engine", "local").code == 0


def test_a_question_waits_where_the_scenario_says_so(terminal: Terminal) -> None:
    file = scenario(request="ask", more="questions: wait\n")
    waiting = terminal.type("run", file, "--engine", "local", "--json")
    assert waiting.code == 4
    [asked] = json.loads(waiting.out)["asked"]
    assert asked["question"] == "Which city?"
    ended = terminal.type("answer", "last", asked["step"][:6], "西安", "--engine", "local")
    assert ended.code == 0, ended.err
    assert result()["plan"] == "西安"


def test_a_run_is_stopped_before_it_exceeds_a_limit_and_goes_on_with_a_higher_one(terminal: Terminal) -> None:
    file = write_scenario(Path.cwd(), "twice", "limits: {tool_calls: 1}\n")
    stopped = terminal.type("run", file, "--engine", "local")
    assert stopped.code == 1
    assert "limits.tool_calls is 1: 1 used" in stopped.err
    assert "interrupted" in terminal.type("runs", "list").out
    still = terminal.type("resume", "--engine", "local")
    assert still.code == 1
    ended = terminal.type("resume", "--engine", "local", "--set", "limits.tool_calls=2")
    assert ended.code == 0, ended.err
    assert terminal.type("replay").code == 0


def test_only_limits_can_be_set_on_the_way(terminal: Terminal) -> None:
    for text, words in (("model.name=x", "expected one of limits."), ("limits.tokens=many", "a number above 0")):
        ended = terminal.type("resume", "--set", text)
        assert ended.code == 2
        assert words in ended.err


def test_a_run_that_is_given_up_has_ended(terminal: Terminal) -> None:
    terminal.type("run", scenario(), "--engine", "local")
    ended = terminal.type("abort", "--note", "not now", "--engine", "local")
    assert ended.code == 1
    assert "gave the run up: not now" in ended.err
    assert result()["status"] == "aborted"
    assert "aborted" in terminal.type("runs", "list").out
    assert "repertory approve" not in terminal.type("runs", "show").out
    assert terminal.type("approve").code == 2
