"""The same answer of a Chat backend to a Chat client (passed as it is) and to a Messages client (translated), streamed
and whole: judged alike. Each row was once judged in two ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from pointsman.ledger.records import UsageRecord
from pointsman.practice import Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, SSE
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded, sse

from .plane import Got, plane, rule
from .test_translation import CLEAN, PATHS, ask, spec

RESCUED = chat.whole_of("rescued")


@dataclass(frozen=True)
class Row:
    """chunks: what the backend streams. whole: the same as one body; None where a whole answer cannot be like that.
    reason: why it is left for the next target, None when it is the answer. cut: the stream must not end clean. usage:
    (input, output, cached) as it is recorded."""

    chunks: tuple[dict[str, Any], ...]
    whole: dict[str, Any] | None
    reason: str | None = None
    cut: bool = False
    done: bool = True
    usage: tuple[int, int, int | None] | None = None
    refusals: bool = False


def body(said: dict[str, Any], reason: str, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    return chat.whole(said, reason) | {"usage": usage}


HI = {"role": "assistant", "content": "hi"}
USED = {"prompt_tokens": 7, "completion_tokens": 2}
CALL = {"index": 0, "id": "call_1", "type": "function"}
HIT = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 8}
ROWS = {
    "a filter without text": Row(
        (chat.delta(role="assistant"), chat.delta("content_filter")),
        body({"role": "assistant", "content": None}, "content_filter"), "upstream_error", refusals=True,
    ),
    "a filter without text, no rule for it": Row(
        (chat.delta(role="assistant"), chat.delta("content_filter")),
        body({"role": "assistant", "content": None}, "content_filter"),
    ),
    "a refusal in words": Row(
        (chat.delta(refusal="no"), chat.delta("stop")),
        body({"role": "assistant", "content": None, "refusal": "no"}, "stop"), "upstream_error", refusals=True,
    ),
    "message in chunks": Row((chat.in_message(content="hi"), chat.in_message("stop")), body(HI, "stop")),
    "white space": Row(
        (chat.delta(content=" "), chat.delta(content="\n"), chat.delta("stop")),
        body({"role": "assistant", "content": " \n"}, "stop"), "empty",
    ),
    "usage beside no choices": Row(
        (chat.delta(content="hi"), chat.delta("stop"), {"choices": None, "usage": USED}),
        body(HI, "stop", USED), usage=(7, 2, None),
    ),
    "cached tokens under DeepSeek's name": Row(
        (chat.delta(content="hi"), chat.delta("stop"), {"choices": [], "usage": HIT}),
        body(HI, "stop", HIT), usage=(9, 2, 8),
    ),
    "an empty reason, then the end": Row(
        (chat.delta("", content="hi"), chat.delta("", content=" there")), None, cut=True, done=False
    ),
    "a call cut in its arguments": Row(
        (
            chat.delta(tool_calls=[{**CALL, "function": {"name": "rm", "arguments": '{"path":'}}]),
            chat.delta(tool_calls=[{"index": 0, "function": {"arguments": '"/ho'}}]),
            chat.delta("tool_calls"),
        ),
        None, cut=True,
    ),
    "a call cut in its arguments, no end": Row(
        (chat.delta(tool_calls=[{**CALL, "function": {"name": "rm", "arguments": "{"}}]), chat.delta("stop")),
        None, cut=True, done=False,
    ),
    "a whole call cut in its arguments": Row(
        (), body({"content": None, "tool_calls": [{**CALL, "function": {"name": "rm", "arguments": "{"}}]}, "length"),
        "upstream_error",
    ),
    "an error inside": Row(
        ({"error": {"message": "slow down", "code": 429}},), {"error": {"message": "slow down", "code": 429}}, "throttled",
        done=False,
    ),
    "garbage": Row((), {"hello": 1}, "malformed", done=False),
}  # fmt: skip
CASES = [
    pytest.param(row, client, stream, id=f"{name}, {client}, {'stream' if stream else 'whole'}")
    for name, row in ROWS.items()
    for client in (CHAT, MESSAGES)
    for stream in (True, False)
    if (row.chunks if stream else row.whole is not None)
]


def answer(row: Row, stream: bool) -> Reply:
    if not stream:
        return Reply(200, JSON, body=encoded(row.whole))
    raw = chat.stream(*row.chunks, done=True) if row.done else sse(*row.chunks)
    return Reply(200, SSE, parts=[raw], framing="chunked")


@pytest.mark.parametrize(("row", "client", "stream"), CASES)
def test_a_backends_answer_is_judged_alike_passed_and_translated(row: Row, client: str, stream: bool) -> None:
    async def main() -> tuple[Got, UsageRecord]:
        with ScriptedUpstream() as first, ScriptedUpstream() as spare:
            first.always(answer(row, stream))
            spare.always(
                Reply(200, SSE, parts=[chat.stream(chat.delta(content="rescued"), chat.delta("stop"))])
                if stream
                else Reply(200, JSON, body=encoded(RESCUED))
            )
            async with plane() as found:
                on = ("refusal",) if row.refusals else ()
                found.rules(
                    rule("*", "local/box", "local/spare", fallback_on=on),
                    backends=[spec(first, CHAT), spec(spare, CHAT, "spare")],
                )
                got = await found.ask(PATHS[client], ask(client, stream=stream))
                return got, (await found.recorded())[0]

    got, record = uvloop.run(main())
    assert got.status == 200, got.body
    assert got.headers.get("x-pointsman-fallback") == row.reason
    assert (b"rescued" in got.body) is (row.reason is not None)
    if stream:
        assert (CLEAN[client] in got.body) is not row.cut
        assert (b'"error"' in got.body) is row.cut
    if row.usage is not None:
        assert (record.input_tokens, record.output_tokens, record.cached_tokens) == row.usage


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("white space", 502, b"its answer was empty"), ("an error inside", 429, b"slow down")],
)
def test_told_alike_when_nobody_else_could_serve(
    name: str, status: int, words: bytes, client: str, stream: bool
) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as first:
            first.always(answer(ROWS[name], stream))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(first, CHAT)])
                return await found.ask(PATHS[client], ask(client, stream=stream))

    got = uvloop.run(main())
    assert (got.status, words in got.body) == (status, True), got.body
