"""Make spans, and send them by OTLP, with OpenTelemetry's own library: the extra `otel`.

Imported only once there are spans to send.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from asyncload.model.version import VERSION
from asyncload.reporting.machines.traces import Span

_NAME = "asyncload"
# With all attempts, in seconds. The library's default is 10; a command waits less for its outputs.
_TIMEOUT = 2.0
_BATCH = 512


def send_spans(span: Span, parent: Mapping[str, str]) -> None:
    """Make a span with its children, as a part of the parent's trace, and send them.

    The endpoint, its headers, the resource and the sampler are those of the `OTEL_*` variables.

    Raises:
        OSError: the endpoint did not take them.
    """
    spans = made_spans(span, parent)
    with _Complaints() as complaints:
        exporter = OTLPSpanExporter(timeout=_TIMEOUT)
        try:
            for at in range(0, len(spans), _BATCH):
                if exporter.export(spans[at : at + _BATCH]) is not SpanExportResult.SUCCESS:
                    raise OSError(complaints.first or "the endpoint did not accept them")
        finally:
            exporter.shutdown()  # type: ignore[no-untyped-call]  # it has no types


def made_spans(span: Span, parent: Mapping[str, str]) -> Sequence[ReadableSpan]:
    """Return a span and its children as OpenTelemetry's; none if they are not sampled."""
    made = InMemorySpanExporter()
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(made))
    context = TraceContextTextMapPropagator().extract(parent)
    _make(span, context, provider.get_tracer(_NAME, VERSION))
    return made.get_finished_spans()


def _resource() -> Resource:
    """Return the resource of the environment, with our name if it has none."""
    resource = Resource.create({SERVICE_VERSION: VERSION})
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return resource.merge(Resource({SERVICE_NAME: _NAME}))
    return resource


def _make(span: Span, context: Context, tracer: Tracer) -> None:
    kind = SpanKind.CLIENT if span.is_request else SpanKind.INTERNAL
    made = tracer.start_span(
        span.name, context, kind, attributes=span.attributes, start_time=span.began
    )
    inside = set_span_in_context(made, context)
    for child in span.children:
        _make(child, inside, tracer)
    if span.error:
        made.set_status(Status(StatusCode.ERROR, span.error))
    made.end(span.ended)


class _Complaints(logging.Handler):
    """Keeps what the library logs, which would be printed otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""
        self._logger = logging.getLogger("opentelemetry")
        self._propagated = self._logger.propagate

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        self._logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated

    def emit(self, record: logging.LogRecord) -> None:
        # Those that follow are about further attempts.
        self.first = self.first or record.getMessage()
