"""A model's server that goes away in the middle of a run, through the command line: the run waits and goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from serving import client
from tests.repertory.commands import Ended, Terminal
from tests.repertory.small import write_scenario
from tests.serving.completions import Reply, completions, refusal, said

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("live_calls")]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many retries as usual, close together."""
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)


def begun(terminal: Terminal, *replies: Reply) -> tuple[Ended, int]:
    """A run whose agent asks its model twice, ended or left, and the port of its model's server, which is gone."""
    file = write_scenario(Path.cwd())
    text = file.read_text().replace("tests.repertory.small:Solo", "tests.repertory.small:Judge")
    with completions(*replies) as server:
        file.write_text(text.replace('{name: "scripted:answers.json"}', f'{{name: m, endpoint: "{server.url}"}}'))
        return terminal.type("run", file, "--engine", "local"), server.port


def answers() -> object:
    return json.loads(Path("out/small/result.json").read_text())["said"]


def test_a_run_whose_endpoint_dies_waits_and_goes_on_when_it_is_back(terminal: Terminal) -> None:
    ended, port = begun(terminal, replace(said("one"), is_last=True))
    assert ended.code == 4, ended.err
    for word in ("cannot be reached", "asked 4 times in", "repertory resume", "--endpoint URL"):
        assert word in ended.err
    assert "interrupted" in terminal.type("runs", "show").out
    still = terminal.type("resume", "--engine", "local")
    assert still.code == 4 and "cannot be reached" in still.err
    with completions(said("two"), port=port) as server:
        resumed = terminal.type("resume", "--engine", "local")
        assert len(server.requests) == 1, "what was answered is not asked again"
    assert resumed.code == 0, resumed.err
    assert answers() == ["one", "two"]
    assert terminal.type("replay").code == 0


def test_a_resumed_run_may_ask_another_server_of_the_same_model(terminal: Terminal) -> None:
    ended, _ = begun(terminal, said("one"), refusal(503, "no replica is ready"))
    assert ended.code == 4 and "answers with 503" in ended.err
    with completions(said("two")) as server:
        assert terminal.type("resume", "--engine", "local", "--endpoint", server.url).code == 0
    assert answers() == ["one", "two"]
    assert terminal.type("replay").code == 0


def test_a_refusal_is_the_requests_fault_and_fails_the_run(terminal: Terminal) -> None:
    ended, _ = begun(terminal, said("one"), refusal(400, "maximum context length is 4096 tokens"))
    assert ended.code == 1
    assert "failed" in terminal.type("runs", "show").out


def test_an_endpoint_that_does_not_know_the_model_is_refused_before_anything_is_done(terminal: Terminal) -> None:
    begun(terminal, replace(said("one"), is_last=True))
    with completions(said("two")) as server:
        gone = server.url
    ended = terminal.type("resume", "--engine", "local", "--endpoint", gone)
    assert ended.code == 2 and "cannot be reached" in ended.err
    assert "interrupted" in terminal.type("runs", "show").out
