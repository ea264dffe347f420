"""Sends spans where OpenTelemetry's environment variables say, or into a file; a thin shell over its SDK.

OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT name the receiver (OTLP over HTTP, protobuf); the SDK
reads their _HEADERS, _TIMEOUT, _COMPRESSION and _CERTIFICATE, and OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES too.
OTEL_SDK_DISABLED=true and OTEL_TRACES_EXPORTER=none turn it off.
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true adds what was asked and answered.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from runtime.errors import RepertoryError
from runtime.telemetry import Span

BATCH_SIZE = 500
"""How many spans one request carries."""

_NS = 1_000_000_000


class NotExported(RepertoryError):
    """A receiver of traces did not take them."""


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment names a receiver for traces and does not turn them off."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name) for name in names)


def captures_contents(environment: Mapping[str, str]) -> bool:
    """Whether a person wants message contents in traces."""
    return environment.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").lower() in ("true", "1")


def send(spans: Sequence[Span], endpoint: str | None = None) -> None:
    """Sends spans now, to an address with its path (http://localhost:4318/v1/traces), or where the environment says.

    Raises:
        NotExported: the receiver cannot be reached or refuses them.
    """
    exporter: Any = OTLPSpanExporter(endpoint=endpoint)  # its shutdown is not annotated
    try:
        for start in range(0, len(spans), BATCH_SIZE):
            result = exporter.export(_readable(spans[start : start + BATCH_SIZE]))
            if result is not SpanExportResult.SUCCESS:
                raise NotExported(
                    f"traces: {endpoint or 'the receiver of OTEL_EXPORTER_OTLP_ENDPOINT'} did not take them; "
                    "is it up, does it speak OTLP over HTTP, and does the address end with /v1/traces?"
                )
    finally:
        exporter.shutdown()


def as_json_lines(spans: Sequence[Span]) -> str:
    """Spans as OTLP in JSON, one request a line, as collectors read and write files."""
    batches = [spans[start : start + BATCH_SIZE] for start in range(0, len(spans), BATCH_SIZE)]
    return "".join(f"{json.dumps(_as_otlp_json(batch), ensure_ascii=False)}\n" for batch in batches)


class LiveExport:
    """Sends spans as they end, from a thread of its own; a receiver that is gone costs the run no more than a line."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._processor: Any = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
        self._resource = _resource()

    def add(self, spans: Sequence[Span]) -> None:
        """Takes spans to be sent."""
        for span in _readable(spans, self._resource):
            self._processor.on_end(span)

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        self._processor.force_flush(5000)
        self._processor.shutdown()


def _resource() -> Resource:
    return Resource.create({"service.name": "repertory"}) if not _is_named() else Resource.create()


def _is_named() -> bool:
    """Whether the environment names the service."""
    return Resource.create().attributes.get("service.name") not in (None, "unknown_service", "unknown_service:python")


def _readable(spans: Sequence[Span], resource: Resource | None = None) -> list[ReadableSpan]:
    scope = InstrumentationScope("repertory", version("repertory"))
    found = resource or _resource()
    return [_one(span, found, scope) for span in spans]


def _one(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    failure = span.failure
    attributes = dict(span.attributes)
    if failure is not None:
        attributes["error.type"] = failure.code or failure.type.rpartition(":")[2]
    status = Status(StatusCode.UNSET) if failure is None else Status(StatusCode.ERROR, failure.message)
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace, span.id),
        parent=_context(span.trace, span.parent) if span.parent else None,
        resource=resource,
        attributes=attributes,
        links=[Link(_context(*span.link))] if span.link else [],
        kind=SpanKind.CLIENT if span.is_call else SpanKind.INTERNAL,
        instrumentation_scope=scope,
        status=status,
        start_time=int(span.start_s * _NS),
        end_time=int(max(span.end_s, span.start_s) * _NS),
    )


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _as_otlp_json(spans: Sequence[Span]) -> Any:
    """OTLP's own JSON: ids in hexadecimal, enumerations as numbers."""
    message = MessageToDict(encode_spans(_readable(spans)), use_integers_for_enums=True)
    return _with_hex_ids(message)


def _with_hex_ids(value: Any) -> Any:
    match value:
        case [*items]:
            return [_with_hex_ids(item) for item in items]
        case {**fields}:
            return {key: _hex(str(key), item) for key, item in fields.items()}
        case _:
            return value


def _hex(key: str, value: Any) -> Any:
    is_id = key in ("traceId", "spanId", "parentSpanId")
    return base64.b64decode(value).hex() if is_id else _with_hex_ids(value)
