"""What is read of an engine's events, for tests that ask it without a gateway."""

from __future__ import annotations

import json
from typing import Any

from .engines import TOOL, WEATHER, Engine


def events(body: bytes) -> list[dict[str, Any]]:
    """The objects of a stream, which must end with [DONE]."""
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert lines[-1] == b"[DONE]", body[-300:]
    return [json.loads(line) for line in lines[:-1]]


def told(
    engine: Engine, streamed: bool, **body: Any
) -> tuple[str, list[dict[str, Any]], str, dict[str, Any]]:
    """Text, calls, finish reason and usage of an answer, streamed or whole."""
    if not streamed:
        whole = engine.ask(body)
        assert whole.status == 200, whole.body
        choice = whole.json()["choices"][0]
        message = choice["message"]
        calls = message.get("tool_calls") or []
        return message.get("content") or "", calls, choice["finish_reason"], whole.json()["usage"]
    answer = engine.ask({**body, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.status == 200, answer.body
    text, reason, usage = "", "", {}
    calls: dict[int, dict[str, Any]] = {}
    for event in events(answer.body):
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            delta = choice["delta"]
            text += delta.get("content") or ""
            reason = choice["finish_reason"] or reason
            for part in delta.get("tool_calls") or []:
                call = calls.setdefault(part["index"], {"function": {"name": "", "arguments": ""}})
                call["id"] = part.get("id") or call.get("id")
                for key in ("name", "arguments"):
                    call["function"][key] += part["function"].get(key) or ""
    return text, list(calls.values()), reason, usage


def two_turns(engine: Engine, streamed: bool) -> tuple[list[dict[str, Any]], str, str]:
    """Calls of the first turn, its finish reason, and the text after the tool's result."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": WEATHER}]
    _, calls, reason, _ = told(engine, streamed, messages=messages, tools=[TOOL])
    assert len(calls) == 1
    made = {"id": calls[0]["id"], "type": "function", "function": calls[0]["function"]}
    messages += [
        {"role": "assistant", "content": "", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": "sunny"},
    ]
    text, *_ = told(engine, streamed, messages=messages, tools=[TOOL])
    return calls, reason, text
