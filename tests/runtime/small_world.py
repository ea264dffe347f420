"""A world without I/O for property tests: the real sequencer core, journal and hosts, and a schedule that is drawn.

Teams are random programs: what an agent does when it is given a message, as a list of doings. Nothing in here waits:
proposals lie in their host's outbox until the schedule hands them to an owner of the run, what an owner has taken lies
there until the schedule lets it append, steps lie there until it lets them happen, and anything may die in between.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from runtime import ids, steps
from runtime.blobs import digest
from runtime.codec import Json, canonical, parse
from runtime.errors import StaleEpoch
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    EffectClass,
    MessageSent,
    RunCompleted,
    StepCompleted,
)
from runtime.exchange.parcels import Parcel
from runtime.host import HostedRun
from runtime.journal import MemoryJournal
from runtime.people import Decision
from runtime.routing import AgentPolicy, Routes, Subscription
from runtime.sequencer import Outgoing, Sequencer
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Rest, Team
from tests.runtime import teams
from tests.runtime.teams import Scripted, ask, tell

RUN = "run"
HOSTS = 2
NEVER = 1_000_000
Value = TypeVar("Value")


@dataclass(frozen=True)
class Doing:
    """One thing that an agent does: asks other agents (at once, where several), tells one, or has an effect."""

    kind: str
    """"ask", "tell" or the class of an effect."""
    targets: tuple[int, ...] = ()


Program = Sequence[Doing]
"""What an agent does with a message; agent n reaches only agents above n, so that everything ends."""


def now(work: Coroutine[Any, Any, Value]) -> Value:
    """What a coroutine returns that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast(Value, done.value)
    raise AssertionError("it waits")


class Stepping(HostedRun):
    """A host's part of the run whose tasks stand still until the schedule moves them."""

    def __init__(self, team: Team, name: str) -> None:
        self.name = name
        self.outbox: list[tuple[list[AnyEvent], dict[Digest, bytes]]] = []
        self.inbox: list[Parcel] = []
        self.handed_over = 0
        """How many batches of the outbox an owner has taken and not yet made durable."""
        self.waiting: list[Coroutine[None, None, None]] = []
        super().__init__(RUN, team, self._lay_out, {}, _raise)

    async def _lay_out(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        self.outbox.append((events, blobs))

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        self.waiting.append(work)
        return cast("asyncio.Task[None]", _Idle())

    def _send_soon(self) -> None:
        """Nothing goes out before the schedule says so."""

    def flush(self) -> None:
        """Lays out what was proposed, as one batch."""
        batch = self._batch
        if batch.events:
            self.outbox.append((list(batch.events), dict(batch.blobs)))
            batch.events.clear()
            batch.blobs.clear()

    def doze(self) -> None:
        """Whoever rests has rested long enough."""
        for name in self._cells.awake:
            self._put_to_sleep(name)

    def end(self) -> None:
        """The process is gone."""
        self._is_closed = True
        self._rest.close()
        self._cells.close()
        for work in self.waiting:
            work.close()


class _Idle:
    """A task that does nothing."""

    def cancel(self) -> None:
        """Nothing to cancel: dropped steps may happen all the same."""


def _raise(error: Exception) -> None:
    raise error


@dataclass
class Owner:
    """Who gives the run its order: a core, and what it has taken and not yet made durable."""

    epoch: int
    core: Sequencer
    pending: list[Outgoing] = field(default_factory=list[Outgoing])
    blobs: dict[Digest, bytes] = field(default_factory=dict[Digest, bytes])
    is_stale: bool = False


class World:
    """A run of a random team, whose agents sleep after `naps` deliveries, or never; see the module."""

    def __init__(self, programs: Sequence[Program], naps: int = NEVER) -> None:
        self.turns: dict[str, int] = {}
        """Of which number a delivery was for its agent, by what the agent remembers."""
        self._rest = Rest(deliveries=naps)
        self.effects: Counter[str] = Counter()
        self.keys: dict[str, str] = {}
        """The class of each effect that happened, by its step."""
        self.known: list[AnyEvent] = []
        """What somebody was told is durable."""
        self.done_again: list[str] = []
        """Effects that were done although their results were known to be durable."""
        self.journal = MemoryJournal()
        self.result: Json = None
        self._time = 0.0
        self._team = self.team(programs)
        self._routes = Routes({name: spec.policy for name, spec in self._team.agents.items()}, self._team.subscriptions)
        self.owner = Owner(now(self.journal.claim(RUN)), Sequencer(self._routes))
        self.stale: list[Owner] = []
        self.hosts = [Stepping(self._team, f"host-{n}") for n in range(HOSTS)]
        self.ask_first()

    # What the schedule may do

    def hand_over(self, host: int) -> None:
        """The next batch of a host reaches the owner."""
        stepping = self.hosts[host]
        stepping.flush()
        if stepping.handed_over < len(stepping.outbox):
            events, blobs = stepping.outbox[stepping.handed_over]
            stepping.handed_over += 1
            self._take(events, blobs)

    def hand_over_again(self, host: int) -> None:
        """A batch that the owner has already reaches it once more."""
        stepping = self.hosts[host]
        if stepping.outbox:
            self._take(*stepping.outbox[0])

    def append(self) -> None:
        """What the owner has taken becomes durable, and is handed out."""
        if not self._append(self.owner):
            raise AssertionError("the owner of the run is refused")

    def lose_answer(self) -> None:
        """It becomes durable and the owner dies before anyone is told."""
        events = [outgoing.event for outgoing in self.owner.pending]
        now(self.journal.append(RUN, self.owner.epoch, events, self.owner.blobs))
        self.kill_owner()

    def release(self, host: int) -> None:
        """A host takes its next parcel."""
        if inbox := self.hosts[host].inbox:
            self.hosts[host].release(inbox.pop(0))

    def doze(self, host: int) -> None:
        """The agents at a host that have nothing to do are to sleep."""
        self.hosts[host].doze()

    def happen(self, host: int) -> None:
        """A step at a host happens, and its completion is proposed."""
        if waiting := self.hosts[host].waiting:
            now(waiting.pop(0))

    def kill_host(self, host: int, *, with_effect: bool = False) -> None:
        """A host dies, with what it was doing, which may have happened; another one takes its place."""
        dying = self.hosts[host]
        if with_effect and dying.waiting:
            now(dying.waiting.pop(0))
        dying.end()
        self.hosts[host] = Stepping(self._team, dying.name)
        if self.owner.pending:
            self.append()
        self._feed([host])

    def kill_owner(self, *, is_paused: bool = False) -> None:
        """The owner dies, or only stands still and does not know that another one has taken the run over."""
        if is_paused:
            self.stale.append(self.owner)
        epoch, core = now(self.journal.claim(RUN)), Sequencer(self._routes)
        for event in now(self.journal.events(RUN)):
            core.apply(event)
        self.owner = Owner(epoch, core)
        self._time += 1
        self.owner.pending += core.resume(at=self._time)
        for host in self.hosts:
            host.handed_over = 0
        self.ask_first()
        self.append()
        for n in range(HOSTS):
            self._feed([n])

    def wake_stale(self) -> None:
        """An owner that stood still goes on, and must not get anywhere."""
        if self.stale:
            former = self.stale.pop(0)
            before = now(self.journal.events(RUN))
            assert not self._append(former) or not former.pending
            assert now(self.journal.events(RUN)) == before

    def kill_all(self) -> None:
        """Everything dies at once, and the run is resumed."""
        for host in self.hosts:
            host.end()
        self.hosts = [Stepping(self._team, host.name) for host in self.hosts]
        self.kill_owner()

    def finish(self) -> None:
        """Goes on without further mishaps to the end of the run."""
        for _ in range(500):
            if self.owner.core.has_ended and not self.owner.pending:
                return
            for host in range(HOSTS):
                while self.hosts[host].inbox:
                    self.release(host)
                while self.hosts[host].waiting:
                    self.happen(host)
                self.hosts[host].flush()
                while self.hosts[host].handed_over < len(self.hosts[host].outbox):
                    self.hand_over(host)
            self._answer_questions()
            self.append()
        raise AssertionError("the run does not come to its end")

    # Owner

    def ask_first(self) -> None:
        """The driver sends its message, perhaps again."""
        body = canonical({"type": "json", "data": {"n": 0}})
        first = MessageSent(
            message=ids.message_id(ids.ROOT, 0),
            sender=None,
            cause=ids.ROOT,
            recipient=AgentName("a0"),
            payload=digest(body),
        )
        self._take([first], {digest(body): body})

    def _take(self, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes]) -> None:
        self._time += 1
        for event in events:
            self.owner.pending += self.owner.core.take(event, at=self._time)
        self.owner.blobs.update(blobs)

    def _append(self, owner: Owner) -> bool:
        events = [outgoing.event for outgoing in owner.pending]
        try:
            now(self.journal.append(RUN, owner.epoch, events, owner.blobs))
        except StaleEpoch:
            return False
        if owner is self.owner:
            self.known += events
            pending, owner.pending, owner.blobs = owner.pending, [], {}
            for host in self.hosts:
                del host.outbox[: host.handed_over]
                host.handed_over = 0
            for outgoing in pending:
                self._hand_out(outgoing)
        return True

    def _answer_questions(self) -> None:
        """The person looks whether what is uncertain has happened, and says so."""
        for asked in self.owner.core.steps.asked():
            has_happened = self.effects[asked.step] > 0
            decision = Decision("done", result=asked.step) if has_happened else Decision("retry")
            event, blobs = decision.event(asked)
            self._take([event], blobs)
            self.owner.pending += self.owner.core.begin(at=self._time)

    # Handing out

    def _hand_out(self, outgoing: Outgoing, past: dict[AgentName, list[str]] | None = None) -> None:
        event = outgoing.event
        if outgoing.to is not None:
            is_past = past is not None
            done = tuple(past.pop(outgoing.to, ())) if past is not None else ()
            payload, state = self._payload(outgoing), self._state(outgoing)
            parcel = Parcel(RUN, event, outgoing.to, outgoing.message, payload, is_past, done, state)
            self.hosts[_home(outgoing.to)].inbox.append(parcel)
        elif outgoing.to_driver and isinstance(event, DeliveryCompleted) and past is None:
            assert event.response is not None, event.failure
            self.result = cast(Mapping[str, Json], parse(now(self.journal.blob(event.response))))["data"]
            self._take([RunCompleted(result=event.response)], {})

    def _payload(self, outgoing: Outgoing) -> bytes | None:
        match outgoing.event:
            case DeliveryStarted() if outgoing.message is not None:
                return now(self.journal.blob(outgoing.message.payload))
            case DeliveryCompleted(response=str() as name) | StepCompleted(result=str() as name):
                return now(self.journal.blob(name))
            case _:
                return None

    def _state(self, outgoing: Outgoing) -> bytes | None:
        event = outgoing.event
        if not isinstance(event, DeliveryStarted) or event.state is None:
            return None
        return now(self.journal.blob(event.state))

    def _is_over(self, event: AnyEvent, agent: AgentName, held: Mapping[AgentName, int]) -> bool:
        """Whether an agent that is fed needs nothing of an event: it has slept since."""
        return agent not in held and event.seq <= self.owner.core.sleep.slept(agent)

    def _feed(self, homes: Sequence[int]) -> None:
        """Hands out the past, also to agents that have seen it, which must not heed it."""
        for home in homes:
            host = self.hosts[home]
            host.inbox.clear()
            held = host.held()
            events = [self.owner.core.addressed(event) for event in now(self.journal.events(RUN))]
            mine = [
                each
                for each in events
                if each.to is not None and _home(each.to) == home and not self._is_over(each.event, each.to, held)
            ]
            past: dict[AgentName, list[str]] = {}
            for each in mine:
                if isinstance(each.event, StepCompleted) and each.to is not None and each.to not in held:
                    past.setdefault(each.to, []).append(each.event.step)
            for each in mine:
                self._hand_out(each, past if each.to not in held else {})
        last = [each for each in self._answers() if each.response is not None]
        if last and not self.owner.core.has_ended:
            self._take([RunCompleted(result=cast(str, last[0].response))], {})
            self.result = cast(Mapping[str, Json], parse(now(self.journal.blob(cast(str, last[0].response)))))["data"]

    def _answers(self) -> list[DeliveryCompleted]:
        first = ids.message_id(ids.ROOT, 0)
        events = now(self.journal.events(RUN))
        return [event for event in events if isinstance(event, DeliveryCompleted) and event.message == first]

    # The team

    def team(self, programs: Sequence[Program]) -> Team:
        """The team of these programs."""

        def spec(number: int, program: Program) -> AgentSpec:
            async def handler(self: Scripted, data: dict[str, Json]) -> Json:
                self.seen.append(data["n"])
                delivery = teams.delivery().id
                assert turns.setdefault(delivery, len(self.seen)) == len(self.seen), "the agent has forgotten"
                return [await do(n, doing) for n, doing in enumerate(program)]

            async def make(name: AgentName) -> Scripted:
                return Scripted(name, handler, [])

            async def do(place: int, doing: Doing) -> Json:
                if doing.kind == "ask":
                    return await asyncio.gather(*(ask(f"a{target}", n=place) for target in doing.targets))
                if doing.kind == "tell":
                    for target in doing.targets:
                        tell(f"topic-{target}", n=place)
                    return None
                return await asyncio.gather(*(self._effect(f"{number}.{place}.{n}", doing) for n in range(2)))

            return AgentSpec(make, AgentPolicy())

        turns = self.turns
        agents = {f"a{number}": spec(number, program) for number, program in enumerate(programs)}
        listening = tuple(Subscription(f"topic-{n}", f"a{n}") for n in range(len(programs)))
        return Team(agents, listening, rest=self._rest)

    async def _effect(self, name: str, doing: Doing) -> Json:
        effect = cast(EffectClass, doing.kind)

        async def perform(step: str) -> StepResult:
            if any(isinstance(event, StepCompleted) and event.step == step for event in self.known):
                self.done_again.append(name)
            self.effects[step] += 1
            self.keys[step] = effect
            return StepResult(step)

        return (await steps.perform(StepCall("tool", name, canonical(name), perform, effect))).value


def _home(agent: AgentName) -> int:
    return int(agent.type[1:]) % HOSTS
