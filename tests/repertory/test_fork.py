"""`repertory fork` and `repertory rerun`, as people type them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.journals import sql_rows
from runtime.journals.sql_journal import SqliteJournal
from tests.repertory import small
from tests.repertory.commands import Ended, Terminal
from tests.repertory.small import write_scenario
from tests.repertory.story import BLOBS, told

pytestmark = pytest.mark.slow


@pytest.fixture
def ran(terminal: Terminal) -> Terminal:
    """A terminal at which the small scenario was performed."""
    assert terminal.type("run", write_scenario(terminal.home.parent), "--engine", "local", "--json").code == 0
    return terminal


def events(terminal: Terminal, run: str = "last") -> list[dict[str, Any]]:
    return [json.loads(line) for line in terminal.type("runs", "events", run, "--json").out.splitlines()]


def seq_of(terminal: Terminal, kind: str) -> int:
    return next(int(event["seq"]) for event in events(terminal) if event["event"] == kind)


def local(terminal: Terminal, *arguments: str) -> Ended:
    return terminal.type(*arguments, "--engine", "local", "--json")


def test_a_rerun_without_a_change_pays_for_nothing(ran: Terminal) -> None:
    before = events(ran)
    ended = local(ran, "rerun", "last")
    assert (ended.code, json.loads(ended.out)["item"]["cost_cny"]) == (0, 200)
    assert "reused: 0 model calls (0 tokens in, 0 out), 1 tool calls" in ended.err
    assert "spent: 0 model calls (0 tokens in, 0 out), 0 tool calls" in ended.err
    after = events(ran)
    assert [event["event"] for event in after if event["event"] != "run_forked"] == [event["event"] for event in before]
    assert ran.type("replay", "last").out.startswith("identical")


def test_a_fork_is_shown_with_what_it_reused(ran: Terminal) -> None:
    parent = json.loads(ran.type("runs", "list", "--json").out)[0]["run"]
    local(ran, "rerun", "last")
    shown = ran.type("runs", "show", "last").out
    assert f"forked from run {parent}, with which it shares 1 events" in shown
    assert "0 model calls (0 tokens in, 0 out), 0 tool calls, 8 events" in shown
    line = next(line for line in shown.splitlines() if "tool price" in line)
    assert "→ tool price  reused  0.00 s" in line
    assert "北京" in line
    told = json.loads(ran.type("runs", "show", "last", "--json").out)
    assert (told["fork"]["parent"], told["fork"]["reused"]["tool_calls"]) == (parent, 1)
    assert told["usage"]["tool_calls"] == 0
    assert told["deliveries"][0]["parts"][0]["origin"] == "reused"


def test_an_input_that_is_set_is_told_from_the_start(ran: Terminal) -> None:
    ended = local(ran, "fork", "last", "--at", "5", "--set", "inputs.city=呼和浩特")
    assert json.loads(ended.out)["plan"] == "a night in 呼和浩特"
    assert "inputs and request are told with the first message; the fork begins there" in ended.err
    assert "spent: 0 model calls (0 tokens in, 0 out), 1 tool calls" in ended.err
    assert ran.type("replay", "last").out.startswith("identical")


def test_a_result_that_is_set_is_what_the_agent_sees(ran: Terminal) -> None:
    seq = seq_of(ran, "step_started")
    ended = local(ran, "fork", "last", "--at", str(seq), "--set", "result.value=5")
    assert json.loads(ended.out)["item"]["cost_cny"] == 5
    assert f"what event {seq} is about stands in event {seq + 1}; the fork begins there" in ended.err
    assert "spent: 0 model calls (0 tokens in, 0 out), 0 tool calls" in ended.err
    assert Path("out/small").is_dir()


def test_a_message_that_is_set_is_what_the_agent_gets(ran: Terminal) -> None:
    seq = seq_of(ran, "delivery_started")
    ended = local(ran, "fork", "last", "--at", str(seq), "--set", "message.inputs={city: 西安}")
    assert json.loads(ended.out)["plan"] == "a night in 西安"


def test_a_fork_inside_of_a_delivery_begins_with_the_delivery_and_says_so(ran: Terminal) -> None:
    ended = local(ran, "fork", "last", "--at", "5")
    assert ended.code == 0
    assert "event 5 is inside of a delivery to planner/default, which began with event 3" in ended.err
    assert "shares 2 events" in ended.err


def test_another_model_is_asked_anew_whatever_the_parent_knows(terminal: Terminal) -> None:
    home = terminal.home.parent
    file = write_scenario(home)
    file.write_text(file.read_text().replace("tests.repertory.small:Solo", "tests.repertory.small:Judge"))
    (home / "answers.json").write_text('{"answer": "fine"}\n{"answer": "bad"}\n')
    assert local(terminal, "run", str(file)).code == 0
    Path("other.json").write_text('{"answer": "yes"}\n{"answer": "no"}\n')
    ended = local(terminal, "rerun", "last", "--set", "model.name=scripted:other.json")
    assert json.loads(ended.out)["said"] == ["yes", "no"]
    assert "spent: 2 model calls" in ended.err
    assert terminal.type("replay", "last").out.startswith("identical")
    seq = next(e["seq"] for e in events(terminal) if e["event"] == "step_completed")
    ended = local(terminal, "fork", "last", "--at", str(seq), "--set", "result.content=perhaps")
    assert json.loads(ended.out)["said"] == ["perhaps", "no"]
    assert "spent: 0 model calls" in ended.err


def test_a_tool_that_may_do_harm_is_not_fired_for_a_new_request(terminal: Terminal) -> None:
    file = str(write_scenario(terminal.home.parent))
    assert local(terminal, "run", file, "--set", "tools[0].effect=irreversible").code == 0
    ended = local(terminal, "rerun", "last", "--set", "inputs.city=西安")
    assert ended.code == 1
    assert "fork again with --allow price" in ended.err
    assert local(terminal, "rerun", "last", "--set", "inputs.city=西安", "--allow", "price").code == 0


def test_what_cannot_be_is_refused_and_changes_nothing(ran: Terminal) -> None:
    prompt = ran.home.parent / "prompt.md"
    prompt.write_text("no divider")
    for arguments, words in {
        ("fork", "zz", "--at", "3"): "found no such run",
        ("fork", "last", "--at", "99"): "found event 99, expected one from 1 to 7",
        ("fork", "last", "--at", "2", "--set", "model.temprature=1"): "did you mean temperature?",
        ("fork", "last", "--at", "2", "--set", "message.txt=x"): "did you mean message.text?",
        ("fork", "last", "--at", "5", "--set", "result.valeu=x"): "did you mean result.value?",
        ("fork", "last", "--at", "1", "--set", "result=x"): "expected a step with a result; the nearest are events 5",
        ("rerun", "last", "--set", "result=x"): "expected --at and the event",
        ("rerun", "last", "--set", "prompts.jugde=x"): "did you mean prompts.judge?",
        ("rerun", "last", "--set", f"prompts.judge=@{prompt}"): "expected a system part",
        ("rerun", "last", "--set", "prompts.judge=@nowhere.md"): "cannot be read",
        ("rerun", "last", "--set", "model"): "expected path=value",
        ("rerun", "last", "--live", "prize"): "expected one of price, scripted:answers.json, or a kind",
        ("rerun", "last", "--allow", "prize"): "did you mean price?",
        ("rerun", "last", "--set", "start=person"): "who is asked and how it is called stay",
    }.items():
        ended = local(ran, *arguments)
        assert (ended.code, ended.out) == (2, ""), arguments
        assert words in ended.err, (arguments, ended.err)
    assert len(json.loads(ran.type("runs", "list", "--json").out)) == 1


def test_a_prompt_that_is_set_is_asked_and_the_rest_is_reused(terminal: Terminal) -> None:
    home = terminal.home.parent
    file = write_scenario(home)
    text = file.read_text().replace("tests.repertory.small:Solo", "tests.repertory.small:Judge")
    file.write_text(text.replace("answers.json", "any.json"))
    (home / "any.json").write_text('{"answer": "fine"}\n{"answer": "bad"}\n')
    assert json.loads(local(terminal, "run", str(file)).out)["said"] == ["fine", "bad"]
    prompt = home / "judge.md"
    prompt.write_text("You judge with care.\n---\nTell.")
    (home / "any.json").write_text('{"answer": "so so"}\n')
    ended = local(terminal, "rerun", "last", "--set", f"prompts.judge=@{prompt}")
    assert json.loads(ended.out)["said"] == ["fine", "so so"]
    assert "reused: 1 model calls" in ended.err
    assert "spent: 1 model calls" in ended.err
    prompt.unlink()
    assert terminal.type("replay", "last").out.startswith("identical")
    assert terminal.type("runs", "export", "last", home / "fork.run").code == 0
    assert terminal.type("runs", "verify", "last").code == 0


def test_code_that_no_longer_has_the_agent_is_named_and_no_run_is_made(
    ran: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(small, "Solo")
    for arguments in (("rerun", "last"), ("fork", "last", "--at", "3", "--set", "limits.rounds=1")):
        ended = local(ran, *arguments)
        assert (ended.code, ended.out) == (2, ""), arguments
        assert "Solo" in ended.err
    assert len(json.loads(ran.type("runs", "list", "--json").out)) == 1


def test_a_run_of_a_newer_format_is_refused_by_every_command_and_stays_as_it_is(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write() -> None:
        journal = SqliteJournal(terminal.home / "journal.db")
        await journal.append("newer", await journal.claim("newer"), told(), BLOBS)
        await journal.close()

    terminal.home.mkdir()
    with monkeypatch.context() as newer_program:
        newer_program.setattr(sql_rows, "FORMAT_VERSION", 99)
        asyncio.run(write())
    before = (terminal.home / "journal.db").read_bytes()
    for arguments in (
        ("replay",),
        ("rerun", "last", "--engine", "local"),
        ("diff", "last", "last"),
        ("runs", "show"),
        ("runs", "events"),
        ("runs", "export", "last", "out.run"),
    ):
        ended = terminal.type(*arguments)
        assert (ended.code, ended.out) == (1, ""), (arguments, ended)
        assert "use the newer version of Repertory that wrote it" in ended.err, arguments
    assert not Path("out.run").exists()
    assert (terminal.home / "journal.db").read_bytes() == before
