"""The scripted model gives the answers of its script, in order or by rule, and says when it has none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from autogen_core.models import AssistantMessage, CreateResult, LLMMessage, SystemMessage, UserMessage

from runtime.errors import RunError, UsageError
from serving.scripted import ScriptedModel


def asking(text: str) -> list[LLMMessage]:
    return [
        SystemMessage(content="故宫"),
        UserMessage(content=text, source="u"),
        AssistantMessage(content="", source="a"),
    ]


def script(folder: Path, *lines: object) -> ScriptedModel:
    path = folder / "script.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return ScriptedModel.of_file(path)


async def said(model: ScriptedModel, *questions: str) -> list[object]:
    return [(await model.create(asking(question))).content for question in questions]


async def test_answers_come_in_order_and_then_end() -> None:
    model = ScriptedModel(["one", "two"])
    assert await said(model, "a", "b") == ["one", "two"]
    with pytest.raises(RunError, match=r"no answer left: its 2 answers in order are used up.*fits the message 'c'"):
        await said(model, "c")


async def test_a_function_answers_from_the_messages() -> None:
    def shout(messages: Sequence[LLMMessage]) -> str:
        return str(messages[1].content).upper()

    assert await said(ScriptedModel(shout), "a", "b") == ["A", "B"]


async def test_rules_answer_by_the_last_user_message_whatever_the_order(tmp_path: Path) -> None:
    rules = [{"when": "故宫", "answer": "palace"}, {"when": "科技馆", "answer": {"kind": "科学"}}]
    model = script(tmp_path, "# a comment", *rules, "")
    assert await said(model, "科技馆?", "故宫?", "科技馆!") == ['{"kind":"科学"}', "palace", '{"kind":"科学"}']
    with pytest.raises(RunError, match="none of its 2 rules fits the message '长城'; add a line"):
        await said(model, "长城")


async def test_rules_are_asked_before_the_answers_in_order(tmp_path: Path) -> None:
    model = script(tmp_path, {"answer": "first"}, {"when": "x", "answer": "rule"}, {"answer": "second"})
    assert await said(model, "x", "y", "x", "z") == ["rule", "first", "rule", "second"]


async def test_a_rule_may_answer_a_number_of_times(tmp_path: Path) -> None:
    model = script(tmp_path, {"when": "x", "answer": "bad", "times": 2}, {"when": "x", "answer": "good"})
    assert await said(model, "x", "x", "x", "x") == ["bad", "bad", "good", "good"]


async def test_usage_is_estimated_and_summed() -> None:
    model = ScriptedModel(["北京欢迎你"] * 2)
    first = (await model.create(asking("a"))).usage
    second = (await model.create(asking("a much longer question than the first one"))).usage
    assert first.completion_tokens == second.completion_tokens == 5
    assert 0 < first.prompt_tokens < second.prompt_tokens
    assert model.total_usage().prompt_tokens == first.prompt_tokens + second.prompt_tokens
    assert model.remaining_tokens(asking("a")) == 8192 - first.prompt_tokens


async def test_a_stream_is_the_answer_and_its_result() -> None:
    pieces = [piece async for piece in ScriptedModel(["text"]).create_stream(asking("a"))]
    assert pieces[0] == "text"
    assert isinstance(pieces[1], CreateResult)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "expected a JSON object"),
        ('"answer"', "expected a JSON object"),
        ("{}", "the field 'answer' is missing"),
        ('{"answer": "x", "wenn": "y"}', "found the field 'wenn', expected one of answer, when, times"),
        ('{"answer": "x", "when": ""}', "field 'when': found ''"),
        ('{"answer": "x", "times": 0}', "field 'times': found '0'"),
    ],
)
def test_a_bad_line_is_told_with_file_line_and_field(line: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"script\.jsonl, line 2: .*{fault}"):
        script(tmp_path, {"answer": "x"}, line)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl: cannot be read \(No such file"):
        ScriptedModel.of_file(tmp_path / "none.jsonl")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b'{"answer": "\xff"}')
    with pytest.raises(UsageError, match="byte 12 is no UTF-8"):
        ScriptedModel.of_file(tmp_path / "s")
