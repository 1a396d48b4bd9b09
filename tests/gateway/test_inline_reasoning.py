"""Reasoning that stands in the text: read as what it is where that is certain, and said so."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded

from .plane import plane, rule
from .test_citations import events
from .test_translation import CHAT, JSON, MESSAGES, PATHS, RESPONSES, SSE, ask, one, spec, stream

TAGS = [("<think>", "</think>"), ("<thought>", "</thought>"), ("[THINK]", "[/THINK]")]
CUT_OFF = "so 2 + 2 = 4.\n</think>\n\nFour."


def told(client: str, body: bytes) -> tuple[str, str]:
    """(thinking, text) of a stream."""
    thinking = text = ""
    for event in events(body):
        delta: Any = event.get("delta") or {}
        if client == MESSAGES:
            thinking, text = thinking + delta.get("thinking", ""), text + delta.get("text", "")
        elif event["type"] == "response.reasoning_summary_text.delta":
            thinking += delta
        elif event["type"] == "response.output_text.delta":
            text += delta
    return thinking, text


def streamed(*pieces: str) -> bytes:
    return chat.stream(*(chat.delta(content=piece) for piece in pieces), chat.delta("stop"))


def said(content: str) -> Reply:
    return Reply(200, JSON, body=encoded(chat.whole({"content": content}, "stop")))


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_reasoning_in_tags_of_any_family_is_no_text(client: str, begin: str, end: str) -> None:
    text = f"{begin}2 + 2{end}\n\nFour."
    got = stream(client, CHAT, streamed(*text))
    assert told(client, got.body) == ("2 + 2", "Four.")
    if begin != "<think>":
        assert b": reasoning stood in the backend's text, by the tag: " in got.body
    got, _ = one(client, CHAT, said(text))
    assert begin not in got.body.decode()
    assert (f"inline_reasoning:{begin}" in got.headers.get("x-pointsman-warnings", "")) == (
        begin != "<think>"
    )


def thoughts(client: str, body: bytes) -> tuple[str, str]:
    """(thinking, text) of a whole answer."""
    value = json.loads(body)
    if client == MESSAGES:
        parts = value["content"]
        return "".join(b.get("thinking", "") for b in parts), "".join(b.get("text", "") for b in parts)
    summary = [s["text"] for item in value["output"] for s in item.get("summary") or ()]
    return "".join(summary), "".join(p["text"] for i in value["output"] for p in i.get("content") or ())


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
def test_a_whole_answer_that_begins_inside_its_reasoning(
    client: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The template has the opening tag in the prompt (QwQ, DeepSeek R1, Qwen 3 Thinking)."""
    for reply in (said(CUT_OFF), Reply(200, SSE, body=streamed(*CUT_OFF))):  # whole, and collected
        got, _ = one(client, CHAT, reply)
        assert thoughts(client, got.body) == ("so 2 + 2 = 4.\n", "Four.")
    assert "inline_reasoning:</think>" in got.headers["x-pointsman-warnings"].split(",")
    assert any(
        "</think>" in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    )


@pytest.mark.parametrize(
    "text", ["Close it with `</think>`, always.", "The </think> tag ends it.", "a <think> b </think> c"]
)
def test_a_text_that_speaks_of_the_tag_stays_text(text: str) -> None:
    got, _ = one(MESSAGES, CHAT, said(text))
    assert thoughts(MESSAGES, got.body) == ("", text)
    assert "inline_reasoning" not in got.headers.get("x-pointsman-warnings", "")
    assert told(MESSAGES, stream(MESSAGES, CHAT, streamed(*text)).body) == ("", text)


@pytest.mark.parametrize("model", ["qwq-32b", "Qwen/Qwen3-4B-Thinking-2507", "deepseek-r1:8b"])
def test_a_stream_of_a_model_that_is_known_to_begin_inside(model: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", f"local/box={model}"), backends=[spec(server, CHAT)])
                for raw, expected in (
                    (streamed(*CUT_OFF), ("so 2 + 2 = 4.\n", "Four.")),
                    (streamed("Just ", "text."), ("", "Just text.")),
                    (chat.stream(chat.delta(reasoning_content="hm"), chat.delta(content="a"), chat.delta("stop")), ("hm", "a")),
                ):  # fmt: skip
                    server.always(Reply(200, SSE, parts=[raw], framing="chunked"))
                    got = await found.ask(PATHS[MESSAGES], ask(MESSAGES, stream=True))
                    assert told(MESSAGES, got.body) == expected

    uvloop.run(main())


@pytest.mark.parametrize("content", ["</think>\n\nFour.", "\n</think>Four."])
def test_a_closing_tag_that_a_parser_left_behind_is_no_text(content: str) -> None:
    """Seen of servers with a parser of their own, and of models that were told not to think."""
    alone = streamed(*content)
    after = chat.stream(
        chat.delta(reasoning_content="2 + 2"),
        *(chat.delta(content=piece) for piece in content),
        chat.delta("stop"),
    )
    for raw, thinking in ((alone, ""), (after, "2 + 2")):
        got = stream(MESSAGES, CHAT, raw)
        assert told(MESSAGES, got.body) == (thinking, "Four.")
        assert b"inline" in got.body or b"reasoning stood in the backend's text" in got.body


@pytest.mark.parametrize("name", ["reasoning_text", "thinking", "reasoning"])
def test_reasoning_under_another_name_is_reasoning(name: str) -> None:
    value: Any = {"content": "2 + 2"} if name == "reasoning" else "2 + 2"
    raw = chat.stream(chat.delta(**{name: value}), chat.delta(content="Four."), chat.delta("stop"))
    assert told(MESSAGES, stream(MESSAGES, CHAT, raw).body) == ("2 + 2", "Four.")


def test_text_before_a_call_of_such_a_model_is_not_lost() -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    raw = chat.stream(
        chat.delta(content="Let me look."), chat.delta(tool_calls=[call]), chat.delta("tool_calls")
    )

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[raw], framing="chunked"))
            async with plane() as found:
                found.rules(rule("*", "local/box=qwq"), backends=[spec(server, CHAT)])
                got = await found.ask(PATHS[MESSAGES], ask(MESSAGES, stream=True))
        assert told(MESSAGES, got.body) == ("", "Let me look.")
        assert [e["content_block"]["type"] for e in events(got.body) if e["type"] == "content_block_start"] == ["text", "tool_use"]  # fmt: skip

    uvloop.run(main())


def test_a_model_that_once_began_inside_is_waited_for_from_then_on() -> None:
    """Its first stream is told as it came, and said so: what a client has cannot be taken back."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", "local/box=mystery"), backends=[spec(server, CHAT)])

                async def asked(*pieces: str) -> bytes:
                    server.always(Reply(200, SSE, parts=[streamed(*pieces)], framing="chunked"))
                    return (await found.ask(PATHS[MESSAGES], ask(MESSAGES, stream=True))).body

                pieces = ("so ", "4.", "\n", "</think>", "\n\n", "Four.")
                first = await asked(*pieces)
                assert told(MESSAGES, first) == ("", "so 4.\n</think>\n\nFour.")
                assert b": reasoning stood in the backend's text, by the tag: '</think>'" in first
                for _ in range(2):
                    assert told(MESSAGES, await asked(*pieces)) == ("so 4.\n", "Four.")
                assert told(MESSAGES, await asked("It ", "is.")) == ("", "It is.")  # and forgets it again
                assert told(MESSAGES, await asked(*pieces))[0] == ""

    uvloop.run(main())
