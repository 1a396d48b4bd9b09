"""Events that are larger than anything that is held: a picture that a model made."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
import uvloop

from pointsman.dialects.registry import DIALECTS
from pointsman.gateway.attempt.relay import Passing, WithoutUsage
from pointsman.kinds import Protocol
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.wire import sse
from pointsman.wire.key_mask import KeyMask
from pointsman.wire.sse import LARGE_EVENT, EventSplitter, data_of, shortened
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import named

from .plane import Got, plane, rule
from .test_translation import CHAT, CLEAN, MESSAGES, PATHS, RESPONSES, SSE, ask, spec

MIB = 1024 * 1024


def picture(size: int) -> bytes:
    """A stream with a picture and words: the picture comes with its item, and once more with the whole answer."""
    made = {
        "id": "ig_1",
        "type": "image_generation_call",
        "status": "completed",
        "result": "iVBORw0KGgo" * (size // 11),
    }
    item = responses.message("Here it is.")
    return named(
        responses.event("created", response=responses.response([], "in_progress")),
        responses.event("output_item.added", output_index=0, item={**made, "result": None}),
        responses.event("output_item.done", output_index=0, item=made),
        *responses.opened(1, item), *responses.words(1, item), *responses.closed(1, item),
        responses.event("completed", response=responses.response([made, item])),
    )  # fmt: skip


def asked(client: str, upstream: str, raw: bytes, **more: Any) -> tuple[Got, Any]:
    async def main() -> tuple[Got, Any]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[raw], framing="chunked"))
            async with plane(hold_seconds=120.0) as found:  # a slow machine is no slow backend
                found.rules(rule("*", "local/box"), backends=[spec(server, upstream)])
                got = await found.ask(PATHS[client], ask(client, **{"stream": True, **more}))
                (record,) = await found.recorded()
                return got, record

    return uvloop.run(main())


@pytest.mark.parametrize("size", [9 * MIB, 33 * MIB])
def test_a_picture_of_many_megabytes_passes_and_nothing_is_added_to_a_good_answer(size: int) -> None:
    raw = picture(size)
    got, record = asked(RESPONSES, RESPONSES, raw)
    assert got.complete
    assert got.body == raw
    assert (record.outcome, record.output_tokens) == ("ok", 7)


@pytest.mark.parametrize("client", [MESSAGES, CHAT])
@pytest.mark.parametrize("stream", [True, False])
def test_words_beside_a_large_picture_are_told_to_a_client_of_another_protocol(
    client: str, stream: bool
) -> None:
    got, record = asked(client, RESPONSES, picture(9 * MIB), stream=stream)
    assert (got.status, record.outcome) == (200, "ok")
    assert (CLEAN[client] in got.body) == stream
    said = got.body.replace(b'"', b"").replace(b"\n", b"")
    assert b"Here" in said
    assert b"error" not in got.body
    if client == CHAT:  # which has a form for pictures
        assert b"iVBORw0KGgo" * 1000 in got.body
        assert len(got.body) > 8 * MIB
        assert b"no form for" not in got.body
        assert "x-pointsman-warnings" not in got.headers
    elif stream:
        assert b": the client's protocol has no form for: 'image_generation_call'\n\n" in got.body
    else:
        assert "dropped:image_generation_call" in got.headers["x-pointsman-warnings"]


@pytest.mark.parametrize("client", [MESSAGES, CHAT])
def test_an_event_too_large_to_translate_is_an_error_and_never_left_out(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", MIB)
    got, record = asked(client, RESPONSES, picture(3 * MIB))
    assert CLEAN[client] not in got.body
    assert b"too large to translate" in got.body or got.status >= 500
    assert record.outcome != "ok"


@pytest.mark.parametrize("client", [MESSAGES, CHAT])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_a_last_event_of_many_pictures_is_no_error_where_all_were_told(
    client: str, stream: bool, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four pictures of 9 MiB: each was told, and the event that repeats them all was too large to translate."""
    monkeypatch.setattr(sse, "MAX_EVENT", 3 * MIB)
    items = [
        {
            "type": "image_generation_call",
            "id": f"ig_{n}",
            "status": "completed",
            "result": "iVBORw0KGgo" * (MIB // 11),
        }
        for n in range(4)
    ]
    events = [
        responses.event("created", response={"id": "r1", "object": "response", "status": "in_progress"})
    ]
    for place, item in enumerate(items[: 4 if told else 3]):
        added = {**item, "status": "in_progress", "result": None}
        events += [
            responses.event("output_item.added", output_index=place, item=added),
            responses.event("output_item.done", output_index=place, item=item),
        ]
    events.append(responses.ended(id="r1", output=items, usage={"input_tokens": 3, "output_tokens": 7}))
    got, record = asked(client, RESPONSES, b"".join(named(event) for event in events), stream=stream)
    if told:
        assert (got.status, record.outcome, record.output_tokens) == (200, "ok", 7)
        assert b"too large" not in got.body
        if client == CHAT:
            assert got.body.count(b"iVBORw0KGgo" * 90_000) == 4
    else:
        assert record.outcome != "ok"
        assert b"too large to translate" in got.body
        assert CLEAN[client] not in got.body


def test_a_large_chunk_of_chat_passes_whole_although_usage_is_hidden() -> None:
    """The gateway asks for usage and takes its chunk out: nothing else may be changed on the way."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (9 * MIB)}}
    large = chat.stream(
        chat.delta(content="See: "), chat.delta(images=[image]), chat.delta("stop"), done=False
    )
    raw = large + chat.stream(chat.counted(chat.USAGE))
    got, record = asked(CHAT, CHAT, raw)
    assert got.body == large + chat.DONE
    assert (record.outcome, record.output_tokens) == ("ok", 7)


def relay_of(protocol: Protocol, hides: bool = False) -> Passing:
    dialect = DIALECTS[protocol]
    if hides:
        assert dialect.usage_option is not None
        return WithoutUsage(dialect, dialect.seen(), KeyMask(b""), is_extra=dialect.usage_option.is_extra)
    return Passing(dialect, dialect.seen(), KeyMask(b""))


def test_the_memory_of_a_passed_event_does_not_grow_with_it() -> None:
    relay = relay_of(Protocol.OPENAI_RESPONSES)
    raw = picture(24 * MIB)
    out = 0
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for at in range(0, len(raw), 65_536):
        out += len(relay.take(raw[at : at + 65_536]))
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert out + len(relay.end()) == len(raw)
    assert peak < 8 * MIB
    assert relay.seen is not None
    assert relay.seen.finished
    assert relay.seen.usage is not None


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 7, 4096, 10**9])
def test_only_the_usage_chunk_is_taken_out_however_the_bytes_come(end: bytes, size: int) -> None:
    more = chat.delta(content='not "usage":{} at all')
    parts = [
        chat.stream(more, chat.delta("stop"), done=False),
        chat.stream(chat.counted(chat.USAGE), done=False),
        chat.DONE,
    ]
    raw, kept = (b"".join(some).replace(b"\n", end) for some in (parts, [parts[0], parts[2]]))
    one, out = relay_of(Protocol.OPENAI_CHAT, hides=True), b""
    for at in range(0, len(raw), size):
        out += one.take(raw[at : at + size])
    assert out + one.end() == kept
    assert one.seen is not None
    assert one.seen.usage is not None


@pytest.mark.parametrize("step", [1000, 65_536, 10**9])
@pytest.mark.parametrize(
    "text", ["x" * (3 * MIB), '{"a": "' + "\\n\"{[" * (MIB // 2), "\\" * (2 * MIB), "[" * (2 * MIB), "\u00e9" * MIB, '"' * MIB]
)  # fmt: skip
def test_a_shortened_event_is_json_that_says_the_same_but_for_its_long_strings(text: str, step: int) -> None:
    value = {"type": "x", "a": {"b": [text, 1, "short", text]}, "last": "so \u2026", "usage": {"n": 5}}
    raw = b"event: x\ndata: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\nevent: y\ndata: {}\n\n"
    splitter = EventSplitter(short=True)
    found = [event for at in range(0, len(raw), step) for event in splitter.feed(raw[at : at + step])]
    assert len(found) == 2
    assert len(found[0]) < LARGE_EVENT
    again = json.loads(data_of(found[0]))
    first, *between, last = again["a"]["b"]
    assert between == [1, "short"]
    for cut in (first, last):
        assert len(cut) < 64
        assert not set(cut) & set('{}[]"\\')
    assert (again["type"], again["last"], again["usage"]) == ("x", "so \u2026", {"n": 5})


def test_a_call_with_large_arguments_is_judged_whole_although_they_are_shortened() -> None:
    arguments = json.dumps({"text": 'a "b" {c [d ' * 200_000})
    call = {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "c1",
        "name": "f",
        "arguments": arguments,
        "status": "completed",
    }
    raw = named(
        responses.event("created", response=responses.response([], "in_progress")),
        responses.event("output_item.done", output_index=0, item=call),
        responses.event("completed", response=responses.response([call])),
    )
    got, record = asked(RESPONSES, RESPONSES, raw)
    assert got.body == raw
    assert record.outcome == "ok"
    got, record = asked(MESSAGES, RESPONSES, raw)
    assert record.outcome == "ok"
    pieces = [json.loads(data_of(e)) for e in EventSplitter().feed(got.body)]
    told = "".join(p["delta"].get("partial_json", "") for p in pieces if p["type"] == "content_block_delta")
    assert told == arguments


def test_a_large_document_that_anthropic_fetched_passes() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x" * (9 * MIB // 8)}
    fetched = {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "web_fetch_result", "url": "https://a.example", "content": {"type": "document", "source": source}}}  # fmt: skip
    text = {"type": "text", "text": ""}
    raw = named(
        messages.started(), *messages.block(0, fetched), *messages.block(1, text, messages.text_delta("Read.")), *messages.ended()
    )  # fmt: skip
    got, record = asked(MESSAGES, MESSAGES, raw)
    assert got.body == raw
    assert record.outcome == "ok"
    got, record = asked(CHAT, MESSAGES, raw)
    assert b"Read." in got.body
    assert b"no form for: 'web_fetch_tool_result'" in got.body
    assert CLEAN[CHAT] in got.body


def test_shortening_needs_linear_time() -> None:
    async def main() -> None:
        raw = json.dumps({"a": ["words " * 20] * 30_000}).encode()
        splitter = EventSplitter(short=True)
        for at in range(0, len(raw), 4096):  # quadratic would be minutes
            splitter.feed(raw[at : at + 4096])
        assert splitter.finish() == shortened(raw)

    asyncio.run(main())
