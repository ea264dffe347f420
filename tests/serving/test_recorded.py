"""The recorded model gives what was recorded for a request, or says how the request differs from what was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, LLMMessage, RequestUsage, SystemMessage, UserMessage
from autogen_core.tools import ToolSchema
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from runtime.codec import Json, parse
from runtime.errors import RunError, UsageError
from serving.recorded import RecordedModel, line_of_step, record_line, request_digest

ARGUMENTS: dict[str, Json] = {"temperature": 0.0, "seed": 1, "response_format": {"type": "json_object"}}
USAGE = {"input_tokens": 12, "output_tokens": 3}


def prompt(text: str) -> list[LLMMessage]:
    return [SystemMessage(content="You plan.\nBe brief."), UserMessage(content=text, source="u")]


def plain(messages: Sequence[LLMMessage]) -> list[Json]:
    return [message.model_dump(mode="json") for message in messages]


def line(text: str, answer: str) -> str:
    return record_line(plain(prompt(text)), ARGUMENTS, answer, USAGE)


def recording(folder: Path, *lines: str) -> RecordedModel:
    path = folder / "calls.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return RecordedModel(path)


async def said(model: RecordedModel, *questions: str) -> list[object]:
    return [(await model.create(prompt(text), extra_create_args=ARGUMENTS)).content for text in questions]


async def test_different_requests_are_answered_in_any_order(tmp_path: Path) -> None:
    model = recording(tmp_path, line("故宫\n几点开门", "八点半"), line("b", "B"))
    assert await said(model, "b", "故宫\n几点开门") == ["B", "八点半"]


async def test_equal_requests_get_their_answers_in_order_and_then_the_last_again(tmp_path: Path) -> None:
    model = recording(tmp_path, line("a", "first"), line("b", "B"), line("a", "second"))
    assert await said(model, "a", "b", "a", "a") == ["first", "B", "second", "second"]


async def test_usage_is_the_recorded_one(tmp_path: Path) -> None:
    model = recording(tmp_path, line("a", "A"))
    await said(model, "a", "a")
    assert model.total_usage() == RequestUsage(24, 6)


async def test_a_prompt_that_changed_is_told_with_the_first_line_that_differs(tmp_path: Path) -> None:
    model = recording(tmp_path, line("far\naway", "x"), line("day 1\nday 2\nday 3", "y"))
    with pytest.raises(RunError) as caught:
        await said(model, "day 1\nday two\nday 3")
    assert str(caught.value).startswith(f"{tmp_path}/calls.jsonl: no recorded answer to this request; ")
    assert (
        "the nearest of 2 recorded prompts stands in line 2; its line 6 (UserMessage u) has 'day 2' where now "
        "stands 'day two'; run the same task" in str(caught.value)
    )


async def test_a_long_line_is_shown_where_it_differs(tmp_path: Path) -> None:
    model = recording(tmp_path, line("x" * 1000 + "old", "y"))
    with pytest.raises(RunError) as caught:
        await said(model, "x" * 1000 + "new")
    assert f"has '{'x' * 40}old' where now stands '{'x' * 40}new'" in str(caught.value)


async def test_a_prompt_that_only_grew_is_told(tmp_path: Path) -> None:
    model = recording(tmp_path, line("x" * 1000, "y"))
    with pytest.raises(RunError, match=r"where now stands 'x{40}grown'"):
        await said(model, "x" * 1000 + "grown")


async def test_arguments_that_changed_are_told(tmp_path: Path) -> None:
    model = recording(tmp_path, line("a", "A"))
    with pytest.raises(RunError, match=r"\(arguments\) has ' \"seed\": 1,' where now stands ' \"seed\": 2,'"):
        await model.create(prompt("a"), extra_create_args={**ARGUMENTS, "seed": 2})


async def test_an_empty_recording_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the recording is empty"):
        await said(recording(tmp_path), "a")


class Answer(BaseModel):
    ok: bool


async def test_the_line_of_a_journaled_step_answers_the_same_call(tmp_path: Path) -> None:
    tool = ToolSchema(name="lookup", description="Looks up.")
    result = CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id="1", name="lookup", arguments="{}")],
        usage=RequestUsage(5, 6),
        cached=False,
        thought="hm",
    )
    request: dict[str, Json] = {
        "prompt": "0" * 32,
        "tools": [cast(Json, tool)],
        "tool_choice": "required",
        "json_output": cast(Json, Answer.model_json_schema()),
        "arguments": ARGUMENTS,
    }
    recorded = line_of_step(request, plain(prompt("a")), ["piece", result.model_dump(mode="json")])
    model = recording(tmp_path, recorded)
    asked: dict[str, Any] = {"tools": [tool], "tool_choice": "required", "json_output": Answer}
    assert await model.create(prompt("a"), extra_create_args=ARGUMENTS, **asked) == result
    with pytest.raises(RunError, match="arguments"):
        await model.create(prompt("a"), extra_create_args=ARGUMENTS, json_output=Answer)


def test_what_is_no_model_step_is_refused() -> None:
    with pytest.raises(UsageError, match="expected the step of a model call"):
        line_of_step({"tool": "lookup"}, [], None)


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_a_line_holds_its_request_whatever_it_says(text: str, temperature: float, seed: int) -> None:
    arguments: dict[str, Json] = {"temperature": temperature, "seed": seed}
    written = record_line(plain(prompt(text)), arguments, text, USAGE)
    assert "\n" not in written
    read = cast(dict[str, Any], parse(written.encode()))
    assert request_digest(read["prompt"], read["arguments"]) == read["request"]


def test_a_request_has_one_digest_in_every_process() -> None:
    asked = request_digest([{"content": "故宫", "source": "u"}], {"seed": 1, "temperature": 0.0})
    assert asked == request_digest([{"source": "u", "content": "故宫"}], {"temperature": 0.0, "seed": 1})
    assert request_digest([{"content": "故宫"}], {"seed": 1}) == "6cf904c88a133069bba787b0484c2209"


def test_a_line_that_was_changed_is_refused(tmp_path: Path) -> None:
    changed = line("a", "A").replace('"content":"a"', '"content":"b"')
    with pytest.raises(UsageError, match=r"calls\.jsonl, line 2: field 'request': found .* the line was changed"):
        recording(tmp_path, line("a", "A"), changed)


async def test_a_line_without_a_digest_is_accepted(tmp_path: Path) -> None:
    fields = json.loads(line("a", "A"))
    del fields["request"]
    assert await said(recording(tmp_path, json.dumps(fields)), "a") == ["A"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"prompt": []}', "the field 'answer' is missing"),
        ('{"prompt": [], "answer": 3}', "field 'answer"),
        ('{"prompt": [], "answer": "", "usage": {"input_tokens": -1}}', "field 'usage.input_tokens': found '-1'"),
        ('{"prompt": [], "answer": "", "finish_reason": "tired"}', "field 'finish_reason': found 'tired'"),
    ],
)
def test_a_bad_line_is_told_with_file_line_and_field(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"calls\.jsonl, line 1: {fault}"):
        recording(tmp_path, text)
