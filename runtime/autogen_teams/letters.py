"""AgentChat's messages as bytes that can be read again: what its own events hold is abstract to pydantic.

A group chat's events carry `BaseChatMessage`s of any class. Here each is written with its own name and read by the
team's message factory, which knows no other classes than those that the team was made with. An error travels as its
class and its words; its traceback, which differs from machine to machine, stays in the log of the process where it was
raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, MessageFactory
from autogen_agentchat.teams._group_chat import _events as events
from autogen_core._serialization import JSON_DATA_CONTENT_TYPE, MessageSerializer

from runtime.codec import Json, canonical, parse
from runtime.letters import Letters

log = structlog.get_logger(__name__)

Said = BaseAgentEvent | BaseChatMessage


@dataclass(frozen=True, slots=True)
class _Serializer:
    """A message class with its way to plain JSON and back, as autogen-core's registry takes it."""

    cls: type
    to_json: Callable[[Any], Any]
    of_json: Callable[[Any], Any]

    @property
    def type_name(self) -> str:
        """The class's name."""
        return self.cls.__name__

    @property
    def data_content_type(self) -> str:
        """JSON."""
        return JSON_DATA_CONTENT_TYPE

    def serialize(self, message: Any) -> bytes:
        """The message's bytes."""
        return canonical(self.to_json(message))

    def deserialize(self, payload: bytes) -> Any:
        """The message again."""
        return self.of_json(parse(payload))


class ChatLetters(Letters):
    """The message types of an AgentChat team."""

    def __init__(self, factory: MessageFactory) -> None:
        super().__init__()
        self._factory = factory
        self._known = dict(_pairs(self))

    def add(self, serializers: Any) -> None:
        """Registers serializers, but for the classes that are written here."""
        super().add([mine for one in serializers if (mine := _known_here(self, one)) is not None])

    def know(self) -> None:
        """Registers all that is written here."""
        Letters.add(self, [_Serializer(cls, *pair) for cls, pair in self._known.items()])

    def knows(self, name: str) -> bool:
        """Whether a class of this name is written here."""
        return any(cls.__name__ == name for cls in self._known)

    def dump(self, message: Said) -> dict[str, Any]:
        """One thing that was said, as plain JSON. When it was said is that of its event and not part of it, so that
        two runs in which the same was said do not differ; whoever reads it stamps it with the time at which it came."""
        written = {name: value for name, value in message.dump().items() if name != "created_at"}
        return {**written, "type": type(message).__name__}

    def load(self, data: Mapping[str, Any], at: float | None = None) -> Any:
        """What was said, again; `at` that time in seconds since 1970, else now."""
        stamp = {} if at is None else {"created_at": datetime.fromtimestamp(at, UTC)}
        return self._factory.create({**data, **stamp})

    def dump_result(self, result: TaskResult) -> dict[str, Any]:
        """The result of a task."""
        return {"messages": [self.dump(said) for said in result.messages], "stop_reason": result.stop_reason}

    def load_result(self, data: Mapping[str, Any], at: float | None = None) -> TaskResult:
        """The result of a task again, with what was said in it stamped with that time."""
        return TaskResult(messages=[self.load(said, at) for said in data["messages"]], stop_reason=data["stop_reason"])


def _known_here(letters: ChatLetters, serializer: MessageSerializer[Any]) -> MessageSerializer[Any] | None:
    return None if letters.knows(serializer.type_name) else serializer


def _pairs(letters: ChatLetters) -> Mapping[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
    """How each class is written and read."""

    def some(said: Any) -> list[Any] | None:
        return None if said is None else [letters.dump(one) for one in said]

    def again(data: Any) -> list[Any] | None:
        return None if data is None else [letters.load(one) for one in data]

    def response_of(data: Any) -> Response:
        return Response(chat_message=letters.load(data["chat_message"]), inner_messages=again(data["inner_messages"]))

    return {
        events.GroupChatStart: (
            lambda m: {"messages": some(m.messages), "output_task_messages": m.output_task_messages},
            lambda d: events.GroupChatStart(
                messages=again(d["messages"]), output_task_messages=d["output_task_messages"]
            ),
        ),
        events.GroupChatAgentResponse: (
            lambda m: {
                "name": m.name,
                "chat_message": letters.dump(m.response.chat_message),
                "inner_messages": some(m.response.inner_messages),
            },
            lambda d: events.GroupChatAgentResponse(name=d["name"], response=response_of(d)),
        ),
        events.GroupChatTeamResponse: (
            lambda m: {"name": m.name, "result": letters.dump_result(m.result)},
            lambda d: events.GroupChatTeamResponse(name=d["name"], result=letters.load_result(d["result"])),
        ),
        events.GroupChatMessage: (
            lambda m: letters.dump(m.message),
            lambda d: events.GroupChatMessage(message=letters.load(d)),
        ),
        events.GroupChatError: (
            lambda m: {"error": _error(m.error)},
            events.GroupChatError.model_validate,
        ),
        events.GroupChatTermination: (
            lambda m: {"message": letters.dump(m.message), "error": None if m.error is None else _error(m.error)},
            lambda d: events.GroupChatTermination(message=letters.load(d["message"]), error=d["error"]),
        ),
    }


def _error(error: events.SerializableException) -> dict[str, Json]:
    if error.traceback is not None:
        log.warning("team.error", error=error.error_type, message=error.error_message, traceback=error.traceback)
    return {"error_type": error.error_type, "error_message": error.error_message, "traceback": None}
