"""`repertory fork RUN --at SEQ` and `repertory rerun RUN`: what would have been, for the price of what changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repertory.commands.run import EngineName
from repertory.commands.runs import RunName
from repertory.output import JsonFlag

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change something: message.FIELD, result.FIELD, prompts.NAME=@FILE, model.…, inputs.…, limits.…",
    ),
]
Live = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Perform this model's or tool's calls again, also unchanged ones; or a kind."),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Let this tool fire although it cannot be undone at will; `all` for every one."),
]
Engine = Annotated[EngineName, typer.Option(help="ray: agents are Ray actors; local: all in this process.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where results go; default out/NAME/fork-ID.")]
Hosts = Annotated[int, typer.Option(min=1, max=64, help="How many Ray actors host the agents.")]


def fork(
    run: RunName,
    at: Annotated[int, typer.Option(metavar="SEQ", min=1, help="The event before which the fork begins.")],
    set_: Sets = None,
    live: Live = None,
    allow: Allow = None,
    engine: Engine = EngineName.RAY,
    out: Out = None,
    hosts: Hosts = 3,
    json: JsonFlag = False,
) -> None:
    """Make a new run that shares a run's events up to one of them, with changes; then perform it.

    What is asked again as it was is answered from the parent's journal; only what changes is paid for. Effects that
    cannot be repeated at will are never fired again, but answered with the recorded result.
    """
    _perform(run, at, set_, (live, allow), engine, out, hosts, json)


def rerun(
    run: RunName = "last",
    set_: Sets = None,
    live: Live = None,
    allow: Allow = None,
    engine: Engine = EngineName.RAY,
    out: Out = None,
    hosts: Hosts = 3,
    json: JsonFlag = False,
) -> None:
    """Perform a run again from its start: a fork that shares nothing but its answers.

    After a prompt or a piece of code was edited, only what the edit touches is paid for.
    """
    _perform(run, None, set_, (live, allow), engine, out, hosts, json)


def _perform(
    run: str,
    at: int | None,
    sets: list[str] | None,
    names: tuple[list[str] | None, list[str] | None],
    engine: EngineName,
    out: Path | None,
    hosts: int,
    json: bool,
) -> None:
    import asyncio

    from repertory.forking import Forking, fork_and_perform
    from repertory.settings import read_settings

    live, allow = names
    order = Forking(
        engine=engine.value,
        out=out,
        hosts=hosts,
        json=json,
        at=at,
        sets=sets or (),
        live=live or (),
        allow=tuple(allow or ()),
    )
    raise typer.Exit(asyncio.run(fork_and_perform(run, order, read_settings())))
