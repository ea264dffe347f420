"""`repertory replay RUN`: performs a recorded run again, calling nothing, and says whether it went the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repertory.commands.runs import RunName
from repertory.output import JsonFlag, plain, print_json, print_line

if TYPE_CHECKING:
    from runtime.events import AnyEvent
    from runtime.journals.journal_address import JournalAddress
    from runtime.reading.agent_state import AgentState
    from runtime.replay import Seen

NOTHING_CALLED = "(no model and no tool was called)"


def replay(
    run: RunName = "last",
    strict: Annotated[
        bool, typer.Option("--strict", help="Compare also what agents do not see: wording, listeners, versions.")
    ] = False,
    to: Annotated[
        int | None, typer.Option(metavar="SEQ", help="Stop after this event and print the agents' states.")
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option("--break", metavar="AGENT|STEP", help="Open pdb in this agent's handlers, or at a step."),
    ] = None,
    all_of: Annotated[
        Path | None, typer.Option("--all", metavar="DIR", help="Replay every exported run and journal in a directory.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="With --all: write a JUnit report there.")] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the replay as a trace, marked so: OTLP as JSON lines."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Perform a run again from its journal; no model and no tool is called.

    The agents' code of today runs in this process and is released what it was released then, in the recorded order.
    At the first difference it stops, says where and why, and ends with exit code 3.
    """
    import asyncio

    from repertory.settings import read_settings
    from runtime.errors import UsageError

    if all_of is not None:
        if to is not None or stop is not None or trace is not None:
            raise UsageError(
                "replay: found --all with --to, --break or --trace, expected it alone; name a single run instead"
            )
        raise typer.Exit(asyncio.run(_replay_all(all_of, junit, strict=strict, json=json)))
    if junit is not None:
        raise UsageError("replay: found --junit without --all, expected both: --all DIR --junit FILE")
    raise typer.Exit(asyncio.run(_replay_one(run, read_settings().journal, strict, to, stop, trace, json)))


async def _replay_one(
    name: str, address: JournalAddress, strict: bool, to: int | None, stop: str | None, trace: Path | None, json: bool
) -> int:
    from repertory.records import chosen, opened, runs_of
    from runtime.reading.debugger import breakpoint_at
    from runtime.replay import Diverged, Manner, perform_again

    run = chosen(await runs_of(address), name).run
    async with opened(address) as journal:
        where = None if stop is None else breakpoint_at(stop, await journal.events(run))
        try:
            seen = await perform_again(journal, run, Manner(to=to, is_strict=strict, stop=where))
        except Diverged as diverged:
            if json:
                print_json({"run": run, "identical": False, **diverged.divergence.as_json()})
            else:
                print_line(plain(str(diverged)))
            return diverged.exit_code
        if trace is not None:
            _write_trace(trace, run, await journal.events(run), seen)
    _print_seen(run, seen, json=json)
    return 0


def _write_trace(file: Path, run: str, events: list[AnyEvent], seen: Seen) -> None:
    """The spans of a replay: a trace of its own, in which nothing is a call."""
    from repertory.traces import write_to
    from runtime.otlp import as_json_lines
    from runtime.telemetry import spans_of

    spans = spans_of(events[: seen.replayed.events], run, is_replay=True)
    write_to(file, as_json_lines(spans), force=False)


def _print_seen(run: str, seen: Seen, *, json: bool) -> None:
    replayed = seen.replayed
    if json:
        counts = {"events": replayed.events, "model_calls": replayed.model_calls, "tool_calls": replayed.tool_calls}
        states = {} if replayed.is_whole and not seen.agents else {"agents": [state.as_json() for state in seen.agents]}
        print_json({"run": run, "identical": True, "end": replayed.end, **counts, **states})
        return
    as_far = "" if replayed.is_whole else f" up to event {replayed.events}"
    print_line(
        f"identical{as_far}: {replayed.events} events, {replayed.model_calls} model calls and "
        f"{replayed.tool_calls} tool calls answered from the journal {NOTHING_CALLED}{_end(replayed.end)}"
    )
    for state in seen.agents:
        _print_state(state)


def _end(end: str) -> str:
    return "" if end in ("done", "") else f"\nthe record ends there: {end}"


def _print_state(state: AgentState) -> None:
    from runtime.reading.compared import shown

    print_line(f"\n{state.agent}  {plain(state.kind) or '(not made yet)'}")
    for name, value in state.attributes.items():
        print_line(f"  {name} = {plain(shown(value))}")
    for name, value in state.saved.items():
        print_line(f"  saved {name} = {plain(shown(value))}")
    for standing in state.at_work:
        print_line(f"  at work on {standing.delivery}: {plain(standing.place)}")
        for name, value in standing.variables.items():
            print_line(f"    {name} = {plain(shown(value))}")
    if not state.at_work:
        print_line("  at rest")


async def _replay_all(directory: Path, junit: Path | None, *, strict: bool, json: bool) -> int:
    from repertory.regression import as_junit, replay_all
    from repertory.results import prepare, write_all

    if junit is not None:
        prepare(junit.parent, "--junit")
    outcomes = await replay_all(directory, strict=strict)
    if junit is not None:
        write_all(junit.parent, {junit.name: as_junit(outcomes)})
    found: list[dict[str, Any]] = [outcome.as_json() for outcome in outcomes]
    if json:
        print_json(found)
        return max(outcome.exit_code for outcome in outcomes)
    for outcome in outcomes:
        print_line(plain(str(outcome)))
    bad = [outcome for outcome in outcomes if outcome.exit_code]
    print_line(f"{len(outcomes) - len(bad)} of {len(outcomes)} runs identical {NOTHING_CALLED}")
    return max(outcome.exit_code for outcome in outcomes)
