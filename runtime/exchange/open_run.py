"""One run that is open at a sequencer's shell: what its next append takes with it, and who is to be told what first.

Called by `runtime/service.py` only, which decides when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runtime import clock
from runtime.events import AgentName, AnyEvent, DeliveryCompleted, DeliveryStarted, Digest, StepCompleted
from runtime.exchange.ancestry import Ancestry
from runtime.exchange.bell import Bell
from runtime.exchange.channel import RunOrder
from runtime.exchange.parcels import ForkPast
from runtime.routing import Routes
from runtime.sequencer import UNDO, Outgoing, Sequencer

Homes = dict[AgentName, tuple[str, int]]
"""Where agents live already, and the highest seq that each has seen."""


class Pending(msgspec.Struct):
    """What the next append takes with it."""

    outgoing: list[Outgoing] = []
    blobs: dict[Digest, bytes] = {}
    waiting: list[asyncio.Future[None]] = []

    def settle(self, error: BaseException | None = None) -> None:
        """It is durable, or never will be: whoever waits for it is told."""
        for waiting in self.waiting:
            if waiting.done():
                continue
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)


@dataclass(frozen=True, slots=True)
class Feed:
    """What an agent is to be told again."""

    after: int
    """The events that were for it after this one."""
    is_anew: bool
    """Whether it is made anew for them, and does again what it did; else it lives and has only not seen them."""


@dataclass(slots=True)
class OpenRun:
    """One run at a sequencer: its core, what its next append takes, and who is to be told what before that."""

    order: RunOrder
    epoch: int
    routes: Routes
    core: Sequencer
    pending: Pending = field(default_factory=Pending)
    committing: asyncio.Future[Any] | None = None
    durable_seq: int = 0
    grown: Bell = field(default_factory=Bell)
    homes: dict[AgentName, str] = field(default_factory=dict[AgentName, str])
    hosts: set[str] = field(default_factory=set[str])
    """The hosts that have been told something of it, though all of its agents there may sleep by now."""
    feeds: dict[AgentName, Feed] = field(default_factory=dict[AgentName, Feed])
    """The agents whose past is to be handed out before the next append."""
    fed: dict[AgentName, int] = field(default_factory=dict[AgentName, int])
    """The last seq that was given when an agent was fed: results up to it may come from a host that is gone."""
    tells_driver: int | None = None
    """Where a driver has just been admitted: what it has seen; it is told the rest again before the next append."""
    is_new_driver: bool = False
    """Whether that driver begins with the past, or is the same as before."""
    restored: Sequence[Outgoing] = ()
    """What it was taken up from, until that has been handed out."""
    broken: BaseException | None = None
    fork: Ancestry | None = None
    stored: set[Digest] = field(default_factory=set[Digest])
    """The blobs that this owner has appended: a growing prompt names them again and again."""

    @property
    def must_feed(self) -> bool:
        """Whether something of the past is to be handed out before the next append."""
        return bool(self.feeds) or self.tells_driver is not None

    def feed(self, agent: AgentName, held: int | None = None) -> None:
        """Has an agent told what it has not seen: since `held` where it lives, else since it last slept."""
        slept = self.core.sleep.slept(agent)
        after = held if held is not None else 0 if self.is_shared(slept) else slept
        if after < self.core.sleep.told(agent):
            self.feeds[agent] = Feed(after, is_anew=held is None)

    def is_shared(self, seq: int) -> bool:
        """Whether an event is from before this run became its own: a fork's agents do all of that again."""
        return self.fork is not None and seq < self.fork.past.fork.seq

    @property
    def past(self) -> ForkPast | None:
        """What there is to know of the run that this one was forked from."""
        return None if self.fork is None else self.fork.past

    def is_heard(self, agent: AgentName) -> bool:
        """Whether an agent still acts: of a run that is given up, only what undoes it does."""
        return self.core.aborting is None or agent.type == UNDO

    def settled_steps(self, agent: AgentName) -> list[str]:
        """The agent's steps that a person will answer; they are not performed again either."""
        running = self.core.running()
        asked = self.core.steps.asked()
        return [step.step for step in asked if step.why == "question" and running.get(step.delivery) == agent]

    def payload(self, outgoing: Outgoing) -> Digest | None:
        """What must travel with an event: a result only to a host that cannot have it, fed or a person's."""
        match outgoing.event:
            case StepCompleted(result=result) if outgoing.to is not None:
                is_from_elsewhere = outgoing.is_given or outgoing.event.seq <= self.fed.get(outgoing.to, 0)
                return result if is_from_elsewhere else None
            case DeliveryStarted() if outgoing.message is not None:
                return outgoing.message.payload
            case DeliveryCompleted(response=response):
                return response
            case _:
                return None


def restored(order: RunOrder, epoch: int, events: Sequence[AnyEvent], held: Homes, fork: Ancestry | None) -> OpenRun:
    """A run as its events have left it; all agents are to be fed what they have not seen."""
    routes = msgspec.json.decode(order.blobs[order.started.routes], type=Routes)
    entry = OpenRun(order, epoch, routes, Sequencer(routes), durable_seq=events[-1].seq, fork=fork)
    entry.homes = {agent: host for agent, (host, _) in held.items()}
    entry.restored = [entry.core.apply(event) for event in events]
    for agent in entry.core.sleep.agents():
        entry.feed(agent, held[agent][1] if agent in held else None)
    entry.pending.outgoing += entry.core.resume(at=clock.time_s())
    return entry


def is_due(event: AnyEvent, feed: Feed | None) -> bool:
    """Whether an event is one that an agent is to be told again."""
    return feed is not None and event.seq > feed.after


def woken_state(outgoing: Outgoing) -> Digest | None:
    """What an agent saved that is woken."""
    return outgoing.event.state if isinstance(outgoing.event, DeliveryStarted) else None
