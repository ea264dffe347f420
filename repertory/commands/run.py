"""`repertory run FILE`: performs a scenario and writes its results."""

from __future__ import annotations

from collections.abc import Sequence
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
    file: Annotated[Path, typer.Argument(help="The scenario file, or a team's component JSON.")],
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
    task: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What a team is to do, where FILE is AutoGen's component JSON.")
    ] = None,
    allow_provider: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE", help="Trust a team's components, or functions, that this module has."),
    ] = None,
    effect: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=CLASS", help="A team's tool: read, idempotent or irreversible (which is assumed)."),
    ] = None,
    repeat: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Perform it K times: a JSON line on stdout for each run.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Perform it once for each line: a JSON object of inputs.")
    ] = None,
    together: Annotated[int, typer.Option(metavar="N", min=1, help="How many of many runs at once.")] = 8,
    sequencers: Annotated[int, typer.Option(min=1, max=64, help="How many actors order many runs.")] = 1,
    json: JsonFlag = False,
) -> None:
    """Perform a scenario, or a team of AutoGen's own; print what comes of it and write it to a directory.

    With --repeat or --inputs, perform a scenario many times.
    """
    import asyncio

    from repertory.commands.team_options import refuse_for_scenario, refuse_for_team
    from scenarios.json_file import is_team_file

    if is_team_file(file) or (task is not None and file.suffix.lower() == ".json"):
        refuse_for_team(
            {
                "--model": model,
                "--endpoint": endpoint,
                "--set": set_,
                "--input": input_,
                "--fresh": fresh,
                "--record": record,
                "--repeat": repeat,
                "--inputs": inputs,
            }
        )
        raise typer.Exit(_run_team(file, task, (allow_provider or (), effect or ()), (engine, out, hosts, json)))
    refuse_for_scenario({"--task": task, "--allow-provider": allow_provider, "--effect": effect})

    from repertory.many import ManyOrder, Options, perform_many
    from repertory.perform import Order, perform
    from repertory.settings import read_settings
    from runtime.errors import UsageError
    from scenarios.load import LoadedScenario, load_scenario

    options: Options = {
        "--model": (("model", "name"), model),
        "--endpoint": (("model", "endpoint"), endpoint),
        "--fresh": (("memory", "remember"), False if fresh else None),
    }
    if repeat is not None or inputs is not None:
        if out is not None or record is not None:
            raise UsageError("--out and --record are for a single run; the results of many are the lines on stdout")

        def load(more: Options) -> LoadedScenario:
            return load_scenario(file, sets=set_ or (), inputs=input_ or (), options={**options, **more})

        many = ManyOrder(load, engine.value, repeat or 1, inputs, together, hosts, sequencers)
        raise typer.Exit(asyncio.run(perform_many(many, read_settings())))
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


def _run_team(
    file: Path,
    task: str | None,
    said: tuple[Sequence[str], Sequence[str]],
    manner: tuple[EngineName, Path | None, int, bool],
) -> int:
    import asyncio

    from repertory.settings import read_settings
    from repertory.team_runs import TeamOrder, effects_of, perform_team
    from runtime.errors import UsageError
    from scenarios.team_file import read_team_file

    allow, effects = said
    engine, out, hosts, json = manner
    team = read_team_file(file, allow)
    if not task:
        raise UsageError(f"{file}: found no task for the team {team.name}, expected --task TEXT")
    order = TeamOrder(
        engine=engine.value, out=out, hosts=hosts, json=json, team=team, task=task, effects=effects_of(effects, team)
    )
    return asyncio.run(perform_team(order, read_settings()))
