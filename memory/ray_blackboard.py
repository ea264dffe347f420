"""The blackboard in Ray's object store: any process of the cluster that knows the run's id reads and writes it.

One small named actor per cluster keeps names and references for all runs; the values lie in the object store, once per
run and content. The actor puts them there, so they outlive the process that wrote them. Arrays are read without a copy
on the node that holds them; bytes and JSON are copied once into the reader's process (a large blob that many read is
best written as an array of uint8). The actor is detached: it outlives the driver, so that a run can be resumed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from memory.short_term import ValueLost, frozen, thawed, unknown_key
from memory.values import Array, Value, digest_of
from runtime.events import Digest

ACTOR_NAME = "blackboards"


@dataclass
class _Board:
    """What the actor keeps of one run: each key's digest and whether it is JSON, each digest's reference."""

    keys: dict[str, tuple[Digest, bool]] = field(default_factory=dict[str, tuple[Digest, bool]])
    refs: dict[Digest, list[Any]] = field(default_factory=dict[Digest, list[Any]])

    def drop_unnamed(self) -> None:
        for digest in self.refs.keys() - {digest for digest, _ in self.keys.values()}:
            del self.refs[digest]


class Holder:
    """The actor; references stand in lists of one, since Ray would otherwise pass the value in their place."""

    def __init__(self) -> None:
        self._boards: dict[str, _Board] = {}

    def name(self, run: str, key: str, digest: Digest, is_json: bool) -> bool:
        """Name a value that the run holds already; False when it does not and must be sent."""
        board = self._boards.setdefault(run, _Board())
        if digest not in board.refs:
            return False
        board.keys[key] = (digest, is_json)
        board.drop_unnamed()
        return True

    def hold(self, run: str, key: str, digest: Digest, is_json: bool, payload: bytes | Array) -> None:
        """Put a value into the object store, and name it."""
        board = self._boards.setdefault(run, _Board())
        board.refs[digest] = [_put(payload)]
        board.keys[key] = (digest, is_json)
        board.drop_unnamed()

    def find(self, run: str, key: str) -> tuple[list[Any], bool] | None:
        """The reference under a key and whether it is JSON; None when nothing was written there."""
        board = self._boards.get(run)
        if board is None or key not in board.keys:
            return None
        digest, is_json = board.keys[key]
        return board.refs[digest], is_json

    def digests(self, run: str) -> dict[str, Digest]:
        """The digest under each key of a run, sorted by key."""
        board = self._boards.get(run, _Board())
        return {key: board.keys[key][0] for key in sorted(board.keys)}

    def drop(self, run: str) -> None:
        """Forget a run; the object store frees what nobody reads any more."""
        self._boards.pop(run, None)


class RayBlackboard:
    """The blackboard of one run on a cluster; see `memory.short_term.Blackboard` for what it promises.

    It can be made in any process that is connected to Ray, as often as wanted: all of the same run and namespace are
    the same board. It pickles as its run and namespace.
    """

    def __init__(self, run: str, *, namespace: str = "repertory") -> None:
        self._run = run
        self._namespace = namespace
        self._actor: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(RayBlackboard, namespace=self._namespace), (self._run,)

    async def write(self, key: str, value: Value) -> Digest:
        """See `Blackboard.write`; a value whose content the run holds already is not sent again."""
        digest = digest_of(value)
        payload, is_json = frozen(value)
        if not await self._ask("name", key, digest, is_json):
            await self._ask("hold", key, digest, is_json, payload)
        return digest

    async def read(self, key: str) -> Value:
        """See `Blackboard.read`; an array is a view into the object store."""
        found = await self._ask("find", key)
        if found is None:
            raise unknown_key(key, await self.keys())
        refs, is_json = found
        return thawed(await self._answer(refs[0]), is_json=is_json)

    async def keys(self) -> list[str]:
        """See `Blackboard.keys`."""
        return list(await self.digests())

    async def digests(self) -> dict[str, Digest]:
        """See `Blackboard.digests`."""
        found: dict[str, Digest] = await self._ask("digests")
        return found

    async def restore(self, entries: Mapping[str, Value]) -> None:
        """See `Blackboard.restore`."""
        self._actor = None
        await self._ask("drop")
        for key, value in entries.items():
            await self.write(key, value)

    async def close(self) -> None:
        """See `Blackboard.close`."""
        await self._ask("drop")

    async def _ask(self, question: str, *details: Any) -> Any:
        if self._actor is None:
            self._actor = _holder(self._namespace)
        return await self._answer(getattr(self._actor, question).remote(self._run, *details))

    async def _answer(self, ref: Any) -> Any:
        from ray.exceptions import ObjectLostError, RayActorError

        try:
            return await ref
        except (RayActorError, ObjectLostError) as lost:
            raise ValueLost(f"the blackboard of run {self._run} lost its node; restore it from the journal") from lost


def _holder(namespace: str) -> Any:
    ray: Any = import_module("ray")
    actor = ray.remote(Holder)
    return actor.options(
        name=ACTOR_NAME, namespace=namespace, get_if_exists=True, lifetime="detached", num_cpus=0
    ).remote()


def _put(payload: bytes | Array) -> Any:
    ray: Any = import_module("ray")
    return ray.put(payload)
