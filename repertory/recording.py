"""The model's answers of a run as a recording, from which a later run is answered without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.codec import parse
from runtime.errors import CorruptEvent
from runtime.events import AnyEvent, StepCompleted, StepStarted
from runtime.journal import Journal
from runtime.prompt_chain import read_chain
from serving.recorded import line_of_step


async def recording_of(journal: Journal, events: Sequence[AnyEvent]) -> str:
    """The lines of all answered model calls of a run, in the order of the answers.

    Raises:
        CorruptEvent: the journal has lost or damaged a part of one.
    """
    asked = {event.step: event for event in events if isinstance(event, StepStarted) and event.kind == "model"}
    answered = [event for event in events if isinstance(event, StepCompleted) and event.step in asked]
    lines = [await _line(journal, asked[event.step], event) for event in answered]
    return "".join(f"{line}\n" for line in lines if line)


async def _line(journal: Journal, asked: StepStarted, answered: StepCompleted) -> str:
    """The line of one call; empty for one that failed."""
    if answered.result is None:
        return ""
    request = parse(await journal.blob(asked.request))
    if not isinstance(request, Mapping):
        raise CorruptEvent(f"step {asked.step}: its request is no object; restore the journal from a copy")
    messages = await read_chain(journal, str(request["prompt"]))
    return line_of_step(request, messages, parse(await journal.blob(answered.result)))
