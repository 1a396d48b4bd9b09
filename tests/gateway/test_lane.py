"""A plain request's own lane (gateway/lane) and the full way: one answer's bytes, however they come and wherever they end, give
the client, the backend and the usage record the very same in both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import Call, Step, named

from .in_memory import KEY, Played, World

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
EMBEDDINGS = "embeddings"
PATHS = {
    CHAT: "/v1/chat/completions",
    MESSAGES: "/v1/messages",
    RESPONSES: "/v1/responses",
    EMBEDDINGS: "/v1/embeddings",
}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nx-request-id: theirs\r\nServer: x\r\n%b\r\n"
USAGE = {"prompt_tokens": 19, "completion_tokens": 7, "total_tokens": 26}


def whole_of(body: bytes, kind: bytes = b"application/json", more: bytes = b"") -> bytes:
    return HEAD % (kind, more + b"content-length: %d\r\n" % len(body)) + body


def stream_head(more: bytes = b"") -> bytes:
    return HEAD % (b"text/event-stream", more + b"transfer-encoding: chunked\r\n")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunks_of(stream: bytes) -> list[bytes]:
    """A chunk an event."""
    return [chunk(event + b"\n\n") for event in stream.split(b"\n\n")[:-1]] + [b"0\r\n\r\n"]


def chat_stream(*words: str, usage: bool = False, finish: str = "stop", **more: Any) -> bytes:
    told = [chat.headed(chat.delta(role="assistant", content=""), **more)]
    told += [chat.headed(chat.delta(content=word), **more) for word in words]
    told.append(chat.headed(chat.delta(finish), **more))
    if usage:
        told.append(chat.headed(chat.counted(USAGE), **more))
    return chat.stream(*told)


def messages_stream(*words: str) -> bytes:
    text = messages.block(0, {"type": "text", "text": ""}, *map(messages.text_delta, words))
    return named(messages.started(), *text, *messages.ended("end_turn"))


def responses_stream(step: Step, *, closes: bool = True) -> bytes:
    told = responses.said(step, responses.USAGE, len(step) if isinstance(step, str) else 2)
    return named(*(told if closes else told[:-1]))


def padded(text: str) -> bytes:
    """As the vendor writes it: its number before the rest, and a string of any length behind."""
    told = responses.said(text, responses.USAGE, 40)
    for number, event in enumerate(told):
        kind, one = event.pop("type"), event.pop("sequence_number")
        told[number] = {"type": kind, "sequence_number": one, **event, "obfuscation": "x" * (number % 7)}
    return named(*told)


CALL = Call("t1", "look", {"city": "Berlin"})
WORDS = ("Hello", ", ", "wor", 'ld "', "\n", "\\", "žluť", "\U0001f600", "a", "b", "")
WHOLES = {
    CHAT: json.dumps(chat.whole_of("Hello", USAGE)).encode(),
    MESSAGES: json.dumps(messages.whole_of("Hello")).encode(),
    RESPONSES: json.dumps(responses.whole_of("Hello")).encode(),
}
STREAMS: dict[str, tuple[str, bytes]] = {
    "chat": (CHAT, chat_stream(*WORDS, usage=True)),
    "chat call": (CHAT, chat.stream(*chat.said(CALL, USAGE))),
    "chat without end": (CHAT, chat_stream("Hello", " you").replace(b"data: [DONE]\n\n", b"")),
    "chat error": (
        CHAT,
        chat_stream("Hello", " you")[:300].rpartition(b"\n\n")[0] + b"\n\n" + chat.error_event("no"),
    ),
    "chat error first": (CHAT, chat.error_event("no")),
    "chat of two": (
        CHAT,
        chat.stream(*(chat.headed(chat.of_choices(chat.choice(i % 2, content=f"w{i}"))) for i in range(6))),
    ),
    "chat comments": (
        CHAT,
        b": ping\n\n" + chat_stream("Hello", " you").replace(b"data: [DONE]", b": x\n\ndata: [DONE]"),
    ),
    "chat crlf": (CHAT, chat_stream("Hello", " you", " all").replace(b"\n", b"\r\n")),
    "chat empty": (CHAT, chat_stream()),
    "chat key": (CHAT, chat_stream("Hello", f"the key is {KEY}", "and on", "and on")),
    "chat usage each": (
        CHAT,
        chat.stream(*(chat.headed(chat.delta(content=f"w{i}"), usage=USAGE) for i in range(4))),
    ),
    "chat nonsense": (CHAT, chat_stream("Hello", " you", "x").replace(b'"content":"x"', b'"content":"x')),
    "messages": (MESSAGES, messages_stream(*WORDS)),
    "messages thinking": (MESSAGES, named(*messages.said(CALL, {"output_tokens": 7}))),
    "messages without end": (MESSAGES, messages_stream("Hello", " you")[:-60]),
    "messages error": (
        MESSAGES,
        messages_stream("Hello", " you")[:500].rpartition(b"\n\n")[0] + b"\n\n" + messages.error_event("no"),
    ),
    "responses": (RESPONSES, responses_stream("".join(WORDS))),
    "responses call": (RESPONSES, responses_stream(CALL)),
    "responses without end": (RESPONSES, responses_stream("Hello", closes=False)),
    "responses error": (
        RESPONSES,
        responses_stream("Hello", closes=False) + responses.error_event("no"),
    ),
    "responses padded": (RESPONSES, padded("".join(WORDS) * 3)),
    "responses key": (RESPONSES, responses_stream(f"it is {KEY}")),
}
WARM = {
    CHAT: chat_stream("well"),
    MESSAGES: messages_stream("well"),
    RESPONSES: responses_stream("well"),
}


def both(make: Callable[[World], Coroutine[Any, Any, Played]], dialect: str, **world: Any) -> Played:
    """What the lane gives, which the full way gives, too."""
    found = []
    for lane in (True, False):

        async def run(lane: bool = lane) -> Played:
            made = World(dialect, lane=lane, **world)
            played = await make(made)
            assert made.plane.jobs == 0 or not played.records
            return played

        found.append(asyncio.run(run()))
    mine, full = found
    assert mine.lane
    assert not full.lane
    assert mine.client == full.client
    assert (mine.records, mine.closed) == (full.records, full.closed)
    assert mine.upstream == full.upstream
    assert mine.remembered == full.remembered
    return mine


def asked(dialect: str, stream: bool, **more: Any) -> bytes:
    if dialect == EMBEDDINGS:
        return json.dumps({"model": "m", "input": "hello", **more}).encode()
    made = {CHAT: chat, MESSAGES: messages, RESPONSES: responses}[dialect].ask("m", **more)
    return json.dumps({**made, "stream": stream} if stream else made).encode()


def of_stream(
    dialect: str, pieces: list[bytes], client: str | None = None, **more: Any
) -> Callable[[World], Coroutine[Any, Any, Played]]:
    """dialect: the backend's, and the client's where that is not another one."""
    answer = stream_head() + b"".join(chunks_of(WARM[dialect]))
    who = client or dialect
    return lambda world: world.play(PATHS[who], asked(who, True), answer, pieces, **more)


def of_whole(
    dialect: str, pieces: list[bytes], client: str | None = None, **more: Any
) -> Callable[[World], Coroutine[Any, Any, Played]]:
    """See of_stream()."""
    answer = whole_of(WHOLES[dialect])
    who = client or dialect
    return lambda world: world.play(PATHS[who], asked(who, False), answer, pieces, **more)


@pytest.mark.parametrize("local", [False, True], ids=["cloud", "local"])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_told_alike(name: str, local: bool) -> None:
    dialect, stream = STREAMS[name]
    both(of_stream(dialect, [stream_head(), *chunks_of(stream)]), dialect, local=local)
    both(of_stream(dialect, [stream_head() + b"".join(chunks_of(stream))]), dialect, local=local)


@pytest.mark.parametrize(
    "name", ["chat", "messages", "responses", "chat error", "messages thinking", "responses error"]
)
def test_a_stream_that_is_cut_anywhere_is_told_alike(name: str) -> None:
    dialect, stream = STREAMS[name]
    raw = stream_head() + b"".join(chunks_of(stream))
    for at in range(0, len(raw), 17):
        both(of_stream(dialect, [raw[: at // 2], raw[at // 2 : at]], cut=True), dialect)


@pytest.mark.parametrize("dialect", WHOLES)
def test_a_whole_answer_that_is_cut_anywhere_is_told_alike(dialect: str) -> None:
    raw = whole_of(WHOLES[dialect])
    for at in range(0, len(raw), 11):
        both(of_whole(dialect, [raw[:at]], cut=True), dialect)
        both(of_whole(dialect, [raw[:at], raw[at:]]), dialect)


LIKE = {
    CHAT: (
        {"content": "Hello"},
        {"content": 'Hello, \n"you" žluť \\'},
        {"content": "<think>hm</think>you"},
        {"content": " "},
        {"content": ""},
        {"content": None},
    ),
    MESSAGES: (
        {"text": 'Hello, \n"you" žluť \\'},
        {"text": " "},
        {"text": ""},
    ),
    RESPONSES: (
        {"text": 'Hello, \n"you" žluť \\'},
        {"text": " "},
        {"text": ""},
    ),
}


def inside_of(dialect: str, value: dict[str, Any]) -> dict[str, Any]:
    """Where an answer's text stands."""
    if dialect == CHAT:
        found = value["choices"][0]["message"]
    elif dialect == MESSAGES:
        found = value["content"][0]
    else:
        found = value["output"][0]["content"][0]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("dialect", LIKE)
def test_a_whole_answer_that_is_like_the_one_before_is_told_alike(dialect: str, ascii: bool) -> None:
    for other in LIKE[dialect]:
        value = json.loads(WHOLES[dialect])
        inside_of(dialect, value).update(other)
        raw = whole_of(json.dumps(value, ensure_ascii=ascii).encode())
        both(of_whole(dialect, [raw]), dialect)
        for at in range(len(raw) - len(WHOLES[dialect]), len(raw), 13):
            both(of_whole(dialect, [raw[:at] + b"!" + raw[at + 1 :]]), dialect)
            both(of_whole(dialect, [raw[:at]], cut=True), dialect)


@pytest.mark.parametrize("ascii", [False, True])
def test_a_whole_response_that_is_not_kept_and_like_the_one_before_is_told_alike(ascii: bool) -> None:
    body = asked(RESPONSES, False, store=False)

    def play(raw: bytes, **more: Any) -> None:
        answer = whole_of(WHOLES[RESPONSES])
        both(lambda world: world.play(PATHS[RESPONSES], body, answer, [raw], **more), RESPONSES)

    for other in LIKE[RESPONSES]:
        value = json.loads(WHOLES[RESPONSES])
        inside_of(RESPONSES, value).update(other)
        raw = whole_of(json.dumps(value, ensure_ascii=ascii).encode())
        play(raw)
        for at in range(len(raw) - len(WHOLES[RESPONSES]), len(raw), 13):
            play(raw[:at] + b"!" + raw[at + 1 :])
            play(raw[:at], cut=True)


ANSWERS = {
    "429": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 2\r\n\r\n{}",
    "500": b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 No\r\ncontent-length: 9\r\n\r\nnot found",
    "redirect": b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" + whole_of(WHOLES[CHAT]),
    "empty": whole_of(b""),
    "text": whole_of(b"hello"),
    "html": whole_of(b"<html></html>", b"text/html"),
    "error with status 200": whole_of(json.dumps(chat.error("no")).encode()),
    "empty choices": whole_of(b'{"choices":[]}'),
    "half": whole_of(WHOLES[CHAT][:-5]),
    "two": whole_of(WHOLES[CHAT]) + whole_of(WHOLES[CHAT]),
    "lengths": HEAD % (b"application/json", b"content-length: 2\r\ncontent-length: 3\r\n") + b"{}",
    "chunked": HEAD % (b"application/json", b"transfer-encoding: chunked\r\n")
    + chunk(WHOLES[CHAT])
    + b"0\r\n\r\n",
    "close": whole_of(WHOLES[CHAT], more=b"connection: close\r\n"),
    "gzip": whole_of(WHOLES[CHAT], more=b"content-encoding: gzip\r\n"),
    "cookies": whole_of(WHOLES[CHAT], more=b"set-cookie: a=b\r\nconnection: x-a\r\nx-a: 1\r\nx-b: 2\r\n"),
    "key": whole_of(WHOLES[CHAT].replace(b"Hello", KEY.encode())),
    "key in a header": whole_of(WHOLES[CHAT], more=b"x-told: " + KEY.encode() + b"\r\n"),
    "a stream": stream_head() + b"".join(chunks_of(chat_stream("Hello"))),
    "trailer": stream_head() + b"".join(chunks_of(chat_stream("Hello"))[:-1]) + b"0\r\nx: y\r\n\r\n",
    "extension": stream_head() + b"5;a=b\r\n: x\n\n\r\n" + b"".join(chunks_of(chat_stream("Hello"))),
    "folded": HEAD % (b"application/json", b"x-a: 1\r\n 2\r\ncontent-length: 2\r\n") + b"{}",
    "control": HEAD % (b"application/json", b"x-a: \x01\r\ncontent-length: 2\r\n") + b"{}",
    "lf": whole_of(WHOLES[CHAT]).replace(b"\r\n", b"\n"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_not_plain_is_told_alike(name: str, stream: bool) -> None:
    make = of_stream if stream else of_whole
    both(make(CHAT, [ANSWERS[name]]), CHAT)
    both(make(CHAT, [ANSWERS[name]], cut=True), CHAT)
    both(make(CHAT, [ANSWERS[name][:40], ANSWERS[name][40:]]), CHAT)


@pytest.mark.parametrize("came", range(0, 13, 2))
def test_a_client_that_leaves_is_recorded_alike(came: int) -> None:
    for dialect, stream in (STREAMS["chat"], STREAMS["messages"], STREAMS["responses"]):
        pieces = [stream_head(), *chunks_of(stream)][:came]
        both(of_stream(dialect, pieces, leave=True), dialect)
    both(of_whole(CHAT, [whole_of(WHOLES[CHAT])[: came * 20]], leave=True), CHAT)


@pytest.mark.parametrize("later", [1.0, 9.0, 70.0, 130.0, 700.0, 4000.0])
@pytest.mark.parametrize("came", [0, 1, 2, 4, 16])
def test_time_goes_by_alike(came: int, later: float) -> None:
    for dialect, stream in (
        STREAMS["chat"],
        STREAMS["chat without end"],
        STREAMS["messages"],
        STREAMS["responses"],
    ):
        pieces = [stream_head(), *chunks_of(stream)][:came]
        both(of_stream(dialect, pieces, tick=lambda now: now + later), dialect)
    both(of_whole(CHAT, [whole_of(WHOLES[CHAT])[: came * 9]], tick=lambda now: now + later), CHAT)


@pytest.mark.parametrize(
    "more", [{"temperature": None}, {"stream_options": {"include_usage": True}}, {"stream_options": None}]
)
def test_a_local_servers_body_is_changed_alike(more: dict[str, Any]) -> None:
    pieces = [stream_head(), *chunks_of(chat_stream("Hello", " you", usage=True))]
    answer = stream_head() + b"".join(chunks_of(chat_stream("well")))
    both(
        lambda w: w.play(PATHS[CHAT], asked(CHAT, True, **more), answer, pieces),
        CHAT,
        local=True,
        model="other",
    )


REFERRING: dict[str, dict[str, Any]] = {
    "kept": {},
    "not kept": {"store": False},
    "kept, as it says": {"store": True},
    "with ids": {"input": [responses.message("hm"), {"role": "user", "content": "and?", "id": "msg_2"}]},
}
"""Of state that the gateway may keep; nothing in it must be looked up."""
LOOKED_UP: dict[str, dict[str, Any]] = {
    "a response": {"previous_response_id": "resp_1"},
    "an item": {"input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "and?"}]},
    "an item without a type": {"input": [{"id": "msg_1"}, {"role": "user", "content": "and?"}]},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("local", [False, True], ids=["cloud", "local"])
@pytest.mark.parametrize("backend", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("name", REFERRING)
def test_what_is_to_be_kept_of_a_response_is_kept_alike(
    name: str, backend: str, local: bool, stream: bool
) -> None:
    answer = stream_head() + b"".join(chunks_of(WARM[backend])) if stream else whole_of(WHOLES[backend])
    body = asked(RESPONSES, stream, **REFERRING[name])
    played = both(lambda world: world.play(PATHS[RESPONSES], body, answer, [answer]), backend, local=local)
    assert bool(played.remembered) is (name != "not kept")


@pytest.mark.parametrize("status", ["queued", "in_progress", "incomplete", "failed", "cancelled"])
def test_a_response_that_goes_on_or_is_not_whole_is_told_alike(status: str) -> None:
    value = responses.response([], status)
    if status == "incomplete":
        value |= {"output": [responses.message("Hel")], "incomplete_details": {"reason": "max_output_tokens"}}
    answer = whole_of(json.dumps(value).encode())
    body = asked(RESPONSES, False, background=True)
    warm = whole_of(WHOLES[RESPONSES])
    played = both(lambda world: world.play(PATHS[RESPONSES], body, warm, [answer]), RESPONSES)
    assert bool(played.remembered) is (status in ("queued", "in_progress", "incomplete"))


@pytest.mark.parametrize("name", LOOKED_UP)
def test_what_must_be_looked_up_is_no_lanes(name: str) -> None:
    async def run() -> int:
        world = World(RESPONSES, lane=True)
        client = world.client()
        for more in ({}, LOOKED_UP[name]):
            await world.ask(client, PATHS[RESPONSES], asked(RESPONSES, False, **more))
            for one in world.egress.opened:
                if b"POST " in one.text:
                    one.protocol.data_received(whole_of(WHOLES[RESPONSES]))  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
        return world.lanes

    assert asyncio.run(run()) == 0


VECTORS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1, 2e-3]}],
    "model": "m",
}
VECTORS["usage"] = {"prompt_tokens": 3, "total_tokens": 3}
EMBEDDED = {
    "numbers": json.dumps(VECTORS).encode(),
    "base64": json.dumps(VECTORS).replace("[0.5, -1, 0.002]", '"AAAAPwAAgL9vEgM7"').encode(),
    "no usage": json.dumps({**VECTORS, "usage": None}).encode(),
    "no numbers": json.dumps(VECTORS).replace("0.5", '"x"').encode(),
    "an error": json.dumps(chat.error("no")).encode(),
    "nothing": b"{}",
    "half": json.dumps(VECTORS).encode()[:-9],
    "a key": json.dumps({**VECTORS, "model": KEY}).encode(),
}


@pytest.mark.parametrize(
    "more",
    [{}, {"encoding_format": "base64"}, {"encoding_format": None}, {"encoding_format": "float"}],
    ids=["no wish", "base64", "null", "float"],
)
@pytest.mark.parametrize("local", [False, True], ids=["cloud", "local"])
@pytest.mark.parametrize("name", EMBEDDED)
def test_vectors_are_told_alike(name: str, local: bool, more: dict[str, Any]) -> None:
    well, raw = whole_of(EMBEDDED["numbers"]), whole_of(EMBEDDED[name])
    body = asked(EMBEDDINGS, False, **more)

    def play(pieces: list[bytes], **end: bool) -> Callable[[World], Coroutine[Any, Any, Played]]:
        return lambda world: world.play(PATHS[EMBEDDINGS], body, well, pieces, **end)

    played = both(play([raw]), EMBEDDINGS, local=local)
    if name == "numbers":
        assert (b'"AAAAPwAAgL9vEgM7"' in played.client.body) is (more.get("encoding_format") == "base64")
    both(play([raw[:150], raw[150:]]), EMBEDDINGS, local=local)
    both(play([raw[:200]], cut=True), EMBEDDINGS, local=local)


def test_vectors_that_are_asked_for_as_a_stream_are_told_alike() -> None:
    well = whole_of(EMBEDDED["numbers"])
    body = json.dumps({"model": "m", "input": "hi", "encoding_format": "base64", "stream": True}).encode()
    both(lambda world: world.play(PATHS[EMBEDDINGS], body, well, [well]), EMBEDDINGS)


def drawn(data: st.DataObject) -> tuple[str, list[bytes], dict[str, Any]]:
    """(the backend's dialect, a stream of it in any pieces and with any two bytes wrong, how it ends)."""
    dialect, stream = STREAMS[data.draw(st.sampled_from(sorted(STREAMS)))]
    size = data.draw(st.sampled_from([1, 20, 200, 1000, 10_000]))
    framed = b"".join(chunk(stream[at : at + size]) for at in range(0, len(stream), size)) + b"0\r\n\r\n"
    raw = stream_head() + (framed if data.draw(st.booleans()) else b"".join(chunks_of(stream)))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + data.draw(st.binary(min_size=1, max_size=2)) + raw[at + 1 :]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)) | {0, len(raw)})
    pieces = [raw[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    return dialect, pieces, data.draw(st.sampled_from([{}, {"cut": True}, {"leave": True}]))


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_bytes_in_any_pieces_are_told_alike(data: st.DataObject) -> None:
    dialect, pieces, end = drawn(data)
    both(of_stream(dialect, pieces, **end), dialect, local=data.draw(st.booleans()))
