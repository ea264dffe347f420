"""Why two performances of one thing differ: the kinds of causes, and which one a difference of requests or events has.

Pure: values in, words out. `runtime/reading/divergence.py` uses it for a replay, `runtime/diff.py` for two runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from runtime.codec import Json
from runtime.events import StepKind

Cause = Literal[
    "prompt",
    "model settings",
    "tool arguments",
    "tool schema",
    "message",
    "order",
    "retrieval query",
    "missing step",
    "extra step",
    "state",
    "code",
    "library version",
]
"""Why a replay does something else than its record."""

RunCause = (
    Cause | Literal["scenario", "input", "model output", "tool result", "retrieval result", "answer", "failure", "time"]
)
"""Why two runs differ: also by what came from outside."""

MEANINGS: Mapping[str, str] = {
    "prompt": "a model is asked with other messages",
    "model settings": "a model is asked with other settings, or another model",
    "tool arguments": "a tool is called with other arguments",
    "tool schema": "a model is offered other tools, or tools with another schema",
    "message": "an agent says something else, or to somebody else",
    "order": "the same things happen in another order",
    "retrieval query": "a memory is asked or told something else",
    "missing step": "something that was done is not done any more",
    "extra step": "something is done that was not done before",
    "state": "an agent has kept something else of what it was told, when it went to sleep",
    "code": "the agent's code does something else with what it sees",
    "library version": "a library of another version than the record's does something else",
    "scenario": "the runs were begun from different scenarios",
    "input": "the runs were given different requests",
    "model output": "a model answered the same prompt differently",
    "tool result": "a tool answered the same call differently",
    "retrieval result": "a memory answered the same query differently",
    "answer": "a person answered the same question differently",
    "failure": "the same thing failed in one of them, or in another way",
    "time": "the same handler saw another time, or another id",
}
"""Each cause in words."""

_SETTINGS = ("tool_choice", "json_output", "arguments")


def cause_of_request(kind: StepKind, before: Json, now: Json) -> Cause:
    """Why two requests of one kind of step differ; prompts are given as their messages."""
    match kind:
        case "model":
            return _cause_of_model_request(before, now)
        case "tool":
            return "tool arguments"
        case "retrieval" | "memory":
            return "retrieval query"
        case "question":
            return "message"
        case "clock" | "timer" | "random":
            return "code"


def _cause_of_model_request(before: Json, now: Json) -> Cause:
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return "prompt"
    if before.get("prompt") != now.get("prompt"):
        return "prompt"
    return "tool schema" if before.get("tools") != now.get("tools") else "model settings"


def cause_of_result(kind: StepKind) -> RunCause:
    """Why the results of two equal requests differ."""
    match kind:
        case "model":
            return "model output"
        case "tool":
            return "tool result"
        case "retrieval" | "memory":
            return "retrieval result"
        case "question":
            return "answer"
        case "clock" | "timer" | "random":
            return "time"
