"""OpenAI Responses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .wire import Step, named, pieces

USAGE = {
    "input_tokens": 20,
    "output_tokens": 7,
    "total_tokens": 27,
    "input_tokens_details": {"cached_tokens": 5},
    "output_tokens_details": {"reasoning_tokens": 3},
}


def ask(model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": model, "input": text, **more}


# -- items and response objects


def message(text: str, status: str = "completed", id: str = "msg_1") -> dict[str, Any]:
    """A message item; one that is not complete holds nothing yet."""
    content = [text_part(text)] if status == "completed" else []
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def items_of(step: Step) -> list[dict[str, Any]]:
    """A message; or sealed reasoning and a call."""
    if isinstance(step, str):
        return [message(step)]
    thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "opaque=="}
    call = {
        "id": f"fc_{step.id}", "type": "function_call", "status": "completed", "call_id": f"call_{step.id}",
        "name": step.name, "arguments": json.dumps(step.arguments),
    }  # fmt: skip
    return [thought, call]


def response(
    output: list[dict[str, Any]], status: str = "completed", usage: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A response object with every key that the SDK's type requires."""
    return {
        "id": "resp_9", "object": "response", "created_at": 1_700_000_000, "status": status, "model": "x",
        "output": output, "usage": (usage or USAGE) if status == "completed" else None, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
        "temperature": None, "top_p": None, "tool_choice": "auto", "tools": [], **more,
    }  # fmt: skip


def whole_of(step: Step, usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return response(items_of(step), "completed", usage, **more)


# -- streams


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def ended(kind: str = "completed", **fields: Any) -> dict[str, Any]:
    """The last event with the least that it must hold."""
    return event(kind, response={"id": "resp_1", "object": "response", "usage": USAGE, **fields})


def numbered(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "sequence_number": number} for number, one in enumerate(events)]


def opened(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """What comes of an item before its words."""
    bare = {**item, "status": "in_progress"}
    bare |= {"content": []} if item["type"] == "message" else {}
    bare |= {"arguments": ""} if item["type"] == "function_call" else {}
    events = [event("output_item.added", output_index=index, item=bare)]
    if item["type"] == "message":
        inside = {"item_id": item["id"], "output_index": index, "content_index": 0}
        events.append(event("content_part.added", **inside, part=text_part("")))
    return events


def words(index: int, item: dict[str, Any], count: int = 2) -> list[dict[str, Any]]:
    """A message's text, a call's arguments, in pieces."""
    places = {"item_id": item["id"], "output_index": index}
    if item["type"] == "message":
        inside = {**places, "content_index": 0}
        found = pieces(item["content"][0]["text"], count)
        return [event("output_text.delta", **inside, delta=one, logprobs=[]) for one in found]
    if item["type"] == "function_call":
        found = pieces(item["arguments"], count)
        return [event("function_call_arguments.delta", **places, delta=one) for one in found]
    return []


def closed(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """What comes of an item after its words."""
    places = {"item_id": item["id"], "output_index": index}
    events = []
    if item["type"] == "message":
        inside, part = {**places, "content_index": 0}, item["content"][0]
        events.append(event("output_text.done", **inside, text=part["text"], logprobs=[]))
        events.append(event("content_part.done", **inside, part=part))
    if item["type"] == "function_call":
        events.append(event("function_call_arguments.done", **places, arguments=item["arguments"]))
    return [*events, event("output_item.done", output_index=index, item=item)]


def said(step: Step, usage: dict[str, Any], count: int = 2, **more: Any) -> list[dict[str, Any]]:
    """The events of an answer, numbered."""
    begun = response([], "in_progress", **more)
    events = [event("created", response=begun), event("in_progress", response=begun)]
    for index, item in enumerate(items_of(step)):
        events += [*opened(index, item), *words(index, item, count), *closed(index, item)]
    return numbered([*events, event("completed", response=whole_of(step, usage, **more))])


# -- errors


def error(message: str, kind: str = "server_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_event(message: str) -> bytes:
    failed = response([], "failed", error={"code": "server_error", "message": message})
    return named(event("failed", response=failed, sequence_number=95))


def told(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A stream of items that come whole, without words in pieces."""
    events = [event("created", response=response([], "in_progress"))]
    for index, item in enumerate(output):
        events.append(event("output_item.added", output_index=index, item={**item, "status": "in_progress"}))
        events.append(event("output_item.done", output_index=index, item=item))
    return [*events, event("completed", response=response(output))]


def free_call(pieces: list[str], name: str) -> list[dict[str, Any]]:
    """A call of free text, streamed in these pieces."""
    item = {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "call_id": "c1",
        "name": name,
        "input": "".join(pieces),
    }
    created, added, done, completed = told([{**item, "status": "completed"}])
    added["item"] = {**added["item"], "input": ""}
    places = {"item_id": "ctc_1", "output_index": 0}
    deltas = [event("custom_tool_call_input.delta", **places, delta=one) for one in pieces]
    return [created, added, *deltas, done, completed]
