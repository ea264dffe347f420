"""Short-term memory: the blackboard that the agents of one run share.

`DictBlackboard` serves the engine of one process, `memory/ray_blackboard.py` the agents of a cluster; both keep the
same promises. A write answers the content hash of the value (`memory/values.py`): what a board holds is named by its
content, so the journal can keep it as a blob and `restore` can rebuild a lost board, on the same node or on another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from memory.values import Array, Value, digest_of
from runtime.codec import canonical, parse
from runtime.errors import RunError, UsageError
from runtime.events import Digest


class ValueLost(RunError):
    """A value went away with the node that held it; `restore` the board from the journal and go on."""


class Blackboard(Protocol):
    """Named values of one run; the last write of a key stands."""

    async def write(self, key: str, value: Value) -> Digest:
        """Keep a copy of the value under the key, in place of an earlier one, and answer its content hash.

        Raises:
            UsageError: the value is neither JSON, bytes nor an array of plain numbers; the board is unchanged.
            ValueLost: the board has gone away.
        """
        ...

    async def read(self, key: str) -> Value:
        """The value under the key: JSON as a copy of the reader's own, an array read-only.

        Raises:
            UsageError: nothing was written under this key.
            ValueLost: it was written, and has gone away.
        """
        ...

    async def keys(self) -> list[str]:
        """The keys written so far, sorted."""
        ...

    async def digests(self) -> dict[str, Digest]:
        """The content hash under each key: what a rebuilt board must show again."""
        ...

    async def restore(self, entries: Mapping[str, Value]) -> None:
        """Hold these entries and nothing else; a board that has gone away is made again."""
        ...

    async def close(self) -> None:
        """Let go of all values; safe to call twice."""
        ...


class DictBlackboard:
    """The blackboard of a run that lives in one process."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Digest, bytes | Array, bool]] = {}

    async def write(self, key: str, value: Value) -> Digest:
        """See `Blackboard.write`."""
        digest = digest_of(value)
        payload, is_json = frozen(value)
        self._held[key] = (digest, payload, is_json)
        return digest

    async def read(self, key: str) -> Value:
        """See `Blackboard.read`."""
        if key not in self._held:
            raise unknown_key(key, sorted(self._held))
        _, payload, is_json = self._held[key]
        return thawed(payload, is_json=is_json)

    async def keys(self) -> list[str]:
        """See `Blackboard.keys`."""
        return sorted(self._held)

    async def digests(self) -> dict[str, Digest]:
        """See `Blackboard.digests`."""
        return {key: self._held[key][0] for key in sorted(self._held)}

    async def restore(self, entries: Mapping[str, Value]) -> None:
        """See `Blackboard.restore`."""
        self._held.clear()
        for key, value in entries.items():
            await self.write(key, value)

    async def close(self) -> None:
        """See `Blackboard.close`."""
        self._held.clear()


def frozen(value: Value) -> tuple[bytes | Array, bool]:
    """A copy that nobody can change, and whether it is JSON (then as its canonical bytes)."""
    if isinstance(value, bytes):
        return value, False
    if isinstance(value, np.ndarray):
        copy = value.copy()
        copy.flags.writeable = False
        return copy, False
    return canonical(value), True


def thawed(payload: bytes | Array, *, is_json: bool) -> Value:
    """The value again: JSON is parsed anew, so that no two readers share it."""
    if is_json and isinstance(payload, bytes):
        return parse(payload)
    return payload


def unknown_key(key: str, known: list[str]) -> UsageError:
    """What a read of a key says that nobody wrote."""
    return UsageError(f"the blackboard has nothing under {key!r}; written so far: {', '.join(known) or 'nothing'}")
