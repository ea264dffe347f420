"""Does in the driver what agents on hosts ask of their runtime, as if they had asked in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from autogen_core import AgentId, AgentRuntime, CancellationToken, TopicId

from runtime.autogen_cluster.host_runtime import Origin
from runtime.autogen_cluster.logs import log_here
from runtime.autogen_local.mail import Here, here

ASKED = frozenset(
    {
        "get",
        "register_factory",
        "add_subscription",
        "remove_subscription",
        "add_message_serializer",
        "save_state",
        "load_state",
        "agent_metadata",
        "agent_save_state",
        "agent_load_state",
    }
)
"""What a host may ask for by name."""


Room = Callable[[], Awaitable[None]]
"""Returns when who sends now may send more."""


class Desk:
    """Performs the calls of all hosts of a runtime."""

    def __init__(self, runtime: AgentRuntime, room: Room) -> None:
        self._runtime = runtime
        self._room = room

    async def perform(self, verb: str, arguments: tuple[Any, ...], token: CancellationToken) -> Any:
        """See `runtime.autogen_cluster.line.Perform`."""
        match verb:
            case "send":
                return await self._send(*arguments, token=token)
            case "publish":
                return await self._publish(*arguments, token=token)
            case "room":
                self._stand_at(*arguments)
                return await self._room()
            case "ask":
                return await self._asked(*arguments)
            case "log":
                return log_here(*arguments)
            case _:
                raise AssertionError(f"the driver was asked to {verb!r}")

    async def _send(
        self,
        message: Any,
        recipient: AgentId,
        sender: AgentId | None,
        message_id: str | None,
        origin: Origin | None,
        *,
        token: CancellationToken,
    ) -> Any:
        self._stand_at(origin)
        return await self._runtime.send_message(
            message, recipient, sender=sender, cancellation_token=token, message_id=message_id
        )

    async def _publish(
        self,
        message: Any,
        topic: TopicId,
        sender: AgentId | None,
        message_id: str | None,
        origin: Origin | None,
        *,
        token: CancellationToken,
    ) -> None:
        self._stand_at(origin)
        await self._runtime.publish_message(
            message, topic, sender=sender, cancellation_token=token, message_id=message_id
        )

    async def _asked(self, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        assert method in ASKED, f"a host asked for {method!r}"
        came = getattr(self._runtime, method)(*arguments, **options)
        return None if came is None else await came

    def _stand_at(self, origin: Origin | None) -> None:
        """What is sent now is caused by that delivery. Each call is a task with a context of its own."""
        here.set(None if origin is None else Here(self._runtime, *origin))
