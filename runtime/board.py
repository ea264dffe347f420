"""A run's blackboard as its agents get it: every write and read is a step, and every value is named by its content.

What an agent passes on in a message is a `Posted`: key and content hash. A reader asks for just that content, so
what it gets does not depend on who has written under the key since; and the journal, which keeps the value once under
its hash, can put it back when the node that held it has died.
"""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from runtime import steps
from runtime.blobs import digest
from runtime.codec import Json, canonical
from runtime.errors import RepertoryError, RunError
from runtime.events import Digest
from runtime.steps import StepCall, StepResult


class Board(Protocol):
    """What holds the values: `memory.short_term.Blackboard` is one."""

    async def write(self, key: str, value: Any) -> Digest:
        """Keeps a copy of the value under the key and answers its content hash."""
        ...

    async def read(self, key: str) -> Any:
        """The value that was last written under the key."""
        ...


class Posted(BaseModel):
    """A value on the blackboard, as a message names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    digest: Digest


class JournaledBoard:
    """A blackboard of JSON values whose writes are steps of kind "memory" and whose reads are of kind "retrieval"."""

    def __init__(self, inner: Board) -> None:
        self._inner = inner
        self._posted: dict[str, Json] = {}
        """What agents of this process have posted, also where the record answered them: a board that went away with
        its process lacks it."""

    async def post(self, name: str, value: Json) -> Posted:
        """Writes a value; equal values under one name are the same posting."""
        body = canonical(value)
        posted = Posted(key=f"{name}:{digest(body)}", digest=digest(body))

        async def write(_: str) -> StepResult:
            await self._inner.write(posted.key, value)
            return StepResult(posted.digest)

        request = canonical({"post": posted.key})
        blobs = {posted.digest: body}
        await steps.perform(StepCall("memory", "blackboard", request, write, "idempotent", blobs))
        self._posted[posted.key] = value
        return posted

    async def fetch(self, posted: Posted) -> Json:
        """The value of a posting.

        Raises:
            RunError: what lies there is something else.
        """

        async def read(_: str) -> StepResult:
            found = await self._found(posted)
            if digest(canonical(found)) != posted.digest:
                raise RunError(f"the blackboard holds other content under {posted.key!r} than was posted there")
            return StepResult(found)

        request = canonical({"fetch": posted.key})
        return (await steps.perform(StepCall("retrieval", "blackboard", request, read))).value

    async def _found(self, posted: Posted) -> Json:
        try:
            found: Json = await self._inner.read(posted.key)
        except RepertoryError:
            if posted.key not in self._posted:
                raise
            found = self._posted[posted.key]
            await self._inner.write(posted.key, found)
        return found
