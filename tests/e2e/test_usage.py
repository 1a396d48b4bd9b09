"""One usage row a request: what happened, never what was said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from .gateway import Gateway, wait_until
from .replies import CUT, begins, either, fails
from .web import post_bytes, raw
from .wires import CHAT, RESPONSES, WIRES, Wire

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]


def rows(gateway: Gateway, model: str, count: int = 1) -> list[dict[str, Any]]:
    def enough() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = gateway.api("GET", f"/api/usage?model={model}&limit=100")
        return found if len(found) >= count else []

    found = wait_until(f"{count} usage rows", enough)
    assert len(found) == count
    return list(found)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_a_request_leaves_one_row_with_its_tokens(
    gateway: Gateway, upstream: Upstreams, wire: Wire, stream: bool
) -> None:
    server = upstream()
    server.always(either(wire, "ok"))
    name, backends = gateway.route(wire.kind, server.url)
    answer = gateway.fetch("POST", wire.path, wire.ask(name, stream=stream))
    (row,) = rows(gateway, name)
    assert row["id"] == answer.header("x-request-id")
    assert row["protocol"] == wire.name
    assert row["path"] == wire.path
    assert row["model"] == name
    assert row["target"] == f"{backends[0]}:{name}"
    assert (row["attempts"], row["fallback"], row["status"], row["outcome"]) == (1, None, 200, "ok")
    assert row["stream"] is stream
    if not (wire is CHAT and stream):  # this scripted stream reports none
        assert row["output_tokens"] == 7
        assert row["input_tokens"] == 11
    else:
        assert row["output_tokens"] is None
    if wire is RESPONSES:
        assert row["reasoning_tokens"] == 2
    if wire is not CHAT:
        assert row["cached_tokens"] == 4
    assert 0 <= row["first_output_ms"] <= row["total_ms"] < 30_000


def test_a_rescued_request_says_why_and_how_often(gateway: Gateway, upstream: Upstreams) -> None:
    first, second = upstream(), upstream()
    first.always(fails(CHAT, 429))
    second.always(either(CHAT, "ok"))
    name, backends = gateway.route("openai", first.url, second.url)
    gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    row, before = sorted(rows(gateway, name, 2), key=lambda row: row["attempt"], reverse=True)
    assert (row["attempts"], row["fallback"], row["status"], row["outcome"]) == (2, "throttled", 200, "ok")
    assert row["target"] == f"{backends[1]}:{name}"
    assert row["id"] == row["request"] == before["request"]
    assert (before["attempt"], before["fallback"], before["status"], before["outcome"]) == (
        1,
        "throttled",
        429,
        "failed",
    )
    assert before["target"] == f"{backends[0]}:{name}"


def test_a_failed_request_is_an_error_row(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(fails(CHAT, 500))
    name, _ = gateway.route("openai", server.url)
    gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    row, before = sorted(rows(gateway, name, 2), key=lambda row: row["attempt"], reverse=True)
    assert (row["status"], row["outcome"], row["attempt"]) == (
        500,
        "error",
        2,
    )  # the only target was asked twice
    assert (before["status"], before["outcome"]) == (500, "failed")


def test_a_broken_stream_is_an_interrupted_row(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(begins(CHAT, CUT, text="half"))
    name, _ = gateway.route("openai", server.url)
    with raw(gateway.url) as connection:
        connection.send(post_bytes(CHAT.path, json.dumps(CHAT.ask(name, stream=True)).encode()))
        connection.until(b"half")
        connection.closed(0.5)
    (row,) = rows(gateway, name)
    assert (row["status"], row["outcome"]) == (200, "interrupted")


def test_a_model_nobody_has_leaves_a_row_without_a_target(gateway: Gateway) -> None:
    name = gateway.fresh("nobody")
    gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    (row,) = rows(gateway, name)
    assert (row["status"], row["target"], row["attempts"]) == (404, None, 0)


def test_rows_are_paged_newest_first_with_a_cursor(gateway: Gateway) -> None:
    name = gateway.fresh("paged")
    gateway.rule(name, "local/practice=practice")
    ids = [gateway.fetch("POST", CHAT.path, CHAT.ask(name)).header("x-request-id") for _ in range(5)]
    rows(gateway, name, 5)
    seen, query = [], f"model={name}&limit=2"
    for _ in range(5):
        answer = gateway.api_answer("GET", f"/api/usage?{query}")
        seen += [row["id"] for row in answer.json()]
        cursor = answer.header("x-next-cursor")
        if not cursor:
            break
        assert 'rel="next"' in (answer.header("link") or "").replace("rel=next", 'rel="next"')
        query = f"model={name}&limit=2&cursor={cursor}"
    assert seen == ids[::-1]


def test_rows_are_filtered_by_status(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.script(fails(CHAT, 400)).always(either(CHAT, "ok"))
    name, _ = gateway.route("openai", server.url)
    for _ in range(2):
        gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    rows(gateway, name, 2)
    assert [row["status"] for row in gateway.api("GET", f"/api/usage?model={name}&status=400")] == [400]


def test_metrics_count_requests(gateway: Gateway) -> None:
    gateway.fetch("POST", CHAT.path, CHAT.ask("practice"))
    text = gateway.fetch("GET", "/metrics").body.decode()
    assert any(line.startswith("pointsman_") and not line.endswith(" 0") for line in text.splitlines())
