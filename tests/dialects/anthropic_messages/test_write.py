"""Answers to a Messages client: what the official SDK makes of the stream is what it makes of the whole body."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2 as httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import (
    Cited,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    PartEnd,
    PartKind,
    PartStart,
    Started,
    Stop,
    UsageSeen,
)
from pointsman.conversation.parts import Citation, Foreign, Opaque, Refusal, Text, Thinking, ToolCall
from pointsman.conversation.reply import Reply, fold, unfold
from pointsman.conversation.request import Request, ThinkingMode
from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.anthropic_messages.dialect import TRANSLATION
from pointsman.dialects.anthropic_messages.writer import MOVES
from pointsman.dialects.base import IllegalMove
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind

from .answers import ANSWERS, WEB, Answer
from .kit import CAPSULES, answering, merged, read, write

AM = "anthropic_messages"
RS = Opaque("openai_responses", {"id": "rs_1", "encrypted_content": "e"}, "openai")
PAUSED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}


def sdk(body: bytes, content_type: str) -> anthropic.Anthropic:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body, headers={"content-type": content_type})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", base_url="http://x", http_client=client, max_retries=0)


ASK: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def by_stream(reply: Reply, request: Request | None = None) -> dict[str, Any]:
    """What the SDK's accumulator holds at the end."""
    raw = write(unfold(reply), answering(request))
    with sdk(raw, "text/event-stream") as client, client.messages.stream(**ASK) as stream:
        return stream.get_final_message().model_dump(mode="json", exclude_none=True)


def by_body(reply: Reply, request: Request | None = None) -> dict[str, Any]:
    raw = TRANSLATION.render_reply(reply, answering(request))
    with sdk(raw, "application/json") as client:
        return client.messages.create(**ASK).model_dump(mode="json", exclude_none=True)


def thinking_off() -> Request:
    return Request("asked-for", thinking=ThinkingMode("disabled"))


def omitted() -> Request:
    return Request("asked-for", thinking=ThinkingMode("adaptive", None, "omitted"))


REPLIES: dict[str, Reply] = {
    **{name: answer.reply for name, answer in ANSWERS.items()},
    "another vendor's": Reply(
        "chatcmpl-9/x",
        "gpt",
        [
            Thinking("summary", RS),
            Thinking("", RS),
            Thinking("plain"),
            Text("a"),
            Text("b", None, (Citation("https://t", "T", None, 0, 1),)),
            ToolCall("call_1", "f", '{"a":1}'),
            ToolCall("call_2", "g", ""),
        ],
        Stop.TOOL_USE,
        usage=TokenUsage(30, 7, 20, 3, 4, 1, 2),
    ),
    "refusal": Reply("r", "gpt", [Refusal("I will not.")], Stop.END),
    "filtered": Reply("r", "gpt", [Text("So")], Stop.REFUSAL),
    "white space": Reply(
        "r", "gpt", [Text("\n\n"), ToolCall("c", "f", "{}"), Text(" "), Text("\n x")], Stop.END
    ),
    "empty thinking": Reply("r", "gpt", [Thinking(""), Text("x")], Stop.END),
    "tool use without a call": Reply("r", "gpt", [Text("x")], Stop.TOOL_USE),
    "cut call": Reply("r", "gpt", [ToolCall("c", "f", '{"a": [1')], Stop.MAX_TOKENS),
    "window": Reply("r", "gpt", [Text("x")], Stop.CONTEXT_WINDOW),
    "words of another vendor": Reply("r", "gpt", [Foreign("openai_responses", "mcp_call", {}, "it said so")]),
    "a search of another vendor": Reply(
        "r",
        "gpt",
        [
            Foreign(
                "openai_responses",
                "web_search_call",
                {"id": "ws_1", "action": {"query": "q", "sources": [{"type": "url", "url": "https://t"}]}},
            ),
            Text("x"),
        ],
    ),
}
every = pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())


@every
@pytest.mark.parametrize("request_of", [None, omitted, thinking_off], ids=["asked nothing", "omitted", "off"])
def test_the_sdk_reads_the_same_of_both(reply: Reply, request_of: Callable[[], Request] | None) -> None:
    request = request_of() if request_of else None
    streamed, body = by_stream(reply, request), by_body(reply, request)
    body["usage"].pop("service_tier", None)  # told when the answer begins, by vendors that know it then
    streamed["usage"].pop("service_tier", None)
    for found in (streamed, body):
        for one in found["content"]:
            if one["type"] == "tool_use" and reply.stop is Stop.MAX_TOKENS:
                one.pop("input")  # half an object: the stream's reader mends it in its own way
    assert streamed == body
    assert body["model"] == "asked-for"


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_from_reader_to_writer_and_back(answer: Answer) -> None:
    """The vendor's own answer to the vendor's own client: nothing is lost, signatures are its own."""
    again = fold(read(write(read(answer.stream))))
    assert again.parts == answer.reply.parts
    assert (again.stop, again.sequence, again.explanation) == (
        answer.reply.stop,
        answer.reply.sequence,
        answer.reply.explanation,
    )
    told, had = again.usage, answer.reply.usage
    assert told is not None
    assert had is not None
    assert (told.input, told.output, told.cached or 0, told.reasoning) == (
        had.input,
        had.output,
        had.cached or 0,
        had.reasoning,
    )
    body = json.loads(TRANSLATION.render_reply(answer.reply, answering()))
    assert body["content"] == answer.body["content"]
    assert body["stop_reason"] == answer.body["stop_reason"]


def test_another_vendors_answer_in_full() -> None:
    found = by_body(REPLIES["another vendor's"])
    assert found["id"] == "msg_1"  # of the request, whatever the backend calls it
    first, second, third, a, b, call, empty = found["content"]
    assert (first["type"], first["thinking"]) == ("thinking", "summary")
    assert [CAPSULES.open(one["signature"]) for one in (first, second, third)] == [RS, RS, None]
    assert second["thinking"] == ""
    assert (a["text"], b["text"]) == ("a", "b")
    assert b["citations"] == [
        {
            "type": "web_search_result_location",
            "url": "https://t",
            "title": "T",
            "cited_text": "",
            "encrypted_index": "",
        }
    ]
    assert (call["id"], call["name"], call["input"]) == ("call_1", "f", {"a": 1})
    assert empty["input"] == {}
    assert found["stop_reason"] == "tool_use"
    assert found["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 1},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    }


def test_what_a_client_that_switched_thinking_off_sees() -> None:
    types = [one["type"] for one in by_stream(REPLIES["another vendor's"], thinking_off())["content"]]
    assert types == ["text", "text", "tool_use", "tool_use"]


def test_what_a_client_that_wants_it_omitted_sees() -> None:
    content = by_stream(REPLIES["another vendor's"], omitted())["content"]
    assert [one["thinking"] for one in content[:3]] == ["", "", ""]
    assert CAPSULES.open(content[0]["signature"]) == RS


@pytest.mark.parametrize(
    ("name", "reason", "explanation"),
    [
        ("refusal", "refusal", "I will not."),
        ("filtered", "refusal", None),
        ("white space", "tool_use", None),
        ("tool use without a call", "end_turn", None),
        ("cut call", "max_tokens", None),
        ("window", "model_context_window_exceeded", None),
    ],
)
def test_stop_reasons(name: str, reason: str, explanation: str | None) -> None:
    found = json.loads(TRANSLATION.render_reply(REPLIES[name], answering()))
    assert found["stop_reason"] == reason
    assert (found.get("stop_details") or {}).get("explanation") == explanation
    assert ("stop_details" in found) == (reason == "refusal")


def test_white_space_makes_no_block() -> None:
    content = by_stream(REPLIES["white space"])["content"]
    assert [one.get("text") for one in content] == [None, "\n x"]


# -- the wire


def lines(raw: bytes) -> list[dict[str, Any]]:
    """Every event; both of its lines are there and agree."""
    found = []
    for event in raw.split(b"\n\n")[:-1]:
        name, data = event.split(b"\n")
        value = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found


def test_a_stream_word_by_word() -> None:
    reply = Reply(
        "x", "gpt", [Thinking("t", RS), ToolCall("c", "f", "")], Stop.TOOL_USE, usage=TokenUsage(3, 2)
    )
    found = lines(write(unfold(reply)))
    assert [one["type"] for one in found] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = found[0]["message"]
    assert (start["usage"]["output_tokens"], start["content"], start["stop_reason"]) == (1, [], None)
    assert found[3]["delta"] == {"type": "thinking_delta", "thinking": "t"}
    assert found[4]["delta"]["type"] == "signature_delta"
    assert found[7]["delta"] == {"type": "input_json_delta", "partial_json": ""}
    assert found[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert found[-2]["usage"] == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 2,
    }


def test_usage_that_nobody_told() -> None:
    start, _, delta, _ = lines(write([Started(), Finished(Stop.END), Ended()]))
    assert start["message"]["usage"]["input_tokens"] == 0
    assert delta["usage"]["output_tokens"] == 0


def test_a_failure_ends_it_without_an_end() -> None:
    events: list[Event] = [
        Started("x"),
        PartStart(0, PartKind.TEXT),
        Delta(0, "a"),
        Failed(PointsmanError(ErrorKind.OVERLOADED, "too busy")),
    ]
    found = lines(write(events))
    assert found[-1] == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "too busy"},
        "request_id": "req_1",
    }
    raw = write(events)
    with sdk(raw, "text/event-stream") as client, pytest.raises(anthropic.APIStatusError, match="too busy"):
        with client.messages.stream(**ASK) as stream:
            stream.until_done()


def test_a_failure_is_legal_anywhere_and_told_once() -> None:
    events = list(unfold(REPLIES["another vendor's"]))
    for count in range(len(events) + 1):
        writer = TRANSLATION.writer(answering())
        for event in events[:count]:
            writer.write(event)
        error = writer.fail(PointsmanError(ErrorKind.INTERNAL, "x"))
        assert (error == b"") == (count == len(events))
        assert writer.fail(PointsmanError(ErrorKind.INTERNAL, "x")) == b""
        assert writer.ping() == b""


def test_pings() -> None:
    writer = TRANSLATION.writer(answering())
    assert writer.ping().startswith(b":")
    writer.write(Started("x"))
    assert writer.ping() == b'event: ping\ndata: {"type": "ping"}\n\n'
    writer.write(PartStart(0, PartKind.TOOL, "c", "f"))
    assert lines(writer.ping()) == [{"type": "ping"}]


@pytest.mark.parametrize(
    "events",
    [
        [PartStart(0, PartKind.TOOL, "c", "f")],
        [Started(), Started()],
        [Started(), PartStart(0, PartKind.TOOL, "c", "f"), PartStart(1, PartKind.TOOL, "d", "f")],
        [Started(), PartStart(0, PartKind.TOOL, "c", "f"), Ended()],
        [Started(), Ended(), Ended()],
        [Ended()],
    ],
)
def test_an_illegal_order_cannot_be_written(events: list[Event]) -> None:
    with pytest.raises(IllegalMove):
        write(events)


def test_the_table_of_moves_is_closed() -> None:
    assert {frame for after in MOVES.values() for frame in after} | {""} == set(MOVES)


words = st.text(max_size=8)
arguments = st.sampled_from(["", "{}", '{"a":1}', '{"a":[1,2],"b":"ü"}'])
parts = st.one_of(
    st.builds(
        Text,
        words,
        st.none(),
        st.sampled_from([(), (Citation("https://t", "T", "c", raw=WEB, protocol=AM),)]),
    ),
    st.builds(Thinking, words, st.sampled_from([None, RS])),
    st.builds(Refusal, words),
    st.builds(ToolCall, st.sampled_from(["c1", "c2"]), st.just("f"), arguments),
    st.sampled_from(
        [Foreign(AM, "server_tool_use", PAUSED), Foreign("x", "y", None, "words"), Foreign("x", "y", None)]
    ),
)
replies = st.builds(
    Reply,
    st.sampled_from(["", "id"]),
    st.just("m"),
    st.lists(parts, max_size=5),
    st.sampled_from(list(Stop)),
    st.sampled_from([None, "END"]),
    st.none(),
    st.sampled_from([None, TokenUsage(9, 3, 2)]),
)


@settings(max_examples=150, deadline=None)
@given(replies, st.sampled_from([None, omitted, thinking_off]), st.integers(1, 4))
def test_any_reply_streamed_in_pieces_is_the_whole_body(
    reply: Reply, request_of: Callable[[], Request] | None, size: int
) -> None:
    """Accumulated by the rules of the SDK, by hand, so that it is quick."""
    answer = answering(request_of() if request_of else None)
    events: list[Event] = []
    for event in unfold(reply):
        if isinstance(event, Delta):
            events += [Delta(event.index, event.text[i : i + size]) for i in range(0, len(event.text), size)]
        else:
            events.append(event)
    found = accumulated(lines(write(events, answer)))
    body = json.loads(TRANSLATION.render_reply(reply, answer))
    assert found == body
    assert all(one.get("text", "x").strip() or one.get("citations") for one in found["content"])


def accumulated(events: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = events[0]["message"]
    content = message["content"]
    pieces = ""
    for event in events[1:]:
        match event["type"]:
            case "content_block_start":
                assert event["index"] == len(content)
                content.append(event["content_block"])
                pieces = ""
            case "content_block_delta":
                assert event["index"] == len(content) - 1
                delta, block = event["delta"], content[-1]
                match delta["type"]:
                    case "text_delta":
                        block["text"] += delta["text"]
                    case "thinking_delta":
                        block["thinking"] += delta["thinking"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case "citations_delta":
                        block.setdefault("citations", []).append(delta["citation"])
                    case "input_json_delta":
                        pieces += delta["partial_json"]
                        block["input"] = json.loads(pieces) if is_json(pieces) else {}
            case "message_delta":
                message.update(event["delta"])
                message["usage"] = event["usage"]
    return message


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(replies)
def test_reader_and_writer_agree(reply: Reply) -> None:
    """What a client of the vendor's protocol reads of our stream is the reply, in the vendor's forms."""
    found = fold(read(write(unfold(reply))))
    texts = "".join(part.text for part in found.parts if isinstance(part, Text)).strip()
    for part in reply.parts:
        if isinstance(part, Text | Refusal):
            assert part.text.strip() in texts
    calls = [(part.name, json.loads(part.arguments)) for part in found.parts if isinstance(part, ToolCall)]
    assert calls == [
        (p.name, json.loads(p.arguments or "{}")) for p in reply.parts if isinstance(p, ToolCall)
    ]
    again = fold(read(write(unfold(found))))
    assert again.parts == found.parts
    assert merged(read(write(unfold(again)))) == merged(read(write(unfold(found))))


def test_late_usage_and_citations_before_text() -> None:
    events: list[Event] = [
        Started("x", "", TokenUsage(4)),
        PartStart(0, PartKind.TEXT),
        Cited(0, Citation("https://t", "T", "c")),
        Delta(0, "a"),
        PartEnd(0),
        Finished(Stop.END),
        UsageSeen(TokenUsage(4, 1)),
        Ended(),
    ]
    found = lines(write(events))
    assert [one["delta"]["type"] for one in found if one["type"] == "content_block_delta"] == [
        "citations_delta",
        "text_delta",
    ]
    assert found[0]["message"]["usage"]["input_tokens"] == 4
