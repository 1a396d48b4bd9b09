"""What a collector gets of requests: spans in the client's trace, and metrics, by OpenTelemetry's own reading of them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pointsman.admin.control.telemetry import Telemetry
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord
from pointsman.routing.specs import MappingSpec, TargetSpec

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
AT = 1_700_000_000.0
RECORD = UsageRecord(
    "req_1", AT, "openai_chat", "/v1/chat/completions", "asked", "openai/groq:big", 1, None, 200, "ok", True,
    input_tokens=10, output_tokens=20, first_output_ms=100.0, total_ms=1000.0, mapping_id=1, request="req_1", attempt=1,
    session="s-1", client="curl",
)  # fmt: skip
RULES = (MappingSpec(1, "asked", 0, (TargetSpec("openai/groq", "big"),)),)


class Collector:
    """spans: name -> what was told of it. points: metric's name -> its data points."""

    def __init__(self) -> None:
        self.spans: dict[str, Any] = {}
        self.points: dict[str, list[Any]] = {}
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans |= {span.name: span for span in scope.spans}
        elif path == "/v1/metrics":
            for told in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in told.scope_metrics:
                    self.points |= {
                        metric.name: list(metric.histogram.data_points) for metric in scope.metrics
                    }


@contextmanager
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            found.take(self.path, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(*records: UsageRecord, traces: dict[str, str] | None = None) -> Collector:
    with collector() as found:
        telemetry = Telemetry(found.url, lambda: RULES)
        block = block_of(records)
        telemetry.take(msgspec.structs.replace(block, traces=list((traces or {}).items())))
        telemetry.close()
    return found


def attributes(of: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


def test_a_request_and_its_attempt_are_spans_in_the_clients_trace() -> None:
    found = told(RECORD, traces={"req_1": f"00-{TRACE}-{SPAN}-01"})
    request, attempt = found.spans["POST /v1/chat/completions"], found.spans["chat big"]
    assert {request.trace_id.hex(), attempt.trace_id.hex()} == {TRACE}
    assert (request.parent_span_id.hex(), attempt.parent_span_id) == (SPAN, request.span_id)
    assert (request.kind, attempt.kind) == (2, 3), "server and client"
    assert (request.start_time_unix_nano, request.end_time_unix_nano) == (int(AT * 1e9), int((AT + 1) * 1e9))
    said = attributes(attempt)
    assert said == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "groq",
        "gen_ai.request.model": "big",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.conversation.id": "s-1",
        "pointsman.backend": "openai/groq",
    }
    assert attributes(request)["pointsman.request_id"] == "req_1"


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "00-" + "0" * 32 + f"-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_without_a_good_traceparent_a_request_has_a_trace_of_its_own(traceparent: str | None) -> None:
    found = told(RECORD, traces=None if traceparent is None else {"req_1": traceparent})
    request, attempt = found.spans["POST /v1/chat/completions"], found.spans["chat big"]
    assert request.trace_id.hex() not in (TRACE, "0" * 32)
    assert (request.parent_span_id, attempt.parent_span_id) == (b"", request.span_id)
    assert attempt.trace_id == request.trace_id


def test_a_trace_that_its_client_does_not_sample_is_not_sent_and_is_measured_all_the_same() -> None:
    found = told(RECORD, traces={"req_1": f"00-{TRACE}-{SPAN}-00"})
    assert found.spans == {}
    assert found.points["gen_ai.client.operation.duration"][0].count == 1


def test_a_failed_attempt_is_a_span_beside_the_one_that_followed() -> None:
    failed = msgspec.structs.replace(
        RECORD, id="req_1/1", target="local/box:small", outcome="failed", status=0, fallback="connect", total_ms=300.0,
        first_output_ms=None, input_tokens=None, output_tokens=None,
    )  # fmt: skip
    found = told(failed, msgspec.structs.replace(RECORD, attempt=2, attempts=2, fallback="connect"))
    request, first, second = (
        found.spans[name] for name in ("POST /v1/chat/completions", "chat small", "chat big")
    )
    assert (first.parent_span_id, second.parent_span_id) == (request.span_id, request.span_id)
    assert (attributes(first)["error.type"], first.status.code) == ("connect", 2)
    assert second.start_time_unix_nano == first.end_time_unix_nano
    (slow, fast) = sorted(found.points["gen_ai.client.operation.duration"], key=lambda one: one.sum)
    assert (round(slow.sum, 3), round(fast.sum, 3)) == (0.3, 0.7)


def test_metrics_are_those_of_the_conventions_with_configured_names_alone() -> None:
    made_up = msgspec.structs.replace(RECORD, id="req_2", request="req_2", target="openai/groq:whatever")
    found = told(RECORD, made_up, msgspec.structs.replace(RECORD, protocol="", id="r", request="r"))
    tokens = found.points["gen_ai.client.token.usage"]
    assert {
        (said["gen_ai.request.model"], said["gen_ai.token.type"]): point.sum
        for point in tokens
        for said in [attributes(point)]
    } == {("big", "input"): 10, ("big", "output"): 20, ("other", "input"): 10, ("other", "output"): 20}
    assert list(tokens[0].explicit_bounds)[:3] == [1, 4, 16]
    (first, _) = found.points["gen_ai.client.operation.time_to_first_chunk"]
    assert first.sum == pytest.approx(0.1)
