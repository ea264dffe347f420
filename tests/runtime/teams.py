"""Small teams that tests perform: built from a spec like any other, so that every engine can host them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from runtime import clock, steps
from runtime.budget import Budget
from runtime.codec import Json, canonical, parse
from runtime.errors import StepFailed
from runtime.events import AgentName, EffectClass, StepKind, Topic
from runtime.hosting.delivery import Delivery
from runtime.performance import Performance
from runtime.routing import AgentPolicy, Placement, Subscription
from runtime.steps import NeedsPerson, StepCall, StepResult
from runtime.team import AgentSpec, Incoming, Resources, Rest, Team, TeamSpec

Handler = Callable[["Scripted", dict[str, Json]], Awaitable[Json]]


@dataclass
class Scripted:
    """An agent made of one async function; it keeps what it has been told."""

    name: AgentName
    handler: Handler
    seen: list[Json]
    incoming: Incoming | None = None
    style: str = "plain"

    async def receive(self, incoming: Incoming) -> bytes:
        self.incoming = incoming
        body = cast(dict[str, Json], parse(incoming.payload))
        return canonical({"type": "json", "data": await self.handler(self, cast(dict[str, Json], body["data"]))})

    async def save(self) -> bytes:
        return canonical({"seen": self.seen})

    async def load(self, state: bytes) -> None:
        self.seen = cast(dict[str, list[Json]], parse(state))["seen"]


def delivery() -> Delivery:
    found = steps.current.get()
    assert isinstance(found, Delivery)
    return found


async def ask(recipient: str, **data: Json) -> Json:
    kind, _, key = recipient.partition("/")
    payload = canonical({"type": "json", "data": data})
    _, response = delivery().send(AgentName(kind, key or "default"), payload, {})
    answer = cast(dict[str, Json], parse(await response))
    return answer["data"]


def tell(topic: str, **data: Json) -> None:
    delivery().publish(Topic(topic), canonical({"type": "json", "data": data}), {})


async def call(
    name: str, value: Json = None, *, kind: StepKind = "tool", effect: EffectClass = "read", error: str = ""
) -> Json:
    async def perform(_: str) -> StepResult:
        await asyncio.sleep(0)
        if error:
            raise StepFailed(error, "broken")
        return StepResult(value if value is not None else name.upper())

    recorded = await steps.perform(StepCall(kind, name, canonical({"name": name}), perform, effect))
    return recorded.value


EFFECTS: list[str] = []
"""What has really happened outside, in order."""


async def effect(name: str, kind: EffectClass, *, approval: str = "", is_metered: bool = False) -> Json:
    """A side effect that leaves its mark in `EFFECTS`; a compensable one leaves another when it is undone."""

    async def perform(_: str) -> StepResult:
        await asyncio.sleep(0)
        EFFECTS.append(name)
        return StepResult(name)

    async def undo(_: str) -> None:
        EFFECTS.append(f"un{name}")

    call = StepCall(
        "tool",
        name,
        canonical({"effect": name}),
        perform,
        kind,
        approval=approval,
        undo=undo if kind == "compensable" else None,
        is_metered=is_metered,
    )
    return (await steps.perform(call)).value


async def purchaser(self: Scripted, data: dict[str, Json]) -> Json:
    """Pays when a person lets it; says what it was told when not."""
    first = await effect("look", "read")
    try:
        paid = await effect("pay", "irreversible", approval="pay 100?")
    except StepFailed as error:
        paid = f"{error.code}: {error}"
    return [first, paid, await effect("note", "idempotent")]


async def shop(self: Scripted, data: dict[str, Json]) -> Json:
    """Two purchasers at once, beside other work."""
    return await asyncio.gather(ask("purchaser/1"), ask("purchaser/2"), ask("spender"))


async def curious(self: Scripted, data: dict[str, Json]) -> Json:
    """Asks a person who is not there."""

    async def perform(_: str) -> StepResult:
        raise NeedsPerson("which city?")

    return (await steps.perform(StepCall("question", "person", canonical("city"), perform))).value


async def holder(self: Scripted, data: dict[str, Json]) -> Json:
    """Holds three things, the last two at once, then fails for good when it is told to."""
    first = await effect("hold 1", "compensable")
    others = await asyncio.gather(effect("hold 2", "compensable"), effect("hold 3", "compensable"))
    if data.get("fail"):
        raise StepFailed("nothing goes", "sold_out")
    return [first, *others, await effect("pay", "irreversible", approval="pay 100?")]


async def undo(self: Scripted, data: dict[str, Json]) -> Json:
    """Undoes a step; each undo is keyed by its own step's id."""

    async def perform(_: str) -> StepResult:
        await asyncio.sleep(0)
        EFFECTS.append(f"un{data['tool']}")
        if FAILING_UNDO and data["tool"] == FAILING_UNDO[0]:
            raise StepFailed("the hotel does not answer", "unavailable")
        return StepResult(None)

    request = canonical({"undo": data["step"]})
    return (await steps.perform(StepCall("tool", f"undo {data['tool']}", request, perform, "idempotent"))).value


FAILING_UNDO: list[str] = []
"""The tool whose undoing fails, where a test says so."""


async def eager(self: Scripted, data: dict[str, Json]) -> Json:
    """Four counted effects: one, two at once, one."""
    await effect("one", "read", is_metered=True)
    await asyncio.gather(effect("two", "idempotent", is_metered=True), effect("three", "read", is_metered=True))
    return await effect("four", "irreversible", is_metered=True)


async def spender(self: Scripted, data: dict[str, Json]) -> Json:
    """Three effects that may be repeated: one after another, then two at once."""
    first = await effect("book", "idempotent")
    return [first, *(await asyncio.gather(effect("look", "read"), effect("write", "idempotent")))]


async def payer(self: Scripted, data: dict[str, Json]) -> Json:
    """An effect that must not be repeated, between two that may."""
    return [await effect("look", "read"), await effect("pay", "irreversible"), await effect("note", "idempotent")]


async def boss(self: Scripted, data: dict[str, Json]) -> Json:
    """Asks three workers at once, calls two tools, and reads the clock."""
    numbers = range(cast(int, data.get("workers", 3)))
    answers = await asyncio.gather(*(ask(f"worker/{n}", n=n) for n in numbers))
    tools = await asyncio.gather(call("alpha"), call("beta"))
    tell("news", text="finished")
    return {"answers": answers, "tools": tools, "id": clock.new_id(), "time": clock.time_s()}


async def worker(self: Scripted, data: dict[str, Json]) -> Json:
    self.seen.append(data["n"])
    value = await call(f"square {data['n']}", cast(int, data["n"]) ** 2)
    return {"square": value, "seen": list(self.seen)}


async def listener(self: Scripted, data: dict[str, Json]) -> Json:
    self.seen.append(data["text"])
    return None


async def echo(self: Scripted, data: dict[str, Json]) -> Json:
    return data


async def ping(self: Scripted, data: dict[str, Json]) -> Json:
    """Asks pong, which asks ping back while ping still waits."""
    if data.get("back"):
        return "inner"
    return {"pong": await ask("pong")}


async def pong(self: Scripted, data: dict[str, Json]) -> Json:
    return {"ping": await ask("ping", back=True)}


async def left(self: Scripted, data: dict[str, Json]) -> Json:
    """With `right`: two agents that ask each other at the same time."""
    if data.get("question"):
        return "left says"
    await call("warm-up left")
    return await ask("right", question=True)


async def right(self: Scripted, data: dict[str, Json]) -> Json:
    if data.get("question"):
        return "right says"
    await call("warm-up right")
    return await ask("left", question=True)


async def both(self: Scripted, data: dict[str, Json]) -> Json:
    return await asyncio.gather(ask("left"), ask("right"))


async def crowd(self: Scripted, data: dict[str, Json]) -> Json:
    """Three requests at once to one worker."""
    return await asyncio.gather(*(ask("worker", n=n) for n in range(3)))


async def lost(self: Scripted, data: dict[str, Json]) -> Json:
    return await ask("nobody")


async def careful(self: Scripted, data: dict[str, Json]) -> Json:
    """A failed step, seen with its type, then a time limit, then an effect that must not happen twice."""
    code = slept = ""
    try:
        await call("broken", error="no such thing")
    except StepFailed as error:
        code = error.code
    try:
        await asyncio.wait_for(call_slow(), 0.01)
    except TimeoutError:
        slept = "timed out"
    return {"code": code, "slow": slept, "paid": await call("pay", effect="irreversible")}


async def call_slow() -> Json:
    async def perform(_: str) -> StepResult:
        await asyncio.sleep(30)
        return StepResult(None)

    return (await steps.perform(StepCall("tool", "slow", canonical("slow"), perform))).value


async def where(self: Scripted, data: dict[str, Json]) -> Json:
    """In which processes two agents live."""
    return {"hosted": os.getpid(), "local": await ask("process")}


async def process(self: Scripted, data: dict[str, Json]) -> Json:
    return os.getpid()


async def suicidal(self: Scripted, data: dict[str, Json]) -> Json:
    """Ends its host as a crash would."""
    await call("last words")
    os.kill(os.getpid(), signal.SIGKILL)
    return None


async def leaky(self: Scripted, data: dict[str, Json]) -> Json:
    """A secret goes into a request, and the name of that step, as evidence, into another."""

    async def perform(_: str) -> StepResult:
        return StepResult(f"got {data['key']}")

    recorded = await steps.perform(StepCall("tool", "leaky", canonical({"key": data["key"]}), perform))
    await call("without")
    return [recorded.value, await call(f"after {recorded.step}")]


async def breaker(self: Scripted, data: dict[str, Json]) -> Json:
    return await call("broken", error="no such thing")


async def chain(self: Scripted, data: dict[str, Json]) -> Json:
    """Each step asks for what the one before has answered; the last asks for nothing."""
    first = await call("first")
    second = await call(f"second of {first}")
    return [first, second, await call(f"third of {second}"), await call("last")]


async def buyer(self: Scripted, data: dict[str, Json]) -> Json:
    """Buys what was chosen."""
    chosen = str(await call("choose", "this"))

    async def perform(_: str) -> StepResult:
        EFFECTS.append(f"buy {chosen}")
        return StepResult(chosen)

    return (await steps.perform(StepCall("tool", "buy", canonical({"buy": chosen}), perform, "irreversible"))).value


async def talker(self: Scripted, data: dict[str, Json]) -> Json:
    """Has three things said by one speaker."""
    return [await ask("speaker", text=text) for text in ("one", "two", "three")]


async def steady(self: Scripted, data: dict[str, Json]) -> Json:
    """Has one worker do many things, one after the other."""
    return [await ask("worker", n=n) for n in range(cast(int, data.get("times", 4)))]


async def salon(self: Scripted, data: dict[str, Json]) -> Json:
    """Has one stylist show three times what styles it has seen."""
    return [await ask("stylist") for _ in range(3)]


async def stylist(self: Scripted, data: dict[str, Json]) -> Json:
    """Remembers the style of the team's settings at each message."""
    self.seen.append(self.style)
    return list(self.seen)


async def speaker(self: Scripted, data: dict[str, Json]) -> Json:
    """Says things in the style of the team's settings, which is part of what it asks for."""
    style, text = self.style, str(data["text"])

    async def perform(_: str) -> StepResult:
        return StepResult(f"{style} {text}")

    call = StepCall("tool", f"say {text}", canonical({"style": style, "text": text}), perform)
    return (await steps.perform(call)).value


HANDLERS: dict[str, Handler] = {
    handler.__name__: handler
    for handler in (
        boss,
        worker,
        listener,
        echo,
        ping,
        pong,
        left,
        right,
        both,
        lost,
        careful,
        where,
        process,
        suicidal,
        spender,
        payer,
        crowd,
        purchaser,
        shop,
        curious,
        holder,
        undo,
        eager,
        leaky,
        breaker,
        chain,
        buyer,
        talker,
        speaker,
        steady,
        salon,
        stylist,
    )
}


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """All scripted agents; `config["local"]` names the types that live with the driver, `config["budget"]` limits,
    `config["rest"]` says when they sleep."""
    local = [*cast(list[str], config.get("local", [])), "undo"]

    def spec(name: str) -> AgentSpec:
        async def make(agent: AgentName) -> Scripted:
            await asyncio.sleep(0)
            return Scripted(agent, HANDLERS[name], [], style=str(config.get("style", "plain")))

        return AgentSpec(make, AgentPolicy(placement=Placement("local" if name in local else "cluster")))

    return Team(
        {name: spec(name) for name in HANDLERS},
        (Subscription("news", "listener"),),
        msgspec.convert(config.get("budget", {}), Budget),
        msgspec.convert(config.get("rest", {}), Rest),
    )


def performance(
    run: str,
    recipient: str,
    data: Mapping[str, Json] = {},
    *,
    local: Sequence[str] = (),
    budget: Mapping[str, Json] = {},
    rest: Mapping[str, Json] = {},
) -> Performance:
    """A run of the scripted team that begins with one message."""
    config: dict[str, Json] = {"local": list(local), "budget": dict(budget), "rest": dict(rest)}
    spec = TeamSpec("scripted", "tests.runtime.teams:build", config)
    kind, _, key = recipient.partition("/")
    return Performance(
        run, spec, AgentName(kind, key or "default"), canonical({"type": "json", "data": dict(data)}), quiet_s=0.02
    )
