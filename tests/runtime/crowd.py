"""A team of which many runs are performed at once: each asks a scripted model, and pays through two clerks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import ray as untyped_ray
from autogen_core.models import UserMessage

from runtime import steps
from runtime.codec import Json, canonical
from runtime.events import AgentName
from runtime.journaled import JournaledModel
from runtime.performance import Performance
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Resources, Team, TeamSpec
from serving.scripted import ScriptedModel
from tests.runtime.payments import LOOK_AGAIN_S, Ledger
from tests.runtime.teams import Handler, Scripted, ask

ray: Any = untyped_ray

CLERKS = 2


class Crowd:
    """What the runs leave behind in a folder that all nodes see."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("books", "places"):
            (folder / name).mkdir(exist_ok=True)
        self.books = Ledger(folder / "books")
        self.places = Ledger(folder / "places")

    def nodes_of(self, run: str) -> set[str]:
        """The nodes on which agents of a run have paid."""
        return {effect.split()[1] for effect, _, _ in self.places.entries() if effect.startswith(f"{run}/")}

    async def payments(self, count: int) -> None:
        """Waits until so many payments have been made."""
        while len(self.books.entries()) < count:  # noqa: ASYNC110  # other processes make them
            await asyncio.sleep(LOOK_AGAIN_S)

    def performance(self, number: int) -> Performance:
        """One of the runs."""
        spec = TeamSpec("crowd", "tests.runtime.crowd:build", {"folder": str(self._folder)})
        payload = canonical({"type": "json", "data": {"number": number}})
        return Performance(f"run-{number}", spec, AgentName("lead"), payload)


def _node() -> str:
    """The node that this process is on, `here` outside of Ray."""
    return str(ray.get_runtime_context().get_node_id()) if ray.is_initialized() else "here"


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """`lead` asks the model how much, has each clerk pay, and adds up."""
    crowd = Crowd(Path(cast(str, config["folder"])))
    run = resources.run

    async def lead(_: Scripted, data: dict[str, Json]) -> Json:
        model = JournaledModel(ScriptedModel(lambda messages: str(messages[-1].content)[::-1]), "scripted")
        said = await model.create([UserMessage(content=f"12{data['number']}", source="user")])
        paid = await asyncio.gather(*(ask(f"clerk/{n}", amount=str(said.content)) for n in range(CLERKS)))
        return {"paid": list(paid), "number": data["number"]}

    async def clerk(self: Scripted, data: dict[str, Json]) -> Json:
        name = f"{run}/{self.name.key}"

        async def pay(key: str) -> StepResult:
            crowd.places.write(f"{name} {_node()}", key)
            crowd.books.write(name, key)
            return StepResult(data["amount"])

        request = canonical({"pay": name})
        return (await steps.perform(StepCall("tool", "pay", request, pay, "idempotent"))).value

    handlers: dict[str, Handler] = {"lead": lead, "clerk": clerk}

    def spec(name: str) -> AgentSpec:
        async def make(agent: AgentName) -> Scripted:
            await asyncio.sleep(0)
            return Scripted(agent, handlers[name], [])

        return AgentSpec(make)

    return Team({name: spec(name) for name in handlers})
