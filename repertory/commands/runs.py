"""`repertory runs`: reads the journal; nothing is performed and nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from repertory.output import JsonFlag, plain, print_json, print_line, print_table

if TYPE_CHECKING:
    from repertory.progress import Progress
    from repertory.transcript import DeliveryEntry
    from runtime.events import AnyEvent
    from runtime.run_summary import RunSummary

app = typer.Typer(help="Look at earlier runs.", no_args_is_help=True, rich_markup_mode=None)

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.")]


@app.command("list")
def list_runs(json: JsonFlag = False) -> None:
    """List the runs, the newest first."""
    import asyncio

    import msgspec

    from repertory.records import runs_of
    from repertory.settings import read_settings

    runs = asyncio.run(runs_of(read_settings().journal))
    if json:
        print_json([msgspec.to_builtins(run) for run in runs])
    elif runs:
        _print_runs(runs)
    else:
        print_line("no runs yet; `repertory run FILE` makes one")


@app.command()
def show(run: RunName = "last", json: JsonFlag = False) -> None:
    """Show a run: what it cost, and who did what."""
    import asyncio

    from repertory.progress import progress_of
    from repertory.transcript import transcript

    summary, events, types = asyncio.run(_read(run))
    progress, tree = progress_of(events), transcript(events, types)
    if json:
        print_json(_as_json(summary, progress, tree))
    else:
        _print_run(summary, progress, tree)


@app.command()
def events(run: RunName = "last", json: JsonFlag = False) -> None:
    """Print a run's journal, one event a line."""
    import asyncio

    import msgspec

    _, found, _ = asyncio.run(_read(run))
    for event in found:
        fields: dict[str, Any] = msgspec.to_builtins(event)
        if json:
            print_line(msgspec.json.encode(fields).decode())
        else:
            print_line(_event_line(fields))


async def _read(name: str) -> tuple[RunSummary, list[AnyEvent], dict[str, str]]:
    """The run that `name` means, its events, and the message type of each payload."""
    from repertory.records import chosen, opened, runs_of
    from repertory.settings import read_settings
    from repertory.transcript import payloads_of
    from runtime.codec import parse

    address = read_settings().journal
    summary = chosen(await runs_of(address), name)
    async with opened(address) as journal:
        found = await journal.events(summary.run)
        blobs = await journal.blobs(payloads_of(found))
    return summary, found, {digest: _message_type(parse(blob)) for digest, blob in blobs.items()}


def _message_type(payload: object) -> str:
    name = payload.get("type") if isinstance(payload, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # any JSON
    return name.rpartition(".")[2].rpartition(":")[2] if isinstance(name, str) else "message"


def _print_runs(runs: list[RunSummary]) -> None:
    from repertory.records import local_time

    rows = [
        (run.run, run.name, run.status, local_time(run.started_at), f"{run.last_at - run.started_at:.1f} s", run.events)
        for run in runs
    ]
    print_table([("run", "scenario", "status", "started", "took", "events"), *rows], right=(4, 5))


def _print_run(summary: RunSummary, progress: Progress, tree: list[DeliveryEntry]) -> None:
    from rich.console import Console

    from repertory.records import local_time
    from repertory.tree import drawn

    print_line(f"{plain(summary.name)}  run {summary.run}")
    print_line(f"{summary.status}, started {local_time(summary.started_at)}, took {progress.elapsed_s:.1f} s")
    if progress.reason:
        print_line(f"because: {plain(progress.reason)}")
    print_line(
        f"{progress.total('model_calls')} model calls ({progress.total('input_tokens'):,} tokens in, "
        f"{progress.total('output_tokens'):,} out), {progress.total('tool_calls')} tool calls, "
        f"{summary.events} events"
    )
    Console(soft_wrap=True).print(drawn(tree), highlight=False)


def _as_json(summary: RunSummary, progress: Progress, tree: list[DeliveryEntry]) -> dict[str, Any]:
    totals = ("model_calls", "tool_calls", "input_tokens", "output_tokens")
    return {
        "run": summary.run,
        "name": summary.name,
        "status": summary.status,
        "reason": progress.reason or None,
        "started_at": summary.started_at,
        "elapsed_s": round(progress.elapsed_s, 3),
        "events": summary.events,
        "usage": {name: progress.total(name) for name in totals},
        "deliveries": [entry.as_json() for entry in tree],
    }


def _event_line(fields: dict[str, Any]) -> str:
    from repertory.records import local_time

    seq, at, name = fields.pop("seq"), fields.pop("at"), fields.pop("event")
    rest = "  ".join(f"{key}={_short(value)}" for key, value in fields.items() if value not in (None, "", {}, []))
    return plain(f"{seq:6d}  {local_time(at)}  {name:<20} {rest}")


def _short(value: object) -> str:
    if isinstance(value, dict) and set(value) == {"type", "key"}:  # pyright: ignore[reportUnknownArgumentType]  # plain JSON
        return f"{value['type']}/{value['key']}"
    text = str(value)  # pyright: ignore[reportUnknownArgumentType]  # plain JSON
    return text if len(text) <= 60 else text[:57] + "…"
