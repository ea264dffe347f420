"""Agents on hosts that can be looked at, for upstream's tests, which read the objects of their agents.

On its host an agent writes its public attributes into a file when it is made and after each message; in the test's
process a `Copy` reads the file each time that something of it is asked for. What a test changes in it does not reach
the agent.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from autogen_core import BaseAgent, MessageContext

from runtime.autogen_cluster.freight import pack

OWN = "on_message_impl"
"""The attribute that is put into each agent here."""


def observed(factory: Callable[[], BaseAgent | Awaitable[BaseAgent]], folder: str) -> Any:
    """What the factory makes, writing itself down."""
    made = factory()
    if inspect.isawaitable(made):
        return _awaited(made, folder)
    return _watched(made, folder)


async def _awaited(made: Awaitable[BaseAgent], folder: str) -> BaseAgent:
    return _watched(await made, folder)


def _watched(agent: BaseAgent, folder: str) -> BaseAgent:
    handle = agent.on_message_impl

    async def on_message_impl(message: Any, ctx: MessageContext) -> Any:
        try:
            return await handle(message, ctx)
        finally:
            _write(agent, folder)

    _write(agent, folder)
    agent.on_message_impl = on_message_impl  # type: ignore[method-assign]  # the point of it
    return agent


def file_of(agent: str, folder: str) -> Path:
    """Where an agent writes itself down."""
    return Path(folder) / f"{agent.replace('/', '-')}.agent"


def _write(agent: BaseAgent, folder: str) -> None:
    held = {name: value for name, value in vars(agent).items() if name != OWN and not name.startswith("_")}
    path = file_of(str(agent.id), folder)
    draft = path.with_suffix(".new")
    draft.write_bytes(pack((type(agent), held)))
    draft.replace(path)


class Copy:
    """Looks like an agent, as it was after its last message."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        cls, held = pickle.loads(self._path.read_bytes())  # noqa: S301  # written by `_write`
        agent: Any = object.__new__(cls)
        agent.__dict__.update(held)
        return getattr(agent, name)
