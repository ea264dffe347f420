"""A model that answers what a real one answered before: the same requests give the same answers, without a server.

A recording has one call a line, a JSON object:

    {"request": DIGEST, "prompt": [messages], "arguments": {…}, "answer": "…", "usage": {"input_tokens": 1, …}}

`request` is the content hash of prompt and arguments. A request is looked up by it, so the order of different requests
is free; equal requests get their answers in the recorded order, and the last one again and again. Each client counts
for itself. Lines are made of a journal's model steps with `line_of_step`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from autogen_core.models import CreateResult, FinishReasons, RequestUsage
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from runtime.blobs import digest
from runtime.codec import Json, canonical
from runtime.errors import RunError, UsageError
from serving.canned import Arguments, CannedModel, Request, plain_arguments
from serving.json_lines import read_lines
from serving.nearest_prompt import difference


class MissingAnswer(RunError):
    """The recording has no answer to a request; the message says how the nearest recorded prompt differs."""


class RecordedUsage(BaseModel):
    """What an answer cost the real model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_tokens: int = Field(default=0, ge=0)
    """Tokens of the prompt."""
    output_tokens: int = Field(default=0, ge=0)
    """Tokens of the answer."""


class RecordedCall(BaseModel):
    """One line of a recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: list[JsonValue]
    """The messages, as autogen-core dumps them."""
    arguments: dict[str, JsonValue] = {}
    """The rest of the request: schema, temperature, tools and the like; what has its default is left out."""
    answer: str | list[dict[str, JsonValue]]
    """The model's text, or its tool calls."""
    usage: RecordedUsage = RecordedUsage()
    """What it cost."""
    finish_reason: FinishReasons = "stop"
    """Why the answer ended there."""
    thought: str | None = None
    """What the model reasoned before it answered."""
    request: str = ""
    """The content hash of prompt and arguments; computed where it is left out."""

    def result(self) -> CreateResult:
        """The answer as a client gives it."""
        return CreateResult(
            finish_reason=self.finish_reason,
            content=cast(Any, self.answer),
            usage=RequestUsage(self.usage.input_tokens, self.usage.output_tokens),
            cached=False,
            thought=self.thought,
        )


def request_digest(messages: Sequence[Json], arguments: Arguments) -> str:
    """The content hash of a request, the same in every process.

    Raises:
        UsageError: a part of it is no JSON.
    """
    return digest(canonical({"prompt": messages, "arguments": arguments}))


class RecordedModel(CannedModel):
    """A model client that answers from a recording.

    Raises:
        UsageError: the file cannot be read, or a line is no recorded call.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._recorded = _recorded_calls(path, path.stat().st_mtime_ns if path.is_file() else 0)
        self._calls: defaultdict[str, list[RecordedCall]] = defaultdict(list)
        self._asked: Counter[str] = Counter()
        for call, key in self._recorded.values():
            self._calls[key].append(call)

    def answer(self, request: Request) -> CreateResult:
        """The recorded answer to this request.

        Raises:
            MissingAnswer: there is none.
        """
        messages: list[Json] = [message.model_dump(mode="json") for message in request.messages]
        key = request_digest(messages, request.arguments)
        if key not in self._calls:
            raise MissingAnswer(self._complaint(messages, request.arguments))
        calls = self._calls[key]
        call = calls[min(self._asked[key], len(calls) - 1)]
        self._asked[key] += 1
        return call.result()

    def _complaint(self, messages: Sequence[Json], arguments: Arguments) -> str:
        recorded = {
            number: (cast(Sequence[Json], call.prompt), call.arguments) for number, (call, _) in self._recorded.items()
        }
        return (
            f"{self._path}: no recorded answer to this request; {difference((messages, arguments), recorded)}; "
            "run the same task with the same scenario, prompts and data as when it was recorded, or record it again"
        )


@lru_cache(maxsize=8)
def _recorded_calls(path: Path, _changed_at: int) -> Mapping[int, tuple[RecordedCall, str]]:
    """The calls of a file with their digests, by line number; read once in each process, since each agent has a client.

    Raises:
        UsageError: the file cannot be read, or a line is no recorded call.
    """
    calls = read_lines(path, RecordedCall)
    return {number: (call, _checked_digest(call, f"{path}, line {number}")) for number, call in calls}


def record_line(messages: Sequence[Json], arguments: Arguments, answer: Json, usage: Mapping[str, int]) -> str:
    """One line of a recording, without its line break; `usage` has `input_tokens` and `output_tokens`.

    Raises:
        UsageError: a part of it is no JSON.
    """
    return _line(messages, arguments, {"answer": answer, "usage": dict(usage)})


def line_of_step(request: Mapping[str, Json], messages: Sequence[Json], result: Json) -> str:
    """The line of a model step in a journal: its request (parsed), the messages of its prompt, and its result.

    Raises:
        UsageError: the request or result is not that of a model step.
    """
    try:
        extra, tools = cast(Arguments, request["arguments"]), cast(Sequence[Json], request["tools"])
        arguments = plain_arguments(extra, tools, request["tool_choice"], request["json_output"])
        answered = CreateResult.model_validate(cast(Sequence[Json], result)[-1])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"a model step cannot be recorded: {error}; expected the step of a model call") from error
    usage = {"input_tokens": answered.usage.prompt_tokens, "output_tokens": answered.usage.completion_tokens}
    content = cast(Json, answered.model_dump(mode="json")["content"])
    said: dict[str, Json] = {"answer": content, "usage": usage}
    if answered.finish_reason != "stop":
        said["finish_reason"] = answered.finish_reason
    if answered.thought is not None:
        said["thought"] = answered.thought
    return _line(messages, arguments, said)


def _line(messages: Sequence[Json], arguments: Arguments, said: Arguments) -> str:
    key = request_digest(messages, arguments)
    return canonical({"request": key, "prompt": messages, "arguments": arguments, **said}).decode()


def _checked_digest(call: RecordedCall, place: str) -> str:
    found = request_digest(cast(Sequence[Json], call.prompt), call.arguments)
    if call.request not in ("", found):
        raise UsageError(
            f"{place}: field 'request': found {call.request!r}, but its prompt and arguments have the hash {found}; "
            "the line was changed: remove the field to accept the change, or record again"
        )
    return found
