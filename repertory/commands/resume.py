"""`repertory resume RUN`: takes up a run that was interrupted or whose process died, from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repertory.commands.run import EngineName
from repertory.commands.runs import RunName
from repertory.output import JsonFlag


def resume(
    run: RunName = "last",
    engine: Annotated[
        EngineName, typer.Option(help="ray: agents are Ray actors; local: all in this process.")
    ] = EngineName.RAY,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where results go; default out/NAME.")] = None,
    hosts: Annotated[int, typer.Option(min=1, max=64, help="How many Ray actors host the agents.")] = 3,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="limits.NAME=VALUE", help="Give the run a new limit.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the run's model answers now; its key comes from REPERTORY_API_KEY."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Go on with a run that did not end: no finished step is done again, and nothing irreversible twice."""
    import asyncio

    from repertory.limits import read_limits
    from repertory.perform import Resumption
    from repertory.perform import resume as go_on
    from repertory.settings import read_settings

    limits = read_limits(set_ or ())
    order = Resumption(engine=engine.value, out=out, hosts=hosts, json=json, limits=limits, endpoint=endpoint)
    raise typer.Exit(asyncio.run(go_on(run, order, read_settings())))
