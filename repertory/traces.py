"""Traces of runs: of one that has been performed, and of one that goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from repertory.records import chosen, opened
from runtime.beginning import beginning
from runtime.codec import Json, parse
from runtime.errors import UsageError
from runtime.events import AnyEvent, StepCompleted, StepStarted
from runtime.journal import Journal
from runtime.journals.journal_address import JournalAddress
from runtime.telemetry import Span, Tracer, spans_of

if TYPE_CHECKING:
    from runtime.otlp import LiveExport

OnEvent = Callable[[AnyEvent], None]


async def trace_of(address: JournalAddress | Path, name: str) -> tuple[str, list[Span]]:
    """The run that `name` means, and its spans.

    Raises:
        UsageError: there is no such run.
    """
    from runtime.otlp import captures_contents
    from runtime.telemetry_contents import contents_of

    async with opened(address) as journal:
        run = chosen(await journal.runs(), name).run
        events = await journal.events(run)
        contents = await contents_of(journal, events) if captures_contents(os.environ) else None
        provider = await provider_of(journal, events)
    return run, spans_of(events, run, provider=provider, contents=contents)


async def provider_of(journal: Journal, events: list[AnyEvent]) -> str:
    """Who answers the run's models, as traces call it."""
    began = beginning(events)
    spec: Json = parse(await journal.blob(began.spec)) if began is not None else None
    return provider_named(spec)


def provider_named(spec: Json) -> str:
    """The provider of a run's specification: whoever runs the server that the scenario names, or vLLM."""
    if not isinstance(spec, Mapping):
        return "repertory"
    model, scenario = spec.get("model"), spec.get("scenario")
    said = scenario.get("model") if isinstance(scenario, Mapping) else None
    kind = model.get("kind") if isinstance(model, Mapping) else None
    endpoint = said.get("endpoint") if isinstance(said, Mapping) else None
    if kind != "endpoint":
        return f"repertory.{kind}" if isinstance(kind, str) else "repertory"
    return "openai" if isinstance(endpoint, str) else "vllm"


@asynccontextmanager
async def traced(run: str, spec: Json, journal: Journal) -> AsyncGenerator[OnEvent]:
    """Takes a run's events, and sends their spans while the block runs, where the environment names a receiver.

    What is on record already, of a run that is resumed or was forked, was sent by whoever performed it.
    """
    if not any(name.startswith("OTEL_EXPORTER_OTLP") for name in os.environ):
        yield _ignore
        return
    from runtime.otlp import LiveExport, captures_contents, is_wanted

    if not is_wanted(os.environ):
        yield _ignore
        return
    recorded = await journal.events(run)
    live = _Live(run, spec, journal, after=recorded[-1].seq if recorded else 0)
    sending = asyncio.create_task(live.send(LiveExport(), captures_contents(os.environ)))
    try:
        yield live.events.put_nowait
    finally:
        live.events.put_nowait(None)
        await sending


def both(first: OnEvent, second: OnEvent) -> OnEvent:
    """Shows each event to two."""

    def on_event(event: AnyEvent) -> None:
        first(event)
        second(event)

    return on_event


def _ignore(_: AnyEvent) -> None:
    return None


class _Live:
    """The events of a run on their way to becoming spans."""

    def __init__(self, run: str, spec: Json, journal: Journal, *, after: int) -> None:
        self.events: asyncio.Queue[AnyEvent | None] = asyncio.Queue()
        self._journal = journal
        self._after = after
        self._started: dict[str, StepStarted] = {}
        self._contents: dict[str, Mapping[str, str]] = {}
        self._tracer = Tracer(run, provider=provider_named(spec), contents=self._contents)

    async def send(self, export: LiveExport, with_contents: bool) -> None:
        """Sends what ends, until there are no more events."""
        while (event := await self.events.get()) is not None:
            if with_contents:
                await self._read(event)
            spans = self._tracer.add(event)
            if event.seq > self._after:
                export.add(spans)
        export.add(self._tracer.end())
        await asyncio.to_thread(export.close)

    async def _read(self, event: AnyEvent) -> None:
        from runtime.telemetry_contents import contents_of

        if isinstance(event, StepStarted):
            self._started[event.step] = event
        elif isinstance(event, StepCompleted) and (started := self._started.pop(event.step, None)) is not None:
            self._contents.update(await contents_of(self._journal, [started, event]))


def write_to(file: Path, text: str, *, force: bool) -> None:
    """Writes a trace into a file.

    Raises:
        UsageError: it is there, and is not to be replaced.
    """
    from repertory.results import prepare, write_bytes

    if file.exists() and (file.is_dir() or not force):
        raise UsageError(f"{file}: found something there, expected nothing; --force replaces a file")
    prepare(file.parent, "the directory")
    write_bytes(file, text.encode())
