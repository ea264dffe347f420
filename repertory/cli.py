"""The command line: `repertory …`, the place where everything is put together.

Each group of commands is a file of `repertory/commands/`; whatever is heavy is imported inside the command that needs
it, so that help is shown at once. Errors that are meant for people come out as one message on stderr and an exit code:
0 done, 1 the run failed, 2 wrong usage, 3 diverged, 4 waiting for a person, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from repertory.commands import (
    chaos,
    decide,
    diff,
    fork,
    init,
    models,
    replay,
    resume,
    run,
    runs,
    serve,
    trace,
    transfer,
    validate,
    verify,
)
from repertory.settings import read_settings
from runtime.errors import ClusterLost

app = typer.Typer(
    name="repertory",
    help="Teams of LLM agents on a Ray cluster, with one journal of all that they do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("resume")(resume.resume)
app.command("approve")(decide.approve)
app.command("deny")(decide.deny)
app.command("answer")(decide.answer)
app.command("abort")(decide.abort)
app.command("fork")(fork.fork)
app.command("rerun")(fork.rerun)
app.command("replay")(replay.replay)
app.command("diff")(diff.diff)
app.command("chaos")(chaos.chaos)
app.command("validate")(validate.validate)
app.command("init")(init.init)
runs.app.command("export")(transfer.export)
runs.app.command("trace")(trace.trace)
runs.app.command("import")(transfer.import_run)
runs.app.command("verify")(verify.verify)
app.add_typer(runs.app, name="runs")
app.add_typer(serve.app, name="serve")
app.add_typer(models.app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("repertory"))
        raise typer.Exit


@app.callback()
def common(
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Logs on stderr; -vv shows more.", show_default=False)
    ] = 0,
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The journal: postgresql://USER@HOST/DATABASE or a file; else REPERTORY_JOURNAL, else the home's.",
        ),
    ] = None,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What all commands share."""
    from repertory.logs import configure_logs

    if journal is not None:
        os.environ["REPERTORY_JOURNAL"] = journal
    configure_logs(verbose, read_settings().hidden)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Perform one command line and leave with its exit code."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="repertory")
        code: int | str | None = 0
    except SystemExit as leaving:
        code = leaving.code
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # the outermost frame: people get a message, not a traceback
        code = _told(error)
        if isinstance(error, ClusterLost):
            _leave_at_once(code)
    if code == 130:
        _say("stopped; what was done until here is in the journal (`repertory runs list`)")
    _flush()
    sys.exit(code)


def _leave_at_once(code: int) -> NoReturn:
    """Ends the process without what Ray does at its end: it would wait for a head that is gone."""
    _flush()
    sys.stderr.flush()
    os._exit(code)


def _told(error: Exception) -> int:
    """Tells what went wrong on stderr; returns the exit code."""
    from repertory.failures import explained

    if read_settings().debug:
        import traceback

        traceback.print_exception(error)
    message, code = explained(error)
    _say(message)
    return code


def _say(message: str) -> None:
    print(f"repertory: {message}", file=sys.stderr)


def _flush() -> None:
    """Writes out what is buffered; a reader that went away (`| head`) is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
