"""The switch forbids live calls while it is on, says so, and leaves the environment as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from autogen_core.models import UserMessage

from serving.client import make_client
from serving.live import (
    NO_LIVE_CALLS,
    LiveCallForbidden,
    are_live_calls_forbidden,
    forbid_live_calls,
    require_live_calls,
)
from serving.scripted import ScriptedModel
from tests.serving.completions import completions, said

PROMPT = [UserMessage(content="hello", source="test")]


def test_tests_may_not_call_live_models() -> None:
    assert are_live_calls_forbidden()


def test_the_switch_is_off_again_after_the_block(live_calls: None) -> None:
    with forbid_live_calls():
        with forbid_live_calls():
            assert are_live_calls_forbidden()
        assert are_live_calls_forbidden()
    assert NO_LIVE_CALLS not in os.environ
    require_live_calls("a model")


@pytest.mark.parametrize(("value", "is_forbidden"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_the_variable_is_the_switch(value: str, is_forbidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_LIVE_CALLS, value)
    assert are_live_calls_forbidden() == is_forbidden


def test_processes_started_meanwhile_inherit_the_switch(live_calls: None) -> None:
    asked = "from serving.live import are_live_calls_forbidden as f; print(f())"
    with forbid_live_calls():
        assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout == "True\n"


async def test_a_client_refuses_before_anything_is_sent(live_calls: None) -> None:
    with completions(said("hi")) as server:
        client = make_client(server.url, "m", None, context_length=100)
        with forbid_live_calls():
            with pytest.raises(LiveCallForbidden, match=rf"model m at {server.url}.*forbidden.*unset {NO_LIVE_CALLS}"):
                await client.create(PROMPT)
            with pytest.raises(LiveCallForbidden):
                await anext(client.create_stream(PROMPT))
        assert server.requests == []
        assert (await client.create(PROMPT)).content == "hi"


async def test_scripted_models_answer_all_the_same() -> None:
    assert (await ScriptedModel(["hi"]).create(PROMPT)).content == "hi"
