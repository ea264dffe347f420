"""`repertory runs`: reads the journal; nothing is performed and nothing is changed."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repertory.output import JsonFlag, plain, print_json, print_line, print_table, say

if TYPE_CHECKING:
    from repertory.progress import Progress
    from repertory.transcript import DeliveryEntry, Known
    from runtime.events import AnyEvent, RunForked
    from runtime.reading.run_summary import RunSummary

FOLLOW_S = 0.3
"""How long to wait, in seconds, before the journal is looked into again."""

SILENT_S = 60.0
"""How long, in seconds, nothing may come of a running run before it is said that its process may be gone."""

WITH_EVIDENCE = ("model", "tool", "retrieval", "memory", "question")
"""The kinds of steps of which is shown what was asked and answered."""

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

    from repertory.asked import lines
    from repertory.progress import progress_of
    from repertory.transcript import transcript
    from runtime.beginning import last_fork
    from runtime.reading.fork_bill import bill
    from runtime.reading.run_summary import reason_of

    summary, events, known = asyncio.run(_read(run))
    progress, tree = progress_of(events), transcript(events, known)
    fork = last_fork(events)
    if json:
        forked = None if fork is None else {"parent": fork.parent, **asdict(bill(events))}
        print_json({**_as_json(summary, progress, tree, events), "cost": _cost(tree), "fork": forked})
    else:
        forked_lines = [] if fork is None else _fork_lines(fork, events)
        _print_run(summary, progress, reason_of(events), tree, [*forked_lines, *map(plain, lines(summary.run, events))])


@app.command()
def events(
    run: RunName = "last",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    json: JsonFlag = False,
) -> None:
    """Print a run's journal, one event a line; with --follow also what comes in while it goes on."""
    import asyncio

    asyncio.run(_print_events(run, follow=follow, json=json))


async def _print_events(name: str, *, follow: bool, json: bool) -> None:
    """Prints a run's events; the journal is looked into again and again while the run, in whatever process, goes on."""
    import asyncio

    from repertory.records import chosen, opened
    from repertory.settings import read_settings
    from runtime.events import RunCompleted, RunFailed, RunInterrupted

    async with opened(read_settings().journal) as journal:
        run, seq, is_over = chosen(await journal.runs(), name).run, 0, False
        while not is_over:
            for event in await journal.events(run, after=seq):
                _print_event(event, json=json)
                seq, is_over = event.seq, isinstance(event, RunCompleted | RunFailed | RunInterrupted)
            if not follow:
                return
            sys.stdout.flush()
            if not is_over:
                await asyncio.sleep(FOLLOW_S)


def _print_event(event: AnyEvent, *, json: bool) -> None:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(event)
    print_line(msgspec.json.encode(fields).decode() if json else _event_line(fields))


async def _read(name: str) -> tuple[RunSummary, list[AnyEvent], Known]:
    """The run that `name` means, its events, and what else a transcript shows."""
    from repertory.evidence import evidence_of
    from repertory.records import chosen, opened, runs_of
    from repertory.settings import read_settings
    from repertory.transcript import Known, payloads_of
    from runtime.codec import parse
    from runtime.errors import CorruptEvent
    from runtime.events import StepStarted
    from runtime.reading.run_outcome import prices_of

    address = read_settings().journal
    summary = chosen(await runs_of(address), name)
    async with opened(address) as journal:
        found = await journal.events(summary.run)
        blobs = await journal.blobs(payloads_of(found))
        shown = {e.step for e in found if isinstance(e, StepStarted) and e.kind in WITH_EVIDENCE}
        lines = dict[str, tuple[str, str]]()
        with suppress(CorruptEvent):  # what is lost is not shown; `runs verify` tells of it
            lines = dict(await evidence_of(journal, found, shown))
        prices = await prices_of(journal, found)
    types = {digest: _message_type(parse(blob)) for digest, blob in blobs.items()}
    return summary, found, Known(types, {step: line for step, (_, line) in lines.items()}, prices)


def _fork_lines(fork: RunForked, events: list[AnyEvent]) -> list[str]:
    from repertory.forking import bill_lines
    from runtime.reading.fork_bill import bill

    return [f"forked from run {fork.parent}, with which it shares {fork.seq - 1} events", *bill_lines(bill(events))]


def _cost(tree: list[DeliveryEntry]) -> float | None:
    """What all steps with a known price cost together; None where none has one."""
    costs = [step.cost for entry in tree for step in entry.all_steps() if step.cost is not None]
    return sum(costs) if costs else None


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
    for line in filter(None, map(_silence, runs)):
        say(line)


def _silence(run: RunSummary) -> str:
    """What to do about a run that seems to have been killed, as its own events cannot tell; else nothing."""
    from repertory.records import local_time
    from runtime import clock

    if run.status != "running" or clock.time_s() - run.last_at < SILENT_S:
        return ""
    return (
        f"run {run.run[:8]} is silent since {local_time(run.last_at)}; "
        f"if its process is gone, `repertory resume {run.run[:8]}` goes on with it"
    )


def _print_run(
    summary: RunSummary, progress: Progress, reason: str, tree: list[DeliveryEntry], more: list[str]
) -> None:
    from repertory.records import local_time
    from repertory.tree import print_drawn

    print_line(f"{plain(summary.name)}  run {summary.run}")
    print_line(f"{summary.status}, started {local_time(summary.started_at)}, took {progress.elapsed_s:.1f} s")
    if silence := _silence(summary):
        print_line(silence)
    if reason:
        print_line(f"because: {plain(reason)}")
    print_line(
        f"{progress.total('model_calls')} model calls ({progress.total('input_tokens'):,} tokens in, "
        f"{progress.total('output_tokens'):,} out), {progress.total('tool_calls')} tool calls, "
        f"{summary.events} events"
    )
    if (cost := _cost(tree)) is not None:
        print_line(f"cost: {cost:.4f}")
    for line in more:
        print_line(line)
    print_drawn(tree)


def _as_json(
    summary: RunSummary, progress: Progress, tree: list[DeliveryEntry], events: list[AnyEvent]
) -> dict[str, Any]:
    from repertory.asked import asked_as_json, undo_report
    from runtime.reading.run_summary import reason_of

    totals = ("model_calls", "tool_calls", "input_tokens", "output_tokens")
    return {
        "run": summary.run,
        "name": summary.name,
        "status": summary.status,
        "reason": reason_of(events) or None,
        "started_at": summary.started_at,
        "elapsed_s": round(progress.elapsed_s, 3),
        "events": summary.events,
        "asked": asked_as_json(summary.run, events),
        "undone": undo_report(events),
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
