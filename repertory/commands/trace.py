"""`repertory runs trace RUN`: a run as an OpenTelemetry trace, sent to a receiver or written into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repertory.commands.runs import RunName
from repertory.output import JsonFlag, print_json, print_line


def trace(
    run: RunName = "last",
    otlp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A receiver of OTLP over HTTP, such as http://localhost:4318/v1/traces."),
    ] = None,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Write OTLP as JSON lines instead.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: JsonFlag = False,
) -> None:
    """Send a run as an OpenTelemetry trace; without an address to where OTEL_EXPORTER_OTLP_ENDPOINT says.

    What was asked and answered is in it only with OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true.
    """
    import asyncio
    import os

    from repertory.settings import read_settings
    from repertory.traces import trace_of, write_to
    from runtime.errors import UsageError
    from runtime.otlp import as_json_lines, is_wanted, send

    if otlp is not None and file is not None:
        raise UsageError("found --otlp and --file, expected one of them")
    if otlp is None and file is None and not is_wanted(os.environ):
        raise UsageError("found no receiver, expected --otlp URL, --file FILE or OTEL_EXPORTER_OTLP_ENDPOINT")
    name, spans = asyncio.run(trace_of(read_settings().journal, run))
    if file is not None:
        write_to(file, as_json_lines(spans), force=force)
    else:
        send(spans, otlp)
    where = str(file) if file is not None else otlp or "OTEL_EXPORTER_OTLP_ENDPOINT"
    if json:
        print_json({"run": name, "trace": spans[0].trace if spans else None, "spans": len(spans), "to": where})
    else:
        print_line(f"{where}: trace {spans[0].trace if spans else '(empty)'} of run {name}, {len(spans)} spans")
