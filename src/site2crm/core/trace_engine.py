"""Spans in OpenTelemetry's own form, sent by its exporter: batches, retries and the protocol are the library's.

Loaded by `core.heavy`, with the first span: it takes a third of a second and half of that is protobuf.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from site2crm.core.config_schema import Log as Settings

NAME = "site2crm"
PATH = "/v1/traces"
TIMEOUT_S = 10.0


class Engine:
    """In one thread."""

    def __init__(self, settings: Settings, *, version: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # who sends says it, once a minute
        url = settings.traces_url.rstrip("/")
        self._exporter = OTLPSpanExporter(
            endpoint=url if url.endswith(PATH) else url + PATH,
            headers=headers(settings.traces_headers.reveal()),
            timeout=TIMEOUT_S,
        )
        self._resource = Resource({"service.name": NAME, "service.version": version})
        self._scope = InstrumentationScope(NAME, version)

    def send(self, spans: Sequence[Any]) -> bool:
        """Whether the collector has them (`core.tracing.Span`)."""
        return self._exporter.export([self._built(one) for one in spans]) is SpanExportResult.SUCCESS

    def close(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _built(self, one: Any) -> ReadableSpan:
        context = _context(one.trace, one.id)
        return ReadableSpan(
            one.name,
            context=context,
            parent=_context(one.trace, one.parent) if one.parent else None,
            resource=self._resource,
            attributes={**one.attributes, **({"error.type": one.failed} if one.failed else {})},
            kind=SpanKind[one.kind],
            status=Status(StatusCode.ERROR if one.failed else StatusCode.UNSET),
            start_time=one.begun,
            end_time=one.ended,
            instrumentation_scope=self._scope,
        )


def headers(written: str) -> Mapping[str, str]:
    """`name=value,name=value`, as OpenTelemetry's own variable has them."""
    pairs = (pair.partition("=") for pair in written.split(",") if pair.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
