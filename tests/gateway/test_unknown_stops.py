"""What a client and the log are told when a backend stops for a reason that nobody knows."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded, sse

from .plane import Got, plane, rule
from .test_translation import CHAT, CLEAN, JSON, MESSAGES, PATHS, RESPONSES, SSE, ask, spec


def asked(reply: Reply, client: str, stream: bool) -> Got:
    async def main() -> Got:
        with ScriptedUpstream() as first:
            first.always(reply)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(first, CHAT)])
                return await found.ask(PATHS[client], ask(client, stream=stream))

    return uvloop.run(main())


def streamed(word: str) -> Reply:
    raw = chat.stream(chat.delta(content="hi"), chat.delta(word))
    return Reply(200, SSE, parts=[raw], framing="chunked")


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
def test_a_word_that_nobody_knows_is_told_and_logged(client: str, caplog: pytest.LogCaptureFixture) -> None:
    got = asked(Reply(200, JSON, body=encoded(chat.whole({"content": "hi"}, "banana"))), client, False)
    assert "unknown_stop:banana" in got.headers["x-pointsman-warnings"]
    got = asked(streamed("banana"), client, True)
    comment = b": the backend stopped for a reason that nobody knows: 'banana'\n\n"
    assert comment in got.body.partition(CLEAN[client])[0]
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert sum("'banana'" in one for one in said) == 2


@pytest.mark.parametrize("client", [CHAT, MESSAGES, RESPONSES])
def test_half_an_answer_that_ends_with_network_error_is_an_error(client: str) -> None:
    got = asked(streamed("network_error"), client, True)
    assert CLEAN[client] not in got.body
    assert b"network_error" in got.body
    assert b'"error"' in got.body
    whole = Reply(200, JSON, body=encoded(chat.whole({"content": "hi"}, "network_error")))
    assert asked(whole, client, False).status == 502


@pytest.mark.parametrize("client", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize(
    "event",
    [
        b'data: {"code":"InternalError","message":"GPU fell off"}\n\n',
        b"event: error\ndata: GPU fell off\n\n",
        b'error: {"code":500,"message":"GPU fell off"}\n\n',
        b"data: Internal Server Error: GPU fell off\n\n",
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_an_error_that_no_client_knows_by_its_form_then_done_is_no_clean_end(
    client: str, event: bytes, together: bool
) -> None:
    """Chat's SDKs raise on a member `error` and overlook the rest, so that half an answer passed for all of it."""
    parts = [sse(chat.delta(content="half an ans")), event, chat.DONE]
    reply = Reply(200, SSE, parts=[b"".join(parts)] if together else parts, framing="chunked")
    got = asked(reply, client, True)
    assert CLEAN[client] not in got.body
    assert b'"error"' in got.body
    assert b"GPU fell off" in got.body


COMPLETIONS = "/v1/completions"
FELL = [
    {"code": "InternalError", "message": "GPU fell off"},
    {"object": "error", "message": "GPU fell off", "code": 500},
    [{"error": {"code": 503, "message": "GPU fell off"}}],
    {"choices": [{"index": 0, "text": "", "finish_reason": "error", "error": {"message": "GPU fell off"}}]},
    {"choices": [{"index": 0, "text": "half", "finish_reason": "network_error (GPU fell off)"}]},
]


@pytest.mark.parametrize("value", FELL)
def test_completions_that_failed_are_no_success(value: Any) -> None:
    async def main() -> tuple[Got, Got]:
        with ScriptedUpstream() as first:
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(first, None)])
                first.always(Reply(200, JSON, body=encoded(value)))
                whole = await found.ask(COMPLETIONS, {"model": "m", "prompt": "x"})
                raw = sse(chat.text("half")) + b"data: " + encoded(value) + b"\n\n" + chat.DONE
                first.always(Reply(200, SSE, parts=[raw], framing="chunked"))
                return whole, await found.ask(COMPLETIONS, {"model": "m", "prompt": "x", "stream": True})

    whole, streamed = uvloop.run(main())
    assert whole.status >= 500
    assert b"GPU fell off" in whole.body
    assert b"[DONE]" not in streamed.body
    assert b'data: {"error":' in streamed.body
