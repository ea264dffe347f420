"""Agents that live on hosts, for the tests of `RayAgentRuntime` with placement `cluster`; hosts import this file."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from autogen_core import AgentId, DefaultTopicId, MessageContext, RoutedAgent, default_subscription, message_handler

WATCHER = AgentId("watcher", "default")
WORKER = AgentId("worker", "default")


@dataclass
class Note:
    text: str


@dataclass
class Whole:
    """A message that may hold anything."""

    content: Any = None


@dataclass
class Forward:
    """To be sent on."""

    text: str
    recipient: str


class Refused(Exception):
    """An error whose class is not made from a message alone."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code


@dataclass
class Lock:
    """Cannot be pickled."""

    held: Any = field(default_factory=threading.Lock)


def node() -> str:
    """The id of the node of this process."""
    import ray

    return str(cast(Any, ray).get_runtime_context().get_node_id())


class Worker(RoutedAgent):
    """Does what the text of a note says."""

    def __init__(self) -> None:
        super().__init__("works")
        self._count = 0

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> Note | Whole | None:
        self._count += 1
        match message.text:
            case "process":
                return Note(str(os.getpid()))
            case "node":
                return Note(node())
            case "count":
                return Note(str(self._count))
            case "nothing":
                return None
            case "lock":
                return Whole(Lock())
            case "refuse":
                raise Refused(7, "no")
            case "wait":
                await self.send_message(Note("entered"), WATCHER)
                await asyncio.Event().wait()
            case "until cancelled":
                return await self._until_cancelled(ctx)
            case _:
                pass
        return message

    async def _until_cancelled(self, ctx: MessageContext) -> Note:
        cancelled = asyncio.Event()
        ctx.cancellation_token.add_callback(cancelled.set)
        await self.send_message(Note("entered"), WATCHER)
        await cancelled.wait()
        await self.send_message(Note("cancelled"), WATCHER)
        return Note("went on")

    @message_handler
    async def on_whole(self, message: Whole, ctx: MessageContext) -> Whole:
        return message

    @message_handler
    async def on_forward(self, message: Forward, ctx: MessageContext) -> Note:
        to = AgentId.from_str(message.recipient)
        answer = await self.send_message(Note(message.text), to, cancellation_token=ctx.cancellation_token)
        return answer if answer is not None else Note("None")

    async def save_state(self) -> Mapping[str, Any]:
        return {"count": self._count}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self._count = state["count"]


@default_subscription
class Crier(RoutedAgent):
    """Publishes what it hears once, and tells the watcher where it heard it."""

    def __init__(self) -> None:
        super().__init__("cries")

    async def save_state(self) -> Mapping[str, Any]:
        return {}

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        await self.send_message(Note(f"{self.id} heard {message.text}"), WATCHER)
        if message.text == "hear":
            await self.publish_message(Note("hear, hear"), DefaultTopicId())


class Keeper(RoutedAgent):
    """Holds what it was made with."""

    def __init__(self, kept: Any) -> None:
        super().__init__("keeps")
        self.kept = kept

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> Note:
        return Note(str(os.getpid()))


class Unmade(RoutedAgent):
    """Cannot be made."""

    def __init__(self) -> None:
        raise ConnectionRefusedError("the factory failed")


class Watcher(RoutedAgent):
    """Lives with the test, which reads what it was told."""

    def __init__(self) -> None:
        super().__init__("watches")
        self.told: asyncio.Queue[str] = asyncio.Queue()

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.told.put_nowait(message.text)

    async def save_state(self) -> Mapping[str, Any]:
        return {}
