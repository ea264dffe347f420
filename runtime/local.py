"""The engine in one process, without Ray: one sequencer service and one host, the driver's own. What tests use."""

from __future__ import annotations

from runtime.codec import Json
from runtime.engine import build, drive
from runtime.journal import Journal
from runtime.performance import Performance
from runtime.service import SequencerService


class LocalEngine:
    """Performs runs in the calling process; see `runtime.performance.Engine`."""

    def __init__(self, journal: Journal) -> None:
        self._service = SequencerService(journal)

    async def perform(self, performance: Performance) -> Json:
        """See `Engine.perform`."""
        return await drive(performance, self._service, build(performance, "local"))
