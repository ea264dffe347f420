"""The engine on a Ray cluster: one actor with the sequencer service, a few with hosts; the driver is a host as well.

All actors belong to the run that made them and end with its driver (`runtime/crew.py`).
"""

from __future__ import annotations

from pathlib import Path

from runtime.codec import Json
from runtime.crew import LOSSES, Crew, connect, crew_for
from runtime.engine import Performance, build
from runtime.journal_address import JournalAddress, journal_address


class RayEngine:
    """Performs runs on a Ray cluster; see `runtime.engine.Engine`."""

    def __init__(self, address: str, journal: JournalAddress | Path, *, hosts: int = 3, losses: int = LOSSES) -> None:
        self._address = address
        self._journal = journal if isinstance(journal, JournalAddress) else journal_address(journal)
        self._hosts = hosts
        self._losses = losses
        self._crew: Crew | None = None

    async def perform(self, performance: Performance) -> Json:
        """See `Engine.perform`.

        Raises:
            ClusterLost: also when actors of the run are gone and do not come back; the run can be resumed.
        """
        team = build(performance, "ray")
        connect(self._address)
        async with crew_for(team.routes(), self._journal, self._hosts, performance, self._losses) as crew:
            self._crew = crew
            try:
                return await crew.perform(performance, team)
            finally:
                self._crew = None

    async def processes(self) -> dict[str, int]:
        """The ids of the processes of the run that is performed: of the sequencer, and of each host by its name."""
        return {} if self._crew is None else await self._crew.processes()
