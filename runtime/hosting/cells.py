"""The agents of one run that are awake in one process: made at a delivery, dropped when they sleep.

A host and a replay go by the same rules here, and that is what makes a run in which agents sleep replay: who is put to
sleep at an event is made anew at his next delivery, from what he saved.

A fork's agents do again what they did before the fork point, by the fork's own code and settings. There they are saved
again where they slept, and woken with that; what their parent saved holds for none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runtime.events import AgentName, AgentSlept, DeliveryStarted
from runtime.exchange.parcels import Parcel
from runtime.hosting.cell import Cell

Make = Callable[[AgentName, bytes | None], Cell]
"""Makes an agent that is new, or that wakes from a saved state."""


class Cells:
    """See the module; `fork_seq` is that of the event by which the run became its own, 0 where it is no fork."""

    def __init__(self, make: Make, fork_seq: int = 0) -> None:
        self._make = make
        self._fork_seq = fork_seq
        self._awake: dict[AgentName, Cell] = {}
        self._own: dict[AgentName, bytes | None] = {}
        """What agents of a fork have saved where their parent's slept; None for one that could not sleep there."""

    @property
    def awake(self) -> Mapping[AgentName, Cell]:
        """The agents that are awake."""
        return self._awake

    def is_shared(self, event: AgentSlept) -> bool:
        """Whether an agent went to sleep before this run became its own."""
        return event.seq < self._fork_seq

    def of(self, parcel: Parcel) -> Cell | None:
        """The agent that a parcel is for, made or woken by its delivery; None for one that sleeps on: it waits for
        nothing else."""
        assert parcel.to is not None
        event, name = parcel.event, parcel.to
        if isinstance(event, DeliveryStarted):
            if event.state is not None:
                self._wake(name, parcel.state)
            elif name not in self._awake:
                self._awake[name] = self._make(name, None)
        return self._awake.get(name)

    def _wake(self, name: AgentName, state: bytes | None) -> None:
        if name in self._own:
            own = self._own.pop(name)
            if own is None:
                return
            state = own
        self.drop(name)
        self._awake[name] = self._make(name, state)

    def sleep(self, event: AgentSlept) -> None:
        """Puts an agent to sleep."""
        cell = self._awake.get(event.agent)
        if cell is not None and self.is_shared(event):
            self._own[event.agent] = cell.save()
            if self._own[event.agent] is None:
                return
        self.drop(event.agent)

    def drop(self, name: AgentName) -> None:
        """Forgets an agent."""
        if (cell := self._awake.pop(name, None)) is not None:
            cell.close()

    def close(self) -> None:
        """Ends what all agents were doing."""
        for cell in self._awake.values():
            cell.close()
