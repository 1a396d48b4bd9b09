"""Spans and metrics of the OpenTelemetry GenAI conventions, made from usage records and sent to the collector that
`POINTSMAN_OTEL` names (docs/telemetry.md). Needs `pointsman[otel]`; loaded only where that is set.

A request is a SERVER span, in its client's trace where that sent a `traceparent`; each attempt is a CLIENT span below it.
Their ids follow from the request's id, so that attempts which arrive earlier fit, and what arrives twice is the same span.
Never a prompt, an answer or a key. Not here: `/metrics` (ledger/metrics.py).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

from ... import __version__
from ...ledger.blocks import UsageBlock
from ...ledger.records import NANO, UsageRecord
from ...routing.labels import Labels
from ...routing.specs import MappingSpec

_OPERATIONS: Final = {"/v1/completions": "text_completion", "/v1/embeddings": "embeddings"}
"""By path, of requests whose protocol is known; any other of them is a chat."""
_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""Bounds as the conventions give them."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?").fullmatch
_SEND_SECONDS: Final = 5
_LAST_SECONDS: Final = 3.0

Value = str | int | float | bool
Parent = tuple[int, int, int]
"""Trace, span and flags."""


class _Ids(IdGenerator):
    """Those of the span that is begun next."""

    def __init__(self) -> None:
        self.trace = self.span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class Telemetry:
    """url: the collector's. mappings: the rules of the moment. Errors of sending are in the log; nobody waits for it."""

    def __init__(self, url: str, mappings: Callable[[], tuple[MappingSpec, ...]]) -> None:
        self._mappings = mappings
        self._followed: tuple[MappingSpec, ...] | None = None
        self._labels = Labels()
        resource = Resource.create({"service.name": "pointsman", "service.version": __version__})
        self._ids = _Ids()
        self._tracers = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=_SEND_SECONDS)
        self._tracers.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        self._tracer = self._tracers.get_tracer("pointsman", __version__)
        sender = OTLPMetricExporter(endpoint=f"{url}/v1/metrics", timeout=_SEND_SECONDS)
        reader = PeriodicExportingMetricReader(sender)
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._duration = self._histogram("operation.duration", "s", "GenAI operation duration.", _SECONDS)
        self._first = self._histogram(
            "operation.time_to_first_chunk", "s", "Time to receive the first chunk.", _SECONDS
        )
        self._tokens = self._histogram(
            "token.usage", "{token}", "Number of input and output tokens used.", _TOKENS
        )

    def _histogram(self, name: str, unit: str, says: str, bounds: tuple[float, ...]) -> Histogram:
        meter = self._meters.get_meter("pointsman", __version__)
        return meter.create_histogram(
            f"gen_ai.client.{name}", unit, says, explicit_bucket_boundaries_advisory=bounds
        )

    def take(self, block: UsageBlock) -> None:
        """These records happened. One caller at a time."""
        mappings = self._mappings()
        if mappings is not self._followed:
            self._followed = mappings
            self._labels.follow(mappings)
        traces = dict(block.traces)
        ended: dict[str, float] = {}  # of requests, when their last failed attempt was over
        for record in block.read():
            request = record.request or record.id
            parent = _parent(traces.get(request))
            own = request == record.id
            if own:
                self._request(record, parent)
            if record.target is not None:
                begun = max(record.at, ended.get(request, 0.0)) if own else record.at
                self._attempt(record, request, parent, begun)
                self._measure(record, _end(record) - begun)
            ended[request] = max(ended.get(request, 0.0), _end(record))

    def close(self) -> None:
        """Send what is left, for three seconds at most: a collector that is away would be waited for much longer."""
        work = threading.Thread(target=self._end, name="telemetry's end", daemon=True)
        work.start()
        work.join(_LAST_SECONDS)

    def _end(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()

    def _request(self, record: UsageRecord, parent: Parent | None) -> None:
        told: dict[str, Value | None] = {
            "http.request.method": "POST",
            "http.route": record.path,
            "http.response.status_code": record.status,
            "gen_ai.request.model": record.model,
            "gen_ai.conversation.id": record.session,
            "pointsman.request_id": record.id,
            "pointsman.target": record.target,
            "pointsman.attempts": record.attempts,
            "pointsman.fallback": record.fallback,
            "pointsman.client": record.client or None,
        }
        above = parent or (_number(record.id, 16), 0, TraceFlags.SAMPLED)
        name, times = f"POST {record.path}", (record.at, _end(record))
        self._span(name, SpanKind.SERVER, above, _number(record.id, 8), told, times, _failure(record))

    def _attempt(self, record: UsageRecord, request: str, parent: Parent | None, begun: float) -> None:
        backend, _, model = (record.target or "").partition(":")
        operation = _operation(record) or record.path
        told: dict[str, Value | None] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": _provider(backend),
            "gen_ai.request.model": model,
            "gen_ai.request.stream": record.stream,
            "gen_ai.usage.input_tokens": record.input_tokens,
            "gen_ai.usage.output_tokens": record.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": record.cache_write_tokens,
            "gen_ai.conversation.id": record.session,
            "pointsman.backend": backend,
            "pointsman.cost_usd": None if record.cost is None else record.cost / NANO,
        }
        trace, _, flags = parent or (_number(request, 16), 0, TraceFlags.SAMPLED)
        above = (trace, _number(request, 8), flags)
        number, times = _number(f"{request}/{record.attempt}", 8), (begun, _end(record))
        self._span(f"{operation} {model}", SpanKind.CLIENT, above, number, told, times, _failure(record))

    def _span(
        self,
        name: str,
        kind: SpanKind,
        above: Parent,
        number: int,
        told: dict[str, Value | None],
        times: tuple[float, float],
        failure: str | None,
    ) -> None:
        """above: its parent, whose span is 0 where there is none."""
        trace, parent, flags = above
        self._ids.trace, self._ids.span = trace, number
        over = SpanContext(trace, parent, is_remote=kind is SpanKind.SERVER, trace_flags=TraceFlags(flags))
        context = set_span_in_context(NonRecordingSpan(over)) if parent else None
        attributes = {key: value for key, value in told.items() if value is not None}
        if failure is not None:
            attributes["error.type"] = failure
        begun, ended = (int(one * 1e9) for one in times)
        span = self._tracer.start_span(name, context, kind=kind, attributes=attributes, start_time=begun)
        if failure is not None:
            span.set_status(Status(StatusCode.ERROR, failure))
        span.end(max(begun, ended))

    def _measure(self, record: UsageRecord, seconds: float) -> None:
        """Names of models are the configuration's, as in `/metrics`."""
        operation = _operation(record)
        if operation is None:
            return
        label = self._labels.target(record.target, listed=record.mapping_id is None)
        backend, _, model = label.partition(":")
        about: dict[str, Value] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": _provider(backend),
            "gen_ai.request.model": model,
        }
        for kind, count in (("input", record.input_tokens), ("output", record.output_tokens)):
            if count is not None:
                self._tokens.record(count, {**about, "gen_ai.token.type": kind})
        failure = _failure(record)
        self._duration.record(seconds, about if failure is None else {**about, "error.type": failure})
        if record.stream and record.first_output_ms is not None:
            self._first.record(max(0.0, record.first_output_ms / 1000 - (_length(record) - seconds)), about)


def _parent(traceparent: str | None) -> Parent | None:
    """By https://www.w3.org/TR/trace-context/#traceparent-header; None of what is none."""
    found = _TRACEPARENT(traceparent) if traceparent is not None else None
    trace, span, flags = (int(group, 16) for group in found.groups()) if found is not None else (0, 0, 0)
    return (trace, span, flags & TraceFlags.SAMPLED) if trace and span else None


def _operation(record: UsageRecord) -> str | None:
    """In the conventions' words."""
    return _OPERATIONS.get(record.path, "chat") if record.protocol else None


def _provider(backend: str) -> str:
    """A named one's name, else its type."""
    return backend.rpartition("/")[2]


def _failure(record: UsageRecord) -> str | None:
    """In a word, where it failed: its attempt's reason, or the status that its client got."""
    if record.outcome == "failed":
        return record.fallback or str(record.status)
    if record.status >= 400:
        return str(record.status)
    return record.outcome if record.outcome in ("error", "interrupted", "cancelled") else None


def _length(record: UsageRecord) -> float:
    """Seconds."""
    return (record.total_ms or 0.0) / 1000


def _end(record: UsageRecord) -> float:
    return record.at + _length(record)


def _number(text: str, size: int) -> int:
    """One that follows from a text, never 0. size: in bytes."""
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest(), "big") or 1
