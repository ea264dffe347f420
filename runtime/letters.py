"""Messages as bytes: `{"type": …, "data": …}`, by the names and serializers of autogen-core.

Only types that were registered are ever made from bytes; a payload cannot name a class to import.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from autogen_core import AgentType
from autogen_core._serialization import (
    JSON_DATA_CONTENT_TYPE,
    MessageSerializer,
    SerializationRegistry,
    try_get_known_serializers_for_type,
)

from runtime.codec import Json, canonical, parse
from runtime.errors import UsageError

PLAIN = "json"
"""The type name of plain JSON values, and of None."""


class Letters:
    """The message types of a team."""

    def __init__(self) -> None:
        self._registry = SerializationRegistry()

    def add(self, serializers: Iterable[MessageSerializer[Any]]) -> None:
        """Registers serializers, as autogen-core's agents bring them along."""
        self._registry.add_serializer(list(serializers))

    def add_type(self, cls: type) -> None:
        """Registers a pydantic model or dataclass; a plain JSON type needs none."""
        self.add(try_get_known_serializers_for_type(cls))

    def encode(self, message: Any) -> bytes:
        """The payload of a message; whoever is to get it must have registered its type.

        Raises:
            UsageError: when it is no pydantic model, no dataclass and no plain JSON.
        """
        name = self._registry.type_name(message)
        if not self._registry.is_registered(name, JSON_DATA_CONTENT_TYPE):
            self.add_type(message.__class__)
        if self._registry.is_registered(name, JSON_DATA_CONTENT_TYPE):
            data = self._registry.serialize(message, type_name=name, data_content_type=JSON_DATA_CONTENT_TYPE)
            return canonical({"type": name, "data": parse(data)})
        if message is None or isinstance(message, str | int | float | bool | list | dict | tuple):
            return canonical({"type": PLAIN, "data": cast(Json, message)})
        raise UsageError(
            f"a message of type {name!r} cannot leave its agent; expected a pydantic model, a dataclass or plain JSON"
        )

    def decode(self, payload: bytes) -> Any:
        """The message again.

        Raises:
            UsageError: when its type was not registered here.
        """
        body = cast(dict[str, Json], parse(payload))
        name = str(body["type"])
        if name == PLAIN:
            return body["data"]
        if not self._registry.is_registered(name, JSON_DATA_CONTENT_TYPE):
            raise UsageError(f"a message of type {name!r} arrived that no handler of this team names")
        data = canonical(body["data"])
        return self._registry.deserialize(data, type_name=name, data_content_type=JSON_DATA_CONTENT_TYPE)


def agent_type_name(agent_type: AgentType | str) -> str:
    """The name of an agent type, however it is given."""
    return agent_type.type if isinstance(agent_type, AgentType) else agent_type
