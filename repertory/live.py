"""Shows a run while it goes on, on stderr: a table that is redrawn at a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from repertory.output import plain, say
from repertory.progress import Progress, advanced, label
from runtime import clock
from runtime.events import AnyEvent, DeliveryCompleted, RunFailed, StepCompleted


class Watcher(Protocol):
    """Sees every event of a run, and steps aside while a person is asked."""

    def on_event(self, event: AnyEvent) -> None:
        """Take one more event."""
        ...

    def on_pause(self, why: str) -> None:
        """The run stands still for this reason; for none, it goes on."""
        ...

    async def ask(self, question: str) -> str | None:
        """The person's answer; None when nobody is there."""
        ...


@contextmanager
def watching(quiet: bool) -> Generator[Watcher]:
    """A watcher that fits stderr, for as long as the block runs; a quiet one shows nothing."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        with LiveTable(Console(stderr=True)) as table:
            yield table
    else:
        yield Lines()


class Silent:
    """Shows nothing, but why a run stands still, and asks nobody."""

    def on_event(self, event: AnyEvent) -> None:
        """Nothing is shown."""

    def on_pause(self, why: str) -> None:
        """Says why nothing happens."""
        say(pause_line(why))

    async def ask(self, question: str) -> str | None:
        """Nobody is there."""
        return None


class Lines:
    """One line for each step that ended, where there is no terminal to redraw."""

    def __init__(self) -> None:
        self._progress = Progress()

    def on_event(self, event: AnyEvent) -> None:
        """Says what ended, and how long after the start."""
        before = self._progress
        self._progress = advanced(before, event)
        if line := _line(before, self._progress, event):
            say(f"{self._progress.elapsed_s:7.1f} s  {plain(line)}")

    def on_pause(self, why: str) -> None:
        """Says why nothing happens."""
        say(pause_line(why))

    async def ask(self, question: str) -> str | None:
        """Asks when someone can answer."""
        return await ask_at_terminal(question)


class LiveTable:
    """The agents, what each is at, and what it has cost, redrawn four times a second."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress()
        self._began = clock.monotonic()
        self._pause = ""
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._table)

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def on_event(self, event: AnyEvent) -> None:
        """Takes the event; the next redraw shows it."""
        self._progress = advanced(self._progress, event)

    def on_pause(self, why: str) -> None:
        """The next redraw shows why nothing happens."""
        self._pause = pause_line(why) if why else ""

    async def ask(self, question: str) -> str | None:
        """Asks with the table put away."""
        self._live.stop()
        try:
            return await ask_at_terminal(question)
        finally:
            self._live.start()

    def _table(self) -> Table:
        table = table_of(self._progress, clock.monotonic() - self._began)
        if self._pause:
            table.caption, table.caption_justify = Text(self._pause, style="bold red"), "left"
        return table


def pause_line(why: str) -> str:
    """What a person reads when a run stands still, or goes on again."""
    if not why:
        return "the journal answers again; the run goes on"
    return f"paused: {plain(why)}; the run goes on by itself then, Ctrl-C stops it so that it can be resumed"


async def ask_at_terminal(question: str) -> str | None:
    """A person's line at the terminal; None where stdin or stderr is none, or when the person ends the input."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    say(f"\n? {plain(question)}")
    return (await _line_of(sys.stdin.fileno())).strip() or None


async def _line_of(terminal: int) -> str:
    """The next line that is typed. No thread waits for it, so that Ctrl-C ends the waiting at once."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(os.read(terminal, 65536))

    loop.add_reader(terminal, read)
    try:
        return (await typed).decode(errors="replace")
    finally:
        loop.remove_reader(terminal)


def table_of(progress: Progress, elapsed_s: float) -> Table:
    """The agents of a run as a table."""
    table = Table(title=_title(progress, elapsed_s), title_justify="left", expand=True)
    for name in ("agent", "now", "last"):
        table.add_column(name, ratio=None if name == "agent" else 1, no_wrap=True, overflow="ellipsis")
    for name in ("model calls", "tool calls", "tokens in", "tokens out"):
        table.add_column(name, justify="right", no_wrap=True)
    for agent in progress.agents.values():
        now = Text(plain(progress.doing(agent.name)), style="bold")
        counts = (agent.model_calls, agent.tool_calls, agent.input_tokens, agent.output_tokens)
        table.add_row(agent.name, now, Text(plain(agent.last), style="dim"), *(f"{count:,}" for count in counts))
    return table


def _title(progress: Progress, elapsed_s: float) -> str:
    counts = f"{progress.total('model_calls')} model calls, {progress.total('tool_calls')} tool calls"
    return f"{progress.name}  {elapsed_s:.0f} s, {counts}, {progress.total('output_tokens'):,} tokens written"


def _line(before: Progress, after: Progress, event: AnyEvent) -> str:
    match event:
        case StepCompleted():
            step = before.open_steps.get(event.step)
            return f"{step.agent}: {after.agents[step.agent].last}" if step and step.agent in after.agents else ""
        case DeliveryCompleted() if event.failure is not None:
            return f"{label(event.agent)}: failed: {event.failure.message}"
        case RunFailed():
            return f"the run failed: {event.failure.message}"
        case _:
            return ""
