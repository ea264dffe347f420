"""Which runs end the processes of their hosts: those that were there each time that one died, and got no further."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.exchange.channel import Loss


@dataclass(slots=True)
class Suspicion:
    """Counts, for each run, how many hosts it has lost one after another without any event of its own between."""

    limit: int
    """With how many losses a run is guilty."""
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """For each run: its progress at the last loss, and how many losses there were at that point."""

    def count(self, loss: Loss) -> dict[str, int]:
        """Takes a loss down; returns the runs that are guilty, with the event at which they stand."""
        for run, progress in loss.progress.items():
            before, times = self._seen.get(run, (progress, 0))
            self._seen[run] = (progress, times + 1 if before == progress else 1)
        return {run: progress for run, progress in loss.progress.items() if self._seen[run][1] >= self.limit}

    def acquit(self, run: str) -> None:
        """Forgets a run that is over."""
        self._seen.pop(run, None)
