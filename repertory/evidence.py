"""What stands behind the step ids of a result: which tool was asked what, and what it said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from repertory.output import plain
from runtime.codec import Json, canonical, parse
from runtime.events import AnyEvent, Digest, StepCompleted, StepStarted
from runtime.journal import Journal

MAX_TEXT = 160
"""How much of an answer a line shows."""

Evidence = Mapping[str, tuple[str, str]]
"""By step id: the tool's name, and its arguments and answer in a line."""


async def evidence_of(journal: Journal, events: Sequence[AnyEvent], ids: Iterable[str]) -> Evidence:
    """The steps with these ids, told from the journal; ids of other runs are left out."""
    wanted = set(ids)
    asked = {event.step: event for event in events if isinstance(event, StepStarted) and event.step in wanted}
    answered = {event.step: event for event in events if isinstance(event, StepCompleted) and event.step in asked}
    digests = {event.request for event in asked.values()} | {
        event.result for event in answered.values() if event.result
    }
    blobs = await journal.blobs(digests)

    def value(digest: Digest | None) -> Json:
        return parse(blobs[digest]) if digest in blobs else None

    def line(event: StepStarted) -> str:
        answer = value(answered[event.step].result if event.step in answered else None)
        return _said(answer) if event.kind == "model" else _line(value(event.request), answer)

    return {step: (event.name, line(event)) for step, event in asked.items()}


def step_ids(result: Json) -> set[str]:
    """Every id that stands under `evidence` somewhere in a result."""
    if isinstance(result, Mapping):
        own = result.get("evidence")
        found = {own} if isinstance(own, str) else set[str]()
        if isinstance(own, list):
            found |= {each for each in own if isinstance(each, str)}
        return found.union(*(step_ids(value) for value in result.values()))
    if isinstance(result, list):
        return set[str]().union(*(step_ids(value) for value in result))
    return set()


def _line(request: Json, answer: Json) -> str:
    asked = _short(_asked(request))
    if answer is None:
        return asked
    said = answer.get("value", answer) if isinstance(answer, Mapping) else answer
    return f"{asked} → {_short(said) or 'nothing'}"


def _asked(request: Json) -> Json:
    """What is asked of whom is told already; a call's arguments are taken out of their wrapping."""
    if not isinstance(request, Mapping):
        return request
    arguments = request.get("arguments")
    rest = {name: value for name, value in request.items() if name not in ("tool", "memory", "arguments")}
    return {**rest, **arguments} if isinstance(arguments, Mapping) else rest


def _said(answer: Json) -> str:
    """What a model answered: the content of the last piece, which is the whole; its prompt would fill pages."""
    whole = answer[-1] if isinstance(answer, list) and answer else None
    content = whole.get("content") if isinstance(whole, Mapping) else None
    return "" if content is None else f"→ {_short(content)}"


def _short(value: Json) -> str:
    text = plain(_words(value))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _words(value: Json) -> str:
    """A value as a reader takes it in: names and what they are, without what is empty; long lists by their names."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items() if each not in (None, "", [], {}))
    if isinstance(value, list):
        return ", ".join(_name(each) for each in value)
    return value if isinstance(value, str) else canonical(value).decode()


def _name(value: Json) -> str:
    names = [value.get("name"), value.get("content")] if isinstance(value, Mapping) else []
    return next((name for name in names if isinstance(name, str)), _words(value))
