"""A translated request's own lane (gateway/lane/across.py) and the full way: one answer's bytes, however they come and wherever
they end, give the client, the backend and the usage record the very same in both."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vendor_bodies import chat, messages

from .in_memory import KEY, World
from .test_lane import (
    ANSWERS,
    CHAT,
    MESSAGES,
    PATHS,
    RESPONSES,
    STREAMS,
    WHOLES,
    both,
    chat_stream,
    chunk,
    chunks_of,
    drawn,
    of_stream,
    of_whole,
    stream_head,
    whole_of,
)

OTHER = {CHAT: MESSAGES, MESSAGES: CHAT, RESPONSES: MESSAGES}
PAIRS = [(one, other) for one in WHOLES for other in WHOLES if one != other]


@pytest.mark.parametrize("local", [False, True], ids=["cloud", "local"])
@pytest.mark.parametrize(
    ("name", "other"),
    [(name, other) for name, (one, _) in STREAMS.items() for other in WHOLES if other != one],
)
def test_a_translated_stream_is_told_alike(name: str, other: str, local: bool) -> None:
    """other: the client's protocol."""
    dialect, stream = STREAMS[name]
    both(of_stream(dialect, [stream_head(), *chunks_of(stream)], other), dialect, local=local)
    both(of_stream(dialect, [stream_head() + b"".join(chunks_of(stream))], other), dialect, local=local)


@pytest.mark.parametrize(
    "name", ["chat", "messages", "responses", "chat error", "messages thinking", "responses error"]
)
def test_a_translated_stream_that_is_cut_anywhere_is_told_alike(name: str) -> None:
    dialect, stream = STREAMS[name]
    raw = stream_head() + b"".join(chunks_of(stream))
    for at in range(0, len(raw), 17):
        both(of_stream(dialect, [raw[: at // 2], raw[at // 2 : at]], OTHER[dialect], cut=True), dialect)


@pytest.mark.parametrize(("dialect", "other"), PAIRS)
def test_a_whole_answer_that_is_translated_and_cut_anywhere_is_told_alike(dialect: str, other: str) -> None:
    raw = whole_of(WHOLES[dialect])
    for at in range(0, len(raw), 11):
        both(of_whole(dialect, [raw[:at]], other, cut=True), dialect)
        both(of_whole(dialect, [raw[:at], raw[at:]], other), dialect)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_not_plain_is_translated_alike(name: str, stream: bool) -> None:
    make = of_stream if stream else of_whole
    both(make(CHAT, [ANSWERS[name]], MESSAGES), CHAT)
    both(make(CHAT, [ANSWERS[name]], MESSAGES, cut=True), CHAT)
    both(make(CHAT, [ANSWERS[name][:40], ANSWERS[name][40:]], MESSAGES), CHAT)


WHOLE_ANSWERS: dict[str, tuple[str, bytes]] = {
    "a stop that nobody knows": (CHAT, WHOLES[CHAT].replace(b'"stop"', b'"enough"')),
    "reasoning in the text": (CHAT, WHOLES[CHAT].replace(b"Hello", b"<think>so</think>Hello")),
    "another tag": (CHAT, WHOLES[CHAT].replace(b"Hello", b"<thought>so</thought>Hello")),
    "a key in another writing": (CHAT, WHOLES[CHAT].replace(b"Hello", KEY.replace("s", "\\u0073").encode())),
    "no usage": (CHAT, json.dumps(chat.whole_of("Hello", None)).encode()),
    "a limit": (MESSAGES, WHOLES[MESSAGES].replace(b"end_turn", b"max_tokens")),
    "a block that nobody knows": (
        MESSAGES,
        WHOLES[MESSAGES].replace(b'"content": [', b'"content": [{"type": "odd", "x": 1}, '),
    ),
    "an error": (MESSAGES, json.dumps(messages.error("no")).encode()),
    "limits in headers": (MESSAGES, WHOLES[MESSAGES]),
}


@pytest.mark.parametrize("local", [False, True], ids=["cloud", "local"])
@pytest.mark.parametrize("name", WHOLE_ANSWERS)
def test_a_whole_answer_is_translated_alike(name: str, local: bool) -> None:
    dialect, body = WHOLE_ANSWERS[name]
    more = b"anthropic-ratelimit-requests-remaining: 7\r\nretry-after: 2 \r\nDate:  now\r\n"
    played = both(
        of_whole(dialect, [whole_of(body, more=more)], OTHER[dialect]), dialect, local=local, model="its"
    )
    if (
        name == "limits in headers"
    ):  # with the space behind it, which is no part of a value (RFC 9110 section 5.5)
        assert played.client.headers["retry-after"] == "2"


def test_an_event_that_nobody_can_read_is_judged_by_what_one_read_brought() -> None:
    """The lane looked at each chunk: it gave up where the full way had met output in the same read."""
    dialect, stream = STREAMS["responses call"]
    framed = b"".join(chunk(stream[at : at + 20]) for at in range(0, len(stream), 20)) + b"0\r\n\r\n"
    broken = framed.replace(b'ence_number":3}\n\n', b'ence_number":3}\0\n')
    assert broken != framed
    both(of_stream(dialect, [stream_head() + broken], MESSAGES), dialect)


@pytest.mark.parametrize("came", range(0, 13, 3))
def test_a_client_that_leaves_a_translation_is_recorded_alike(came: int) -> None:
    for dialect, stream in (STREAMS["chat"], STREAMS["messages"], STREAMS["responses"]):
        pieces = [stream_head(), *chunks_of(stream)][:came]
        both(of_stream(dialect, pieces, OTHER[dialect], leave=True), dialect)
    both(of_whole(CHAT, [whole_of(WHOLES[CHAT])[: came * 20]], MESSAGES, leave=True), CHAT)


@pytest.mark.parametrize("later", [1.0, 11.0, 31.0, 70.0, 700.0, 4000.0])
@pytest.mark.parametrize("came", [0, 1, 2, 4, 16])
def test_time_goes_by_alike_in_a_translation(came: int, later: float) -> None:
    for dialect, stream in (STREAMS["chat"], STREAMS["chat without end"], STREAMS["messages"]):
        pieces = [stream_head(), *chunks_of(stream)][:came]
        both(of_stream(dialect, pieces, OTHER[dialect], tick=lambda now: now + later), dialect)
    both(of_whole(CHAT, [whole_of(WHOLES[CHAT])[: came * 9]], MESSAGES, tick=lambda now: now + later), CHAT)


ASKED: dict[str, dict[str, Any]] = {
    "stop sequences that the backend has too many of": {"stop_sequences": [f"w{i}" for i in range(9)]},
    "a stop sequence": {"stop_sequences": ["wor"]},
    "tools": {"tools": [{"name": "look", "input_schema": {"type": "object"}}]},
    "something lost": {"top_k": 5, "metadata": {"user_id": "me"}},
    "more than one answer of it lasts": {"max_tokens": 60_000},
    "thinking": {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000},
    "a system prompt": {"system": [{"type": "text", "text": "Be brief."}]},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_is_translated_alike(name: str, stream: bool) -> None:
    body = json.dumps({**messages.ask("m"), **ASKED[name], "stream": stream}).encode()
    plain = stream_head() + b"".join(chunks_of(chat_stream(*("Hello", ", ", "wor", "ld"), usage=True)))
    answer = plain if stream else whole_of(WHOLES[CHAT])
    both(lambda world: world.play(PATHS[MESSAGES], body, answer, [answer]), CHAT)


def test_what_cannot_be_asked_is_refused_alike() -> None:
    """It is not the lane's to refuse: the full way has the words, and the place at the backend is free again."""
    body = json.dumps(
        {**messages.ask("m"), "messages": [{"role": "user", "content": [{"type": "odd"}]}]}
    ).encode()

    async def run() -> tuple[bytes, int, int]:
        world = World(CHAT, lane=True)
        client = world.client()
        await world.ask(client, PATHS[MESSAGES], json.dumps(messages.ask("m")).encode())
        world._asked.protocol.data_received(whole_of(WHOLES[CHAT]))  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
        client.written.clear()
        await world.ask(client, PATHS[MESSAGES], body)
        health = world.plane.board.backend("openai/box")
        return client.text, health.in_flight, health.places.in_use

    told, in_flight, taken = asyncio.run(run())
    assert told.startswith(b"HTTP/1.1 400")
    assert b"messages" in told
    assert (in_flight, taken) == (0, 0)


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_bytes_in_any_pieces_are_translated_alike(data: st.DataObject) -> None:
    dialect, pieces, end = drawn(data)
    both(of_stream(dialect, pieces, OTHER[dialect], **end), dialect, local=data.draw(st.booleans()))
