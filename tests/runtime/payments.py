"""A team whose effects are written to a file that outlives every process: what a crash did twice is seen there."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from runtime import steps
from runtime.codec import Json, canonical
from runtime.events import AgentName, EffectClass
from runtime.performance import Performance
from runtime.routing import AgentPolicy, Placement
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Resources, Rest, Team, TeamSpec
from tests.runtime.teams import Handler, Scripted, ask

LOOK_AGAIN_S = 0.02


class Ledger:
    """A file with a line for each effect, and a gate file that effects may be told to wait for."""

    def __init__(self, folder: Path) -> None:
        self._lines = folder / "ledger.txt"
        self._gate = folder / "gate"

    def write(self, effect: str, key: str) -> None:
        """One effect, flushed to disk before it counts as done."""
        file = os.open(self._lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{effect}\t{key}\t{os.getpid()}\n".encode())
        os.fsync(file)
        os.close(file)

    def entries(self) -> list[tuple[str, str, int]]:
        """All effects, with their keys and the process that did them."""
        text = self._lines.read_text() if self._lines.exists() else ""
        return [(effect, key, int(pid)) for effect, key, pid in (line.split("\t") for line in text.splitlines())]

    def counts(self) -> Counter[str]:
        """How often each effect has happened, as one sees it who keeps to the keys."""
        return Counter(effect for effect, _ in {(effect, key) for effect, key, _ in self.entries()})

    def times(self) -> Counter[str]:
        """How often each effect was done, whatever its key."""
        return Counter(effect for effect, _, _ in self.entries())

    async def written(self, effect: str) -> int:
        """Waits until an effect has happened; returns the process that did it."""
        while effect not in self.times():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(LOOK_AGAIN_S)
        return next(pid for name, _, pid in self.entries() if name == effect)

    def open_gate(self) -> None:
        """Lets those go on that wait."""
        self._gate.touch()

    async def passed(self) -> None:
        """Waits until the gate is open."""
        while not self._gate.exists():  # noqa: ASYNC110  # another process opens it
            await asyncio.sleep(LOOK_AGAIN_S)


async def effect(ledger: Ledger, name: str, kind: EffectClass, *, waits: bool = False) -> Json:
    """A step that leaves a line in the ledger, and may wait for the gate before it is done."""

    async def perform(key: str) -> StepResult:
        ledger.write(name, key)
        if waits:
            await ledger.passed()
            ledger.write(f"{name} done", key)
        return StepResult(f"{name}!")

    return (await steps.perform(StepCall("tool", name, canonical({"effect": name}), perform, kind))).value


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """`lead` pays through `clerk/0` … and adds up; `waiter` has one effect that waits for the gate."""
    ledger = Ledger(Path(cast(str, config["folder"])))

    async def clerk(self: Scripted, data: dict[str, Json]) -> Json:
        n = data["n"]
        found = await effect(ledger, f"look {n}", "idempotent")
        paid = await effect(ledger, f"pay {n}", cast(EffectClass, data["kind"]))
        self.seen.append(n)
        return [found, paid, len(self.seen)]

    async def lead(self: Scripted, data: dict[str, Json]) -> Json:
        answers: list[Json] = []
        for n in range(cast(int, data["rounds"])):
            pair = (2 * n, 2 * n + 1)
            answers += await asyncio.gather(*(ask(f"clerk/{m % 4}", n=m, kind=data["kind"]) for m in pair))
        return [answers, await effect(ledger, "sum", "idempotent")]

    async def waiter(self: Scripted, data: dict[str, Json]) -> Json:
        kind = cast(EffectClass, data["kind"])
        return [await effect(ledger, "first", "idempotent"), await effect(ledger, "held", kind, waits=True)]

    async def front(self: Scripted, data: dict[str, Json]) -> Json:
        return await ask("waiter", **data)

    handlers: dict[str, Handler] = {"lead": lead, "clerk": clerk, "waiter": waiter, "front": front}

    def spec(name: str) -> AgentSpec:
        async def make(agent: AgentName) -> Scripted:
            await asyncio.sleep(0)
            return Scripted(agent, handlers[name], [])

        return AgentSpec(make, AgentPolicy(placement=Placement("local" if name == "front" else "cluster")))

    return Team({name: spec(name) for name in handlers}, rest=Rest(deliveries=cast(int, config["naps"])))


def performance(folder: Path, recipient: str, data: Mapping[str, Json], naps: int = 100) -> Performance:
    """A run of this team, with its ledger in the folder; its agents sleep after so many deliveries."""
    spec = TeamSpec("payments", "tests.runtime.payments:build", {"folder": str(folder), "naps": naps})
    return Performance("run", spec, AgentName(recipient), canonical({"type": "json", "data": dict(data)}))
