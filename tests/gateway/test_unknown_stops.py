"""What a client and the log are told when a backend stops for a reason that nobody knows."""

from __future__ import annotations

import logging

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded

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
