"""A canary key in every part of every kind of answer: nothing that a client, a log or a record gets holds it."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any
from urllib.parse import quote

import pytest
import uvloop

from pointsman.practice import Pause, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from pointsman.wire.key_mask import KeyMask
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.conformance.facts import ASK
from tests.vendor_bodies import chat, messages, responses

from .plane import Got, plane, rule

CANARY = "sk-canary-9f83e2b4/+x"
PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
BOTH = pytest.mark.parametrize("client", PATHS)
UPSTREAMS = pytest.mark.parametrize("upstream", PATHS)
ERROR_EVENT = {
    CHAT: chat.error_event, RESPONSES: responses.error_event, MESSAGES: messages.error_event,
}  # fmt: skip
FORMS = {
    "as it is": CANARY,
    "JSON": CANARY.replace("/", "\\/"),
    "unicode escapes": CANARY.replace("/", "\\u002F").replace("+", "\\u002b"),
    "URL": quote(CANARY, safe=""),
}
BASE64 = [base64.b64encode(before + CANARY.encode()).decode() for before in (b"", b"x", b"u:")]


def keyed(server: ScriptedUpstream, speaks: str) -> BackendSpec:
    """A provider's backend with the key that nobody may see."""
    return BackendSpec(
        "openai/x",
        "openai",
        "x",
        server.url,
        (speaks,),
        auth="bearer",
        api_key=Secret(CANARY),
        allow_http=True,
    )


def asked(client: str, upstream: str, reply: Reply, *, stream: bool, path: str = "") -> tuple[Got, str]:
    """The answer, and everything that the gateway has written down meanwhile."""

    async def main() -> tuple[Got, str]:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                found.rules(rule("*", "openai/x"), backends=[keyed(server, upstream)])
                body = {"model": "m", **ASK[client], "stream": stream}
                got = await found.ask(path or PATHS[client], body)
                assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
                samples = found.plane.samples()
                return got, f"{found.records} {samples} {found.plane.status()}"

    return uvloop.run(main())


def holds(text: bytes | str) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    found = [one for one in (*FORMS.values(), *BASE64) if one.encode() in data]
    if found or b"canary-9f83e2b4" in data:
        return found or ["a part"]
    return []


def clean(got: Got, written: str, logged: str = "") -> None:
    assert holds(got.body) == []
    assert holds(json.dumps(got.headers)) == []
    assert holds(written) == []
    assert holds(logged) == []


@BOTH
@UPSTREAMS
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("stream", [False, True])
def test_no_header_of_any_answer_shows_it(
    client: str, upstream: str, status: int, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    quoted = {
        "www-authenticate": f'Bearer realm="{CANARY}"', "x-your-key": CANARY, "x-request-id": f"r-{CANARY}",
        "set-cookie": f"k={CANARY}", "x-url": quote(CANARY, safe=""), "openai-organization": CANARY,
        "retry-after": "0", "x-ratelimit-limit-requests": CANARY, "x-basic": BASE64[2] if status >= 400 else "none", "location": f"/{CANARY}",
        "warning": f'199 - "{CANARY}"',
    }  # fmt: skip
    kind = SSE if stream and status == 200 else JSON
    said = {200: STREAM[upstream]("hi") if stream else WHOLE[upstream]("hi")}
    body = said.get(status, json.dumps({"error": {"message": f"no: {CANARY}", "code": CANARY}}).encode())
    with caplog.at_level(logging.DEBUG):
        headers = {**kind, **quoted}
        got, written = asked(client, upstream, Reply(status, headers, body=body), stream=stream)
    clean(got, written, caplog.text)


@BOTH
@UPSTREAMS
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("when", ["instead", "first", "after content", "bare"])
def test_no_error_shows_it_in_any_form(
    client: str, upstream: str, form: str, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    event = ERROR_EVENT[upstream]("Incorrect API key provided: THE-KEY!").replace(b"THE-KEY", form.encode())
    content = STREAM[upstream]("Words that came before.")
    content = content[: content.index(b"before")].rpartition(b"\n\n")[0] + b"\n\n"
    error = b'{"error":{"message":"Incorrect API key provided: %b!","type":"x"}}' % form.encode()
    reply = {
        "instead": Reply(401, JSON, body=error),
        "first": Reply(200, SSE, body=event),
        "after content": Reply(200, SSE, parts=[content, Pause(0.01), event]),
        "bare": Reply(200, SSE, parts=[content, Pause(0.01), error]),
    }[when]
    with caplog.at_level(logging.DEBUG):
        got, written = asked(client, upstream, reply, stream=when != "instead")
    clean(got, written, caplog.text)
    assert b"Incorrect API key provided" in got.body


@pytest.mark.parametrize("client", PATHS)
def test_an_error_event_that_comes_in_two_pieces_cut_anywhere(client: str) -> None:
    event = ERROR_EVENT[client](f"Incorrect API key provided: {CANARY}!")
    content = STREAM[client]("Words that came before.")
    content = content[: content.index(b"before")].rpartition(b"\n\n")[0] + b"\n\n"

    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", "openai/x"), backends=[keyed(server, client)])
                for cut in range(1, len(event)):
                    parts = [content, event[:cut], Pause(0.003), event[cut:]]
                    server.script(Reply(200, SSE, parts=parts))
                    got = await found.ask(PATHS[client], {"model": "m", **ASK[client], "stream": True})
                    assert holds(got.body) == [], cut
                    assert b"Incorrect API key" in got.body

    uvloop.run(main())


@pytest.mark.parametrize("cut", range(1, len(CANARY) + 2, 3))
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_whole_answer_and_a_large_event_keep_their_length(cut: int, framing: str) -> None:
    """Neither is held until it is whole: the key may come in two pieces."""
    text = "x" * 3_000_000 + f" {CANARY} " + "y" * 100_000
    body = WHOLE[CHAT](text)
    at = body.index(CANARY.encode()) + cut
    got, written = asked(
        CHAT, CHAT, Reply(200, JSON, parts=[body[:at], Pause(0.05), body[at:]], framing=framing), stream=False
    )
    clean(got, written)
    assert (got.complete, len(got.body)) == (True, len(body))
    assert json.loads(got.body)
    event = STREAM[CHAT](text)
    at = event.index(CANARY.encode()) + cut
    got, written = asked(
        CHAT, CHAT, Reply(200, SSE, parts=[event[:at], Pause(0.05), event[at:]]), stream=True
    )
    clean(got, written)
    assert (got.complete, len(got.body)) == (True, len(event))


@BOTH
@UPSTREAMS
@pytest.mark.parametrize("stream", [False, True])
def test_where_it_stands_whole_in_an_event_or_an_answer_it_is_stars(
    client: str, upstream: str, stream: bool
) -> None:
    made = (STREAM if stream else WHOLE)[upstream](f"The key is {CANARY} indeed")
    got, written = asked(client, upstream, Reply(200, SSE if stream else JSON, body=made), stream=stream)
    if CANARY.encode() in made:  # not told in pieces
        clean(got, written)
    assert got.status == 200


@pytest.mark.parametrize("key", ["ollama", "none", "lm-studio", "x", "secretly"])
def test_a_word_that_is_a_local_servers_key_stays_a_word(key: str) -> None:
    mask = KeyMask(key.encode())
    said = f'{{"a":"I use {key} at home"}}'.encode()
    assert mask.shown(said) == said
    assert mask.hanging(said) == 0
    assert key.encode() not in mask.body(b"your key " + key.encode())


def test_every_end_that_may_begin_the_key_hangs_and_no_other() -> None:
    mask = KeyMask(CANARY.encode())
    for size in range(1, len(CANARY)):
        assert mask.hanging(b"sk- and " + CANARY[:size].encode()) == size
    assert mask.hanging(b"nothing of it") == 0
    assert mask.hanging(b"") == 0
    assert mask.hanging(CANARY.encode() + b".") == 0


def masked(data: Any) -> bytes:
    return KeyMask(CANARY.encode()).body(data)


@pytest.mark.parametrize("form", [*FORMS.values(), *BASE64])
def test_errors_lose_each_form(form: str) -> None:
    assert holds(masked(f"a {form} b".encode())) == []
    assert masked(b"an ordinary text of no key") == b"an ordinary text of no key"
