"""A channel to a sequencer in a Ray actor: a line to its desk, and to that of the next process when this one dies.

A call that was under way when the process died is not answered; it is made again until the actor, which Ray restarts,
is back. Ray says that an actor is *unavailable* meanwhile, and that it is *dead* when it never will be. Every call of a
channel may be made twice, so this is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from ray.exceptions import ActorUnavailableError, RayActorError, RayError, RayTaskError

from runtime import clock
from runtime.errors import ClusterLost, RepertoryError
from runtime.events import AnyEvent, Digest, StepStarted
from runtime.exchange.channel import Held, Loss, NotKnownHere, Past, RunOrder
from runtime.exchange.fleet import PULL_WAIT_S
from runtime.exchange.parcels import Parcel
from runtime.exchange.recollection import Recalled
from runtime.on_ray.ray_place import own_ip
from runtime.on_ray.sequencer_desk import DeskLine
from runtime.on_ray.stream import Address, StreamLost, connected
from runtime.placement import HostInfo

RETURN_LIMIT_S = 90.0
"""How long an actor that Ray restarts may take to be back."""

RETRY_S = 0.05
"""How long to wait before asking again whether it is."""

PULL_LIMIT_S = PULL_WAIT_S + 40.0
"""How long a pull may take; a sequencer that answers none for so long does not live, whatever Ray thinks."""

FORGET_LIMIT_S = 5.0
"""How long a driver that leaves a run waits for the sequencer to hear it."""

NOBODY = HostInfo("")
"""Who speaks where a driver does."""

OnSilent = Callable[[], None]
Hosts = Callable[[], list[HostInfo]]


class ActorUnavailable(Exception):
    """The actor's process has died or cannot be reached; Ray is restarting it."""


class ActorGone(Exception):
    """The actor's process has died and Ray does not restart it, or Ray itself is gone."""


class ActorChannel:
    """A channel to a `SequencerActor`; errors come back as what they were, without Ray's wrapping.

    `host` and `life` say who speaks; a driver needs neither, and says which `hosts` there are, for each process of the
    sequencer begins without knowing any. `on_silent` is called when the actor does not answer.
    """

    def __init__(
        self,
        actor: Any,
        host: HostInfo = NOBODY,
        life: int = 0,
        *,
        hosts: Hosts = list[HostInfo],
        on_silent: OnSilent | None = None,
    ) -> None:
        self._actor = actor
        self._info = host
        self._host = host.name
        self._life = life
        self._hosts = hosts
        self._on_silent = on_silent
        self._line: DeskLine | None = None
        self._connecting = asyncio.Lock()
        self._is_lost = asyncio.Event()

    async def open(self, order: RunOrder) -> None:
        """See `Channel.open`."""
        await self._persistently(lambda: self._call("open", order, self._hosts()))

    async def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        """See `Channel.submit`; it waits until the run is known again."""
        await self._persistently(lambda: self._call("submit", run, events, blobs, self._host, self._life), True)

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        """See `Channel.pull`."""
        told, parcels = await self._persistently(lambda: self._timely(self._call("pull", host, after, self._life)))
        return int(told), parcels

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """See `Channel.watch`; it waits until the run is known again."""
        events: list[AnyEvent] = await self._persistently(lambda: self._call("watch", run, after), True)
        return events

    async def resume(self, run: str, driver: str) -> Past:
        """See `Channel.resume`."""
        past: Past = await self._persistently(lambda: self._call("resume", run, driver, self._hosts()))
        return past

    async def rejoin(self, run: str, driver: str, held: Held, seen: int) -> AnyEvent | None:
        """See `Channel.rejoin`."""
        end: AnyEvent | None = await self._persistently(
            lambda: self._call("rejoin", run, driver, held, seen, self._hosts())
        )
        return end

    async def forget(self, run: str, driver: str) -> None:
        """See `Channel.forget`. Called once: a sequencer that starts afresh knows nothing of the run anyway."""
        with suppress(ActorUnavailable, ActorGone, StreamLost, TimeoutError):
            async with asyncio.timeout(FORGET_LIMIT_S):
                await self._call("forget", run, driver)

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        past: Past = await self._persistently(lambda: self._call("describe", run))
        return past

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`; it waits until the run is known again."""
        recalled: Recalled | None = await self._persistently(lambda: self._call("recall", run, started, request), True)
        return recalled

    async def room(self, run: str, step: str) -> bool:
        """See `Channel.room`; it waits until the run is known again."""
        return bool(await self._persistently(lambda: self._call("room", run, step), True))

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return str(await self._persistently(lambda: self._call("trouble", known)))

    async def join(self, held: Held) -> None:
        """See `SequencerService.join`."""
        await self._persistently(lambda: self._call("join", self._info, self._life, held))

    async def leave(self, host: str, life: int) -> Loss:
        """See `SequencerService.leave`."""
        loss: Loss = await self._persistently(lambda: self._call("leave", host, life))
        return loss

    def lose(self) -> None:
        """Whoever waits for the actor, or asks it from now on, is told at once that it will not come back."""
        self._is_lost.set()

    async def close(self) -> None:
        """Hangs up."""
        if self._line is not None:
            await self._line.close()

    async def _timely(self, call: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(PULL_LIMIT_S):
                return await call
        except TimeoutError:
            if self._line is not None:
                self._line.end(f"a pull had no answer in {PULL_LIMIT_S:g} s")
            if self._on_silent is not None:
                self._on_silent()
            raise ActorUnavailable(f"no answer in {PULL_LIMIT_S:g} s") from None

    async def _call(self, verb: str, *arguments: Any) -> Any:
        return await (await self._connected()).ask(verb, *arguments)

    async def _connected(self) -> DeskLine:
        async with self._connecting:
            if self._line is None or self._line.is_broken:
                address: Address = await self._unless_lost(answer(lambda: self._actor.address.remote(own_ip())))
                self._line = DeskLine(*await connected(address))
            return self._line

    async def _unless_lost(self, asked: Coroutine[Any, Any, Any]) -> Any:
        """What an actor answers; Ray waits for one that went away with the head as long as for one that restarts."""
        answering, losing = asyncio.ensure_future(asked), asyncio.ensure_future(self._is_lost.wait())
        try:
            await asyncio.wait([answering, losing], return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise ActorGone("the actor went away with the head of the Ray cluster")
            return answering.result()
        finally:
            answering.cancel()
            losing.cancel()

    async def _persistently(self, call: Callable[[], Awaitable[Any]], is_of_run: bool = False) -> Any:
        """Calls, and calls again while the actor is restarted, or does not know the run of the call yet.

        Raises:
            ClusterLost: it did not come back.
        """
        deadline = clock.monotonic() + RETURN_LIMIT_S
        while True:
            try:
                return await call()
            except ActorGone as error:
                raise resumable(error) from None
            except (ActorUnavailable, StreamLost, NotKnownHere) as error:
                if isinstance(error, NotKnownHere) and not is_of_run:
                    raise
                if clock.monotonic() > deadline:
                    raise ClusterLost(
                        f"the sequencer of this run has not come back within {RETURN_LIMIT_S:g} s ({error}); "
                        "`repertory resume` goes on with the run"
                    ) from None
            await asyncio.sleep(RETRY_S)


def resumable(error: Exception) -> ClusterLost:
    """What whoever performs a run is told of a loss."""
    return ClusterLost(f"{error}; Ray's logs may say why, and `repertory resume` goes on with the run")


async def answer(call: Callable[[], Awaitable[Any]]) -> Any:
    """Calls an actor and awaits its answer.

    Raises:
        ActorUnavailable: its process has died, and Ray is restarting it.
        ActorGone: it will not be restarted, or Ray itself is gone.
        Exception: what the actor raised.
    """
    try:
        return await call()
    except RayTaskError as error:
        is_ours = isinstance(error.cause, RepertoryError)
        raise error.cause from (None if is_ours else error)  # Ray's error shows where it was raised
    except ActorUnavailableError as error:
        raise ActorUnavailable(first_line(error)) from None
    except (RayActorError, RayError) as error:
        raise ActorGone(f"an actor is gone for good: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """What Ray says, without the process table that follows."""
    return str(error).strip().partition("\n")[0]
