"""Recorded exchanges with the vendor: every request is read and rendered again, every answer read and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.conversation.events import Ended
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Text, Thinking, ToolCall
from pointsman.conversation.reply import Reply, fold
from pointsman.dialects.anthropic_messages.dialect import TRANSLATION
from pointsman.dialects.base import Reading
from pointsman.dialects.fields import load
from tests.conformance.recordings import Recording, recordings

from .kit import CAPSULES, CLAUDE, answering, but, read, render, write

FOUND = [r for r in recordings() if "anthropic" in r.host and r.path.startswith("/v1/messages")]
ABSENT = pytest.param(None, marks=pytest.mark.skip(reason="NO RECORDINGS: set POINTSMAN_CONFORMANCE"))
every = pytest.mark.parametrize("recording", FOUND or [ABSENT], ids=str)


@every
def test_a_recorded_request(recording: Recording) -> None:
    notes = Notes(strict=True)  # nothing in them is lost
    request = TRANSLATION.parse_request(load(recording.request), Reading(notes, CAPSULES))
    had = json.loads(recording.request)
    sent = render(request, but(reasoning="budget"))
    assert {k: sent.get(k) for k in ("model", "max_tokens", "thinking", "stream")} == {
        k: had.get(k) for k in ("model", "max_tokens", "thinking", "stream")
    }
    assert [len(m["content"]) for m in sent["messages"]] == [
        1 if isinstance(m["content"], str) else len(m["content"]) for m in had["messages"]
    ]
    assert [t["name"] for t in sent.get("tools", [])] == [t["name"] for t in had.get("tools", [])]


def plain(recording: Recording) -> tuple[list[Any], Any]:
    """(content, stop reason) by plain reading, with nothing of ours."""
    if not recording.stream:
        body = json.loads(recording.response)
        return body["content"], body["stop_reason"]
    content: list[Any] = []
    reason = None
    for line in recording.response.decode().splitlines():
        if not line.startswith("data:"):
            continue
        event = json.loads(line[5:])
        if event["type"] == "content_block_start":
            content.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            content[-1]["text"] = content[-1].get("text", "") + delta.get("text", "")
            content[-1]["thinking"] = content[-1].get("thinking", "") + delta.get("thinking", "")
            content[-1]["signature"] = delta.get("signature")
            content[-1]["json"] += delta.get("partial_json", "")
        elif event["type"] == "message_delta":
            reason = event["delta"]["stop_reason"]
    for one in content:
        if one["type"] == "tool_use":
            one["input"] = json.loads(one["json"] or "{}")
    return content, reason


def same(reply: Reply, content: list[Any]) -> None:
    assert len(reply.parts) == len(content)
    for part, block in zip(reply.parts, content, strict=True):
        match part:
            case Text():
                assert (block["type"], part.text) == ("text", block["text"])
            case Thinking():
                assert part.text == block["thinking"]
                assert part.opaque is not None
                assert part.opaque.data["signature"] == block["signature"]
            case ToolCall():
                assert (part.id, part.name, json.loads(part.arguments)) == (
                    block["id"],
                    block["name"],
                    block["input"],
                )
            case _:
                pytest.fail(f"unexpected {part}")


def numbers(reply: Reply) -> tuple[Any, ...]:
    """Our stream says 0 where the vendor's says nothing of caches."""
    usage = reply.usage
    assert usage is not None
    return usage.input, usage.output, usage.cached or 0, usage.cache_write or 0, usage.cache_write_long or 0


@every
def test_a_recorded_answer(recording: Recording) -> None:
    assert recording.status == 200
    content, reason = plain(recording)
    if recording.stream:
        events = read(recording.response)
        assert isinstance(events[-1], Ended)
        reply = fold(events)
        assert fold(read([recording.response[i : i + 1] for i in range(len(recording.response))])) == reply
        again = fold(read(write(events)))
        assert again.parts == reply.parts
        assert numbers(again) == numbers(reply)
    else:
        reply = TRANSLATION.reader(CLAUDE).reply(recording.response)
    same(reply, content)
    assert reply.usage is not None
    assert reply.usage.output
    body = json.loads(TRANSLATION.render_reply(reply, answering()))
    assert body["stop_reason"] == reason
