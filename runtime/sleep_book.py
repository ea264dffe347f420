"""Which agents of a run sleep, and what each has been told. Pure; the sequencer's own book.

An agent is a function of what it was told. So what it saved after the last event that was for it is its state until
the next one, whatever happened to others meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.events import AgentName, AgentSlept, AnyEvent, DeliveryStarted, Digest


@dataclass(slots=True)
class _Entry:
    told: int = 0
    slept: int = 0
    state: Digest | None = None


_NEVER = _Entry()


class SleepBook:
    """The agents of one run that were ever told anything."""

    def __init__(self) -> None:
        self._entries: dict[AgentName, _Entry] = {}

    def agents(self) -> list[AgentName]:
        """All agents that were told something."""
        return list(self._entries)

    def told(self, agent: AgentName) -> int:
        """The last event that was for the agent; 0 for none."""
        return self._entries.get(agent, _NEVER).told

    def slept(self, agent: AgentName) -> int:
        """The last event by which the agent went to sleep, awake again or not; 0 for none."""
        return self._entries.get(agent, _NEVER).slept

    def state(self, agent: AgentName) -> Digest | None:
        """What a sleeping agent saved; None for one that is awake, or was never begun."""
        return self._entries.get(agent, _NEVER).state

    def is_known(self, event: AgentSlept) -> bool:
        """Whether a state is that of an agent which has been told more since, or sleeps already."""
        return event.seen != self.told(event.agent)

    def apply(self, event: AnyEvent, to: AgentName) -> None:
        """Takes down that an agent is told an event."""
        entry = self._entries.get(to)
        if entry is None:
            entry = self._entries[to] = _Entry()
        entry.told = event.seq
        if isinstance(event, AgentSlept):
            entry.slept, entry.state = event.seq, event.state
        elif isinstance(event, DeliveryStarted):
            entry.state = None
