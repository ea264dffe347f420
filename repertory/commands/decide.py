"""`repertory approve|deny|answer|abort RUN`: a person decides, from any terminal, and the run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repertory.commands.run import EngineName
from repertory.commands.runs import RunName
from repertory.output import JsonFlag

if TYPE_CHECKING:
    from repertory.perform import Resumption
    from runtime.codec import Json

Step = Annotated[str, typer.Argument(metavar="[STEP]", help="The beginning of the step's id; none: the only open one.")]
Note = Annotated[str, typer.Option(metavar="TEXT", help="What you say to it; kept in the journal.")]
Engine = Annotated[EngineName, typer.Option(help="Where the run goes on: on Ray, or all in this process.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where results go; default out/NAME.")]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with the run, or only record the decision.")]


def approve(
    run: RunName = "last",
    step: Step = "",
    note: Note = "",
    engine: Engine = EngineName.RAY,
    out: Out = None,
    resume: Resume = True,
    json: JsonFlag = False,
) -> None:
    """Let a step happen that waits for approval, and go on with the run."""
    import asyncio

    from repertory.deciding import Words, say_verdict
    from repertory.settings import read_settings

    order = _order(engine, out, json) if resume else None
    raise typer.Exit(asyncio.run(say_verdict(Words(run, step, note), "approve", order, read_settings())))


def deny(
    run: RunName = "last",
    step: Step = "",
    note: Note = "",
    engine: Engine = EngineName.RAY,
    out: Out = None,
    resume: Resume = True,
    json: JsonFlag = False,
) -> None:
    """Keep a step from happening; its agent reads the note and the run goes on."""
    import asyncio

    from repertory.deciding import Words, say_verdict
    from repertory.settings import read_settings

    order = _order(engine, out, json) if resume else None
    raise typer.Exit(asyncio.run(say_verdict(Words(run, step, note), "deny", order, read_settings())))


def answer(
    run: RunName,
    step: Annotated[str, typer.Argument(metavar="[STEP]", help="The beginning of the step's id; none: the only one.")],
    reply: Annotated[
        str, typer.Argument(metavar="REPLY", help="done, retry or abort; for a question, its answer.")
    ] = "",
    result: Annotated[
        str, typer.Option(metavar="JSON", help="With done: what came of the step, as its agent shall see it.")
    ] = "null",
    note: Note = "",
    engine: Engine = EngineName.RAY,
    out: Out = None,
    resume: Resume = True,
    json: JsonFlag = False,
) -> None:
    """Answer a run's question, or say whether an effect has happened: done, retry (do it again) or abort the run."""
    import asyncio
    from json import JSONDecodeError, loads

    from repertory.deciding import Words, say_result
    from repertory.settings import read_settings
    from runtime.errors import UsageError

    try:
        value: Json = loads(result)
    except JSONDecodeError as error:
        raise UsageError(f"--result: found {result!r}, expected JSON such as '{{\"order\": 7}}': {error}") from None
    step, reply = (step, reply) if reply else ("", step)
    words = Words(run, step, note)
    order = _order(engine, out, json) if resume else None
    raise typer.Exit(asyncio.run(say_result(words, reply, value, order, read_settings())))


def abort(
    run: RunName = "last",
    note: Note = "",
    engine: Engine = EngineName.RAY,
    out: Out = None,
    resume: Annotated[
        bool, typer.Option("--undo/--no-undo", help="Undo now what can be undone, or leave it to a later resume.")
    ] = True,
    json: JsonFlag = False,
) -> None:
    """Give a run up, and undo what it did and can be undone, the last first. Stop its process before, if it has one."""
    import asyncio

    from repertory.deciding import Words, give_up
    from repertory.settings import read_settings

    order = _order(engine, out, json) if resume else None
    raise typer.Exit(asyncio.run(give_up(Words(run, note=note), order, read_settings())))


def _order(engine: EngineName, out: Path | None, json: bool) -> Resumption:
    from repertory.perform import Resumption

    return Resumption(engine=engine.value, out=out, json=json)
