"""A stream of events under another label, or behind a byte order mark: read as what it is, and said so."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
import uvloop

from pointsman.practice import CUT, Reply, ScriptedUpstream
from pointsman.wire.sse import BOM, begins_events
from tests.agents.model import STREAM, WHOLE

from .plane import Got, plane, rule
from .sdks import both_sdks_read
from .test_translation import CHAT, CLEAN, JSON, MESSAGES, PATHS, RESPONSES, SSE, ask, one, spec, text_of

LABELS: list[dict[str, str]] = [
    {"content-type": "text/plain"}, {"content-type": "application/json; charset=utf-8"}, {},
    {"content-type": "text/html"},
]  # fmt: skip
EVERY = [(client, upstream) for client in PATHS for upstream in PATHS]
all_pairs = pytest.mark.parametrize(("client", "upstream"), EVERY)


def streamed(client: str) -> dict[str, Any]:
    """A request for a stream, with all of its chunks."""
    return ask(client, stream=True, **({"stream_options": {"include_usage": True}} if client == CHAT else {}))


def reply(upstream: str, label: dict[str, str], before: bytes = b"", **more: Any) -> Reply:
    raw = before + STREAM[upstream]("hello there")
    return Reply(200, label, parts=[raw[:1], raw[1:2], raw[2:9], raw[9:]], framing="chunked", **more)


@all_pairs
@pytest.mark.parametrize("label", LABELS, ids=str)
def test_a_stream_under_another_label_is_a_stream(client: str, upstream: str, label: dict[str, str]) -> None:
    got, _ = one(client, upstream, reply(upstream, label), streamed(client))
    assert got.headers["content-type"].startswith("text/event-stream")
    assert "mislabelled:content-type" in got.headers["x-pointsman-warnings"]
    assert CLEAN[client] in got.body
    assert got.complete
    if client == upstream:
        assert got.body == STREAM[client]("hello there")


@pytest.mark.parametrize(("client", "upstream"), [pair for pair in EVERY if pair[0] != pair[1]])
def test_a_mislabelled_stream_for_a_client_that_wants_it_whole_is_collected(
    client: str, upstream: str
) -> None:
    got, _ = one(client, upstream, reply(upstream, {"content-type": "application/json"}))
    assert got.headers["content-type"] == "application/json"
    assert "mislabelled:content-type" in got.headers["x-pointsman-warnings"]
    assert text_of(client, got.json()) == "hello there"


@all_pairs
@pytest.mark.parametrize("before", [b"", b"\n\r\n", b": hello\n\n", b"retry: 10\n\n"])
@pytest.mark.parametrize("label", [SSE, {"content-type": "text/plain"}], ids=["right", "wrong"])
def test_a_byte_order_mark_costs_no_event(
    client: str, upstream: str, before: bytes, label: dict[str, str]
) -> None:
    got, _ = one(client, upstream, reply(upstream, label, BOM + before), streamed(client))
    assert got.headers["content-type"].startswith("text/event-stream")
    assert CLEAN[client] in got.body
    assert BOM not in got.body
    if client == upstream:
        assert got.body == before + STREAM[client]("hello there")


def test_a_whole_answer_behind_a_byte_order_mark_is_an_answer() -> None:
    for framing in ("length", "chunked"):
        for client in PATHS:
            body = BOM + WHOLE[client]("hello there")
            got, _ = one(client, client, Reply(200, JSON, body=body, framing=framing))
            assert got.complete
            assert got.body == WHOLE[client]("hello there")
    big = BOM + WHOLE[CHAT]("x" * 400_000)  # more than is held
    got, _ = one(CHAT, CHAT, Reply(200, JSON, body=big))
    assert (got.complete, got.body) == (True, big[3:])


def test_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    one(CHAT, CHAT, reply(CHAT, {"content-type": "text/plain"}), ask(CHAT, stream=True))
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("'text/plain'" in line for line in said)


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
def test_an_empty_stream_under_another_label_goes_to_the_next_target(client: str) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as bad, ScriptedUpstream() as good:
            bad.always(Reply(200, {"content-type": "text/plain"}, body=b": nothing\n\n"))
            good.always(Reply(200, SSE, body=STREAM[client]("rescued text")))
            async with plane() as found:
                backends = [spec(bad, client), spec(good, client, "spare")]
                found.rules(rule("*", "local/box", "local/spare"), backends=backends)
                return await found.ask(PATHS[client], ask(client, stream=True))

    got = uvloop.run(main())
    assert got.headers["x-pointsman-target"] == "local/spare:m"
    assert "mislabelled" not in got.headers.get("x-pointsman-warnings", "")
    assert CLEAN[client] in got.body


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_a_mislabelled_stream_that_is_cut_never_ends_clean(client: str) -> None:
    raw = STREAM[client]("hello there")
    at = raw.index(b"there")
    got, _ = one(
        client, client, Reply(200, {"content-type": "text/plain"}, parts=[raw[:at], CUT], framing="chunked"),
        ask(client, stream=True),
    )  # fmt: skip
    assert CLEAN[client] not in got.body
    assert b"error" in got.body or got.status >= 500


def test_its_usage_is_counted() -> None:
    async def main(client: str) -> Any:
        with ScriptedUpstream() as server:
            server.always(reply(client, {"content-type": "application/json"}))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, client)])
                await found.ask(PATHS[client], ask(client, stream=True))
                (record,) = await found.recorded()
                return record

    for client in PATHS:
        record = uvloop.run(main(client))
        assert record.outcome == "ok"
        assert record.output_tokens


def test_the_sdks_read_what_comes_of_it() -> None:
    """Their own reader overlooks the first event behind a mark."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, None)])

                def answer(received: Any) -> Reply:
                    if received.method == "GET":
                        return Reply(404)
                    by_path = {path: protocol for protocol, path in PATHS.items()}
                    return reply(by_path[received.path], {"content-type": "text/plain"}, BOM)

                server.always(answer)
                await asyncio.to_thread(both_sdks_read, found, "hello there")

    uvloop.run(main())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: x", True), (b"data:", True), (b"event: a", True), (b": c", True), (b"\r\n\ndata: x", True), (b"id: 1", True),
        (b"", None), (b"\n", None), (b"dat", None), (b"e", None),
        (b"{", False), (b"datum", False), (b"<html>", False), (b" data: x", False), (b"[DONE]", False), (b"database: x", False),
    ],
)  # fmt: skip
def test_the_first_bytes_of_a_stream(data: bytes, expected: bool | None) -> None:
    assert begins_events(data) is expected
