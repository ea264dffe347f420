"""The part that keeps the spans that a runtime has made."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class MyTestExporter(SpanExporter):
    """Keeps spans in the order of their ends."""

    def __init__(self) -> None:
        self._kept: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._kept += spans
        return SpanExportResult.SUCCESS

    def get_exported_spans(self) -> list[ReadableSpan]:
        return self._kept

    def clear(self) -> None:
        self._kept.clear()


def get_test_tracer_provider(exporter: MyTestExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider
