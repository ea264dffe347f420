"""`repertory serve` where nothing is served."""

from __future__ import annotations

import json

from tests.repertory.commands import Terminal


def test_nothing_is_served_and_nothing_is_made_by_asking(terminal: Terminal) -> None:
    assert json.loads(terminal.type("serve", "status", "--json").out) == []
    assert terminal.type("serve", "status").out.startswith("nothing is served")
    assert terminal.type("serve", "down").out == "nothing was up\n"
    assert not terminal.home.exists()


def test_an_unknown_model_is_told_with_the_nearest(terminal: Terminal) -> None:
    for command in (["serve", "up", "--model", "qwen2.5-coder-0.5"], ["models", "pull", "qwen2.5-coder-0.5"]):
        ended = terminal.type(*command)
        assert (ended.code, ended.out) == (2, "")
        assert "Did you mean 'qwen2.5-coder-0.5b'?" in ended.err


def test_a_model_that_needs_more_places_than_there_are_is_refused(terminal: Terminal) -> None:
    ended = terminal.type("serve", "up", "--tensor-parallel-size", "0")
    assert (ended.code, ended.out) == (2, "")
    assert "greater than or equal to 1" in ended.err
