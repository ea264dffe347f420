"""What was asked and answered, as attributes of spans: read only where a person has asked for message contents.

The forms are those of OpenTelemetry's conventions for generative AI: messages are JSON, each with a role and parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runtime.codec import Json, canonical, parse
from runtime.events import AnyEvent, StepCompleted, StepStarted
from runtime.journal import Journal
from runtime.prompt_chain import read_chain
from runtime.telemetry import Contents

_ROLES = {"SystemMessage": "system", "UserMessage": "user", "AssistantMessage": "assistant"}


async def contents_of(journal: Journal, events: Iterable[AnyEvent]) -> Contents:
    """The attributes of the run's model calls, tool calls and retrievals.

    Raises:
        CorruptEvent: a part of them is missing or damaged.
    """
    events = list(events)
    ended = {event.step: event for event in events if isinstance(event, StepCompleted)}
    return {
        event.step: await _content(journal, event, ended.get(event.step))
        for event in events
        if isinstance(event, StepStarted) and event.kind in ("model", "tool", "retrieval")
    }


async def _content(journal: Journal, started: StepStarted, ended: StepCompleted | None) -> Mapping[str, str]:
    request = parse(await journal.blob(started.request))
    result = parse(await journal.blob(ended.result)) if ended is not None and ended.result is not None else None
    match started.kind:
        case "model":
            head = request.get("prompt") if isinstance(request, Mapping) else None
            asked = [_message(message) for message in await read_chain(journal, head)] if isinstance(head, str) else []
            return {"gen_ai.input.messages": _text(asked), "gen_ai.output.messages": _text(_answers(result))}
        case "tool":
            arguments = request.get("arguments", request) if isinstance(request, Mapping) else request
            return {"gen_ai.tool.call.arguments": _text(arguments), "gen_ai.tool.call.result": _text(result)}
        case _:
            query = request.get("query", request) if isinstance(request, Mapping) else request
            return {"gen_ai.retrieval.query.text": _text(query), "gen_ai.retrieval.documents": _text(result)}


def _message(message: Json) -> Json:
    if not isinstance(message, Mapping):
        return {"role": "user", "parts": [_part(message)]}
    role = _ROLES.get(str(message.get("type")), "tool")
    return {"role": role, "parts": _parts(message.get("content"))}


def _answers(result: Json) -> Json:
    """The whole answer, which is the last piece of what was streamed."""
    pieces: Sequence[Json] = result if isinstance(result, Sequence) and not isinstance(result, str) else []
    last = pieces[-1] if pieces else None
    if not isinstance(last, Mapping):
        return []
    reason = last.get("finish_reason") or "stop"
    return [{"role": "assistant", "parts": _parts(last.get("content")), "finish_reason": reason}]


def _parts(content: Json) -> list[Json]:
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [_part(part) for part in content]
    return [_part(content)]


def _part(part: Json) -> Json:
    if isinstance(part, Mapping) and "arguments" in part:
        return {"type": "tool_call", "id": part.get("id"), "name": part.get("name"), "arguments": part["arguments"]}
    if isinstance(part, Mapping) and "call_id" in part:
        return {"type": "tool_call_response", "id": part["call_id"], "response": part.get("content")}
    return {"type": "text", "content": part if isinstance(part, str) else _text(part)}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else canonical(value).decode()
