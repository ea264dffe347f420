"""`repertory run FILE`: performs a scenario and writes its results."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from repertory.output import JsonFlag


class EngineName(StrEnum):
    """Where agents live."""

    RAY = "ray"
    LOCAL = "local"


def run(
    file: Annotated[Path, typer.Argument(help="The scenario file.")],
    engine: Annotated[
        EngineName, typer.Option(help="ray: agents are Ray actors; local: all in this process.")
    ] = EngineName.RAY,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A model's name, recorded:FILE or scripted:FILE."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible server; its key comes from REPERTORY_API_KEY."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where results go; default out/NAME.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the scenario.")
    ] = None,
    input_: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="Give an input of the scenario.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Neither use nor keep what is remembered.")] = False,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the model's answers, for --model recorded:FILE.")
    ] = None,
    hosts: Annotated[int, typer.Option(min=1, max=64, help="How many Ray actors host the agents.")] = 3,
    json: JsonFlag = False,
) -> None:
    """Perform a scenario; print its plan and write it to a directory."""
    import asyncio

    from repertory.perform import Order, perform
    from repertory.settings import read_settings
    from scenarios.load import load_scenario

    options: dict[str, tuple[tuple[str, str], str | bool | None]] = {
        "--model": (("model", "name"), model),
        "--endpoint": (("model", "endpoint"), endpoint),
        "--fresh": (("memory", "remember"), False if fresh else None),
    }
    loaded = load_scenario(file, sets=set_ or (), inputs=input_ or (), options=options)
    order = Order(
        loaded=loaded,
        engine=engine.value,
        out=out or Path("out") / loaded.scenario.name,
        hosts=hosts,
        record=record,
        json=json,
    )
    raise typer.Exit(asyncio.run(perform(order, read_settings())))
