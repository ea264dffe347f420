"""What is on record of a durable team's program: what it asked of its team, by number, and what was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from autogen_agentchat.teams import BaseGroupChat

from runtime import ids
from runtime.autogen_teams.asked import Asked, TaskGiven
from runtime.autogen_teams.member import FRONT, KEY
from runtime.codec import Json, canonical, parse
from runtime.errors import UsageError
from runtime.events import AgentName, AnyEvent, DeliveryCompleted, Digest, MessageSent
from runtime.exchange.line import Answer, Converse, Line, answered
from runtime.journal import Journal
from runtime.letters import Letters

FIRST = AgentName(FRONT, KEY)
"""Who gets all that a driver asks."""

NOTHING = canonical({"type": "json", "data": None})


@dataclass(slots=True)
class Log:
    """A durable team's run, and what is on record of its program."""

    run: str
    team: BaseGroupChat
    journal: Journal
    asked: Mapping[int, bytes]
    """What the program had asked before, by number."""
    owns_journal: bool
    """Whether the journal was opened for this team and closes with it."""

    def check(self, number: int, payload: bytes) -> None:
        """Whether the program asks what it asked before.

        Raises:
            UsageError: it asks something else.
        """
        before = self.asked.get(number)
        if before is not None and _essence(before) != _essence(payload):
            raise UsageError(
                f"run {self.run}: request {number + 1} of the program is {_shown(payload)}, but on record it is "
                f"{_shown(before)}; the program has changed: give it a run id of its own, or `repertory fork` the run"
            )


class EndedRun:
    """A run that has ended, as what answers its program."""

    def __init__(self, run: str, journal: Journal, events: Sequence[AnyEvent]) -> None:
        self._run = run
        self._journal = journal
        self._answers = {event.message: event for event in events if isinstance(event, DeliveryCompleted)}

    async def ask(self, ordinal: int, recipient: AgentName, payload: bytes) -> Answer:
        """The answer that is on record.

        Raises:
            UsageError: there is none.
        """
        found = self._answers.get(ids.message_id(ids.ROOT, ordinal))
        if found is None:
            raise UsageError(f"run {self._run} has ended, and this was not asked in it; take another run id")
        body = None if found.response is None else await self._journal.blob(found.response)
        return Answer(body, found.failure, found.at)

    async def cancel(self, ordinal: int) -> None:
        """Nothing is under way."""


def payload_of(asked: Asked) -> bytes:
    """A request as the engine sends it."""
    return Letters().encode(asked)


async def finishing(journal: Journal, run: str) -> Converse:
    """What a driver does that takes up a run without the program that began it: all that was asked is answered.

    The run's result is that of the last task.
    """
    asked = {number: await journal.blob(name) for number, name in numbered_requests(await journal.events(run)).items()}

    async def converse(line: Line) -> bytes:
        answers = await asyncio.gather(*(line.ask(number, FIRST, payload) for number, payload in asked.items()))
        tasks = [answer for number, answer in enumerate(answers) if _type_of(asked[number]) == TaskGiven.__name__]
        return answered(tasks[-1]) if tasks else NOTHING

    return converse


def _type_of(payload: bytes) -> str:
    """The name of a message's type."""
    return str(cast("Mapping[str, Json]", parse(payload))["type"])


def numbered_requests(events: Sequence[AnyEvent]) -> dict[int, Digest]:
    """What a run's program has asked, by number."""
    by_driver = [event for event in events if isinstance(event, MessageSent) and event.sender is None]
    asked = {event.message: event.payload for event in by_driver}
    found: dict[int, Digest] = {}
    while (name := asked.get(ids.message_id(ids.ROOT, len(found)))) is not None:
        found[len(found)] = name
    return found


def _essence(payload: bytes) -> Json:
    """What a request asks, without the ids and times that a program stamps anew each time."""
    return _without_stamps(parse(payload))


def _without_stamps(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _without_stamps(inner) for key, inner in value.items() if key not in ("id", "created_at")}
    return [_without_stamps(inner) for inner in value] if isinstance(value, list) else value


def _shown(payload: bytes) -> str:
    body = cast("Mapping[str, Any]", parse(payload))
    data = {key: value for key, value in body["data"].items() if value is not None and key != "output_task_messages"}
    return f"{body['type']} {str(data)[:100] if data else ''}".strip()
