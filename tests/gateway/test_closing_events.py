"""Responses repeats what its deltas said: what they left out is told, and nothing twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vendor_bodies import responses
from tests.vendor_bodies.wire import named

from .test_citations import events
from .test_translation import CHAT, CLEAN, MESSAGES, RESPONSES, stream

TEXT = "Hello there, and more \U0001f600."
ARGUMENTS = '{"city":"Rome","days":[1,2]}'
clients = pytest.mark.parametrize("client", [CHAT, MESSAGES])


def said(client: str, body: bytes) -> tuple[str, str, str]:
    """(text, thinking, arguments) that a client gets of a stream."""
    text = thinking = arguments = ""
    for event in events(body):
        if client == CHAT:
            for choice in event["choices"]:
                delta = choice["delta"]
                text += delta.get("content") or ""
                thinking += delta.get("reasoning_content") or ""
                arguments += "".join(
                    (one.get("function") or one.get("custom") or {}).get("arguments", "") for one in delta.get("tool_calls") or ()
                )  # fmt: skip
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            text += delta.get("text", "")
            thinking += delta.get("thinking", "")
            arguments += delta.get("partial_json", "")
    assert CLEAN[client] in body
    return text, thinking, arguments


def told(
    item: dict[str, Any], *between: dict[str, Any], done: bool = True, last: list[Any] | None = None
) -> bytes:
    ended = [responses.event("output_item.done", output_index=0, item=item)] if done else []
    output = [item] if last is None else last
    return named(
        responses.event("created", response=responses.response([], "in_progress")),
        *responses.opened(0, item), *between, *ended,
        responses.event("completed", response=responses.response(output)),
    )  # fmt: skip


AT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
OF_CALL = {"item_id": "fc_1", "output_index": 0}


def words(kind: str, **fields: Any) -> dict[str, Any]:
    return responses.event(kind, **AT, **fields)


@clients
@pytest.mark.parametrize("upto", [0, 1, 7, 23, len(TEXT)])
@pytest.mark.parametrize("where", ["text", "part", "item", "answer"])
def test_text_that_only_a_closing_event_has_is_told(client: str, upto: int, where: str) -> None:
    deltas = [words("output_text.delta", delta=TEXT[:upto], logprobs=[])] if upto else []
    item = responses.message(TEXT)
    closing = {
        "text": [words("output_text.done", text=TEXT)],
        "part": [words("content_part.done", part=responses.text_part(TEXT))],
    }.get(where, [])
    kept = item if where in ("item", "answer") else {**item, "content": []}
    raw = told(kept, *deltas, *closing, done=where != "answer")
    assert said(client, stream(client, RESPONSES, raw).body) == (TEXT, "", "")


@clients
def test_a_closing_event_that_says_less_or_other_things_changes_nothing(client: str) -> None:
    for other in (TEXT[:3], "", "Quite another text, longer than what was told before", None, 5):
        item = {**responses.message(TEXT), "content": [responses.text_part(str(other or ""))]}
        raw = told(item, words("output_text.delta", delta=TEXT), words("output_text.done", text=other))
        assert said(client, stream(client, RESPONSES, raw).body)[0] == TEXT


def call(arguments: Any = ARGUMENTS, kind: str = "function_call") -> dict[str, Any]:
    field = "arguments" if kind == "function_call" else "input"
    return {"id": "fc_1", "type": kind, "status": "completed", "call_id": "c1", "name": "f", field: arguments}


@clients
@pytest.mark.parametrize("upto", [0, 1, 9, len(ARGUMENTS)])
@pytest.mark.parametrize("where", ["arguments", "item", "answer"])
def test_arguments_that_only_a_closing_event_has_are_told(client: str, upto: int, where: str) -> None:
    """Some servers send them in `response.function_call_arguments.done` alone."""
    deltas = (
        [responses.event("function_call_arguments.delta", **OF_CALL, delta=ARGUMENTS[:upto])] if upto else []
    )
    closing = [responses.event("function_call_arguments.done", **OF_CALL, arguments=ARGUMENTS)]
    kept = call(ARGUMENTS if where in ("item", "answer") else "")
    raw = told(kept, *deltas, *(closing if where == "arguments" else ()), done=where != "answer")
    got = stream(client, RESPONSES, raw)
    assert said(client, got.body) == ("", "", ARGUMENTS)
    assert b"error" not in got.body
    straight = stream(RESPONSES, RESPONSES, raw)
    assert straight.body == raw  # judged whole there, too


@clients
def test_arguments_of_a_closing_event_without_an_item_that_is_done(client: str) -> None:
    raw = told(
        call(""),
        responses.event("function_call_arguments.done", **OF_CALL, arguments=ARGUMENTS),
        done=False,
        last=[],
    )
    assert said(client, stream(client, RESPONSES, raw).body)[2] == ARGUMENTS


def test_the_input_of_a_custom_tool_in_its_closing_event_is_told() -> None:
    raw = told(
        {**call("", "custom_tool_call"), "input": ""},
        responses.event("custom_tool_call_input.delta", **OF_CALL, delta="*** Begin"),
        responses.event("custom_tool_call_input.done", **OF_CALL, input="*** Begin Patch"),
    )
    got = stream(CHAT, RESPONSES, raw)
    pieces = [c["custom"].get("input", "") for e in events(got.body) for ch in e["choices"] for c in ch["delta"].get("tool_calls") or ()]  # fmt: skip
    assert "".join(pieces) == "*** Begin Patch"


@clients
@pytest.mark.parametrize("where", ["text", "item"])
def test_reasoning_that_only_a_closing_event_has_is_told(client: str, where: str) -> None:
    first, second = "First I look.", "Then I say."
    item = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": t} for t in (first, second)],
    }
    at = {"item_id": "rs_1", "output_index": 0}
    deltas = [responses.event("reasoning_summary_text.delta", **at, summary_index=0, delta=first[:6])]
    closing = [
        responses.event("reasoning_summary_text.done", **at, summary_index=index, text=text)
        for index, text in enumerate((first, second))
    ]
    answer = responses.message("So.", id="msg_2")
    raw = named(
        responses.event("created", response=responses.response([], "in_progress")),
        responses.event("output_item.added", output_index=0, item={**item, "summary": []}),
        *deltas, *(closing if where == "text" else ()),
        responses.event("output_item.done", output_index=0, item=item if where == "item" else {**item, "summary": []}),
        *responses.opened(1, answer), *responses.words(1, answer), *responses.closed(1, answer),
        responses.event("completed", response=responses.response([item, answer])),
    )  # fmt: skip
    assert said(client, stream(client, RESPONSES, raw).body)[:2] == ("So.", f"{first}\n\n{second}")


@clients
def test_a_refusal_in_its_closing_event_is_told(client: str) -> None:
    item = {**responses.message(""), "content": [{"type": "refusal", "refusal": "I will not."}]}
    raw = told(
        {**item, "content": []},
        words("refusal.delta", delta="I will"),
        words("refusal.done", refusal="I will not."),
    )
    body = stream(client, RESPONSES, raw).body
    found = "".join(
        (e.get("delta") or {}).get("text", "") if client == MESSAGES else "".join(c["delta"].get("refusal") or "" for c in e["choices"])
        for e in events(body)
    )  # fmt: skip
    assert found == "I will not."


def test_a_call_that_a_closing_event_leaves_open_is_still_an_error() -> None:
    raw = told(call(""), responses.event("function_call_arguments.done", **OF_CALL, arguments='{"city":'))
    for client in (CHAT, MESSAGES, RESPONSES):
        got = stream(client, RESPONSES, raw)
        assert CLEAN[client] not in got.body
    assert json.loads(ARGUMENTS)["city"] == "Rome"
