"""`repertory chaos FILE`: kills a run at every append of its journal and shows that nothing is lost or done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repertory.commands.run import EngineName
from repertory.output import JsonFlag


def chaos(
    file: Annotated[Path, typer.Argument(help="The scenario file.")],
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="recorded:FILE or scripted:FILE; none: the scenario's own.")
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option(help="local: crashes are simulated in this process; ray: processes are really killed."),
    ] = EngineName.LOCAL,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many points, chosen at random; local: all, ray: 20.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Which points are chosen.")] = 0,
    point: Annotated[
        str | None, typer.Option(metavar="POINT", help="Only this point, such as 17:after, as a failure names it.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the scenario.")
    ] = None,
    input_: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="Give an input of the scenario.")
    ] = None,
    hosts: Annotated[int, typer.Option(min=1, max=64, help="How many Ray actors host the agents.")] = 2,
    json: JsonFlag = False,
) -> None:
    """Kill a run just before and just after every append of its journal, recover it, and compare.

    The run must end with the result of the undisturbed one, by the same steps; what it does to the world must have
    happened once. Nothing is remembered, and no run is kept. Exit code 1 when a point fails; it is then named, with
    the command that tries it again.
    """
    import asyncio

    from repertory.chaos import ChaosOrder
    from repertory.chaos import chaos as kill_and_compare
    from repertory.settings import read_settings
    from runtime.chaos import parse_point
    from scenarios.load import load_scenario

    options: dict[str, tuple[tuple[str, str], str | bool | None]] = {
        "--model": (("model", "name"), model),
        "nothing is remembered": (("memory", "remember"), False),
    }
    said = {"--model": [model] if model else [], "--set": set_ or [], "--input": input_ or []}
    order = ChaosOrder(
        loaded=load_scenario(file, sets=set_ or (), inputs=input_ or (), options=options),
        engine=engine.value,
        sample=sample,
        seed=seed,
        point=parse_point(point) if point is not None else None,
        hosts=hosts,
        json=json,
        command=["repertory", "chaos", str(file), "--engine", engine.value]
        + (["--hosts", str(hosts)] if engine is EngineName.RAY else [])
        + [word for name, values in said.items() for value in values for word in (name, value)],
    )
    raise typer.Exit(asyncio.run(kill_and_compare(order, read_settings())))
