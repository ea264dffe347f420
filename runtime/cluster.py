"""Performing runs on a Ray cluster: many at once on a `RayStage`, or a single one with a `RayEngine`.

The driver is a host as well, of the agents that are placed `local`. What happens in the cluster is
`runtime/on_ray/crew.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runtime.codec import Json
from runtime.engine import build, drive
from runtime.errors import UsageError
from runtime.journals.journal_address import JournalAddress, journal_address
from runtime.on_ray.connection import connect
from runtime.on_ray.crew import Crew, CrewOrder
from runtime.performance import Performance

LOSSES = 5
"""How many hosts a run may lose one after another without any event of its own between before it is given up."""


class RayStage:
    """Performs many runs at once, with one crew of actors for all of them; an async context manager and an `Engine`.

    Runs are spread over the sequencers by a hash of their ids, and their agents over the hosts of all nodes.
    """

    def __init__(
        self,
        address: str,
        journal: JournalAddress | Path,
        *,
        hosts: int = 3,
        sequencers: int = 1,
        losses: int = LOSSES,
        secrets: Mapping[str, str] | None = None,
        addresses: Mapping[str, str] | None = None,
    ) -> None:
        """Says what the crew is to be; entering the stage makes it.

        `hosts` are there at least; every node has one. `secrets` and `addresses` are those of all runs together.
        """
        self._address = address
        where = journal if isinstance(journal, JournalAddress) else journal_address(journal)
        self._order = CrewOrder(where, hosts, sequencers, losses, secrets or {}, addresses or {})
        self._crew: Crew | None = None

    async def __aenter__(self) -> Self:
        await connect(self._address)
        self._crew = Crew(self._order)
        await self._crew.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            await crew.stop()

    async def perform(self, performance: Performance) -> Json:
        """See `Engine.perform`.

        Raises:
            UsageError: also when the stage is not entered, or was not given a secret or an address of the run.
            ClusterLost: also when actors are gone that the run needs and do not come back; it can be resumed.
        """
        crew = self._entered()
        missing = performance.secrets.items() - self._order.secrets.items()
        if missing := missing | (performance.addresses.items() - self._order.addresses.items()):
            names = ", ".join(sorted(name for name, _ in missing))
            raise UsageError(f"run {performance.run!r} needs what this stage was not given: {names}")
        team = build(performance, "ray")
        crew.equip(team.routes())
        fate = crew.fate(performance.run)
        driving = asyncio.ensure_future(drive(performance, crew.channel(performance.run), team))
        try:
            futures: list[asyncio.Future[Any]] = [driving, fate]
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if not driving.done():
                fate.result()
            return await driving
        finally:
            driving.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await driving
            crew.release(performance.run)

    async def processes(self) -> dict[str, int]:
        """The ids of the crew's processes: of `sequencer` (`sequencer-1` … where there are several) and each host."""
        return {} if self._crew is None else await self._crew.processes()

    async def assembled(self) -> dict[str, int]:
        """The same as `processes`, as soon as all of them live.

        Raises:
            ClusterLost: one of them does not come up.
        """
        return await self._entered().assembled()

    def _entered(self) -> Crew:
        if self._crew is None:
            raise UsageError("the stage has no actors; enter it first: `async with RayStage(…) as stage`")
        return self._crew


class RayEngine:
    """Performs single runs on a Ray cluster, each on a stage of its own; see `runtime.performance.Engine`."""

    def __init__(self, address: str, journal: JournalAddress | Path, *, hosts: int = 3, losses: int = LOSSES) -> None:
        self._address = address
        self._journal = journal
        self._hosts = hosts
        self._losses = losses
        self._stage: RayStage | None = None

    async def perform(self, performance: Performance) -> Json:
        """See `RayStage.perform`."""
        build(performance, "ray")  # whether it can be, before anything is started
        stage = RayStage(
            self._address,
            self._journal,
            hosts=self._hosts,
            losses=self._losses,
            secrets=performance.secrets,
            addresses=performance.addresses,
        )
        try:
            async with stage:
                self._stage = stage
                return await stage.perform(performance)
        finally:
            self._stage = None

    async def processes(self) -> dict[str, int]:
        """See `RayStage.processes`, of the run that is performed."""
        return {} if self._stage is None else await self._stage.processes()
