"""A whole Responses answer as the stream it could have been, and a stream as the whole (see dialects/retelling.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..retelling import encode, named, object_of, objects_in, objects_of, text

_ENDS = ("completed", "incomplete", "failed", "cancelled")
_Frame = tuple[str, dict[str, Any]]
"""A type without `response.`, and the rest."""


def streamed(body: bytes, usage: bool) -> bytes:
    """A stream of this protocol always tells its usage. b"" for a job in the background, which has no end to tell."""
    value = object_of(body)
    value.setdefault("object", "response")
    status = value.get("status") or "completed"
    if status not in _ENDS:
        return b""
    begun = {
        **value,
        "status": "in_progress",
        "output": [],
        "usage": None,
        "incomplete_details": None,
        "error": None,
    }
    begun.pop("completed_at", None)
    frames: list[_Frame] = [("created", {"response": begun}), ("in_progress", {"response": begun})]
    for place, item in enumerate(objects_in(value.get("output"))):
        own = {"item_id": item.get("id") or f"item_{place}", "output_index": place}
        whole = {"id": own["item_id"], **item}
        frames.append(("output_item.added", {"output_index": place, "item": _begun(whole)}))
        frames += [(kind, {**own, **more}) for kind, more in _of_item(whole)]
        frames.append(("output_item.done", {"output_index": place, "item": whole}))
    frames.append((status, {"response": {**value, "status": status}}))
    return b"".join(
        named({"type": f"response.{kind}", "sequence_number": number, **more})
        for number, (kind, more) in enumerate(frames)
    )


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    """An item of which nothing has been said."""
    started = {**item, "status": "in_progress"} if "status" in item else dict(item)
    empty: dict[str, Any] = {"message": {"content": []}, "reasoning": {"summary": []}}
    empty |= {"function_call": {"arguments": ""}, "custom_tool_call": {"input": ""}}
    started.update(empty.get(str(item.get("type")), {}))
    if item.get("type") == "reasoning":
        started.pop("content", None)
        started.pop("encrypted_content", None)
    return started


def _of_item(item: dict[str, Any]) -> Iterator[_Frame]:
    match item.get("type"):
        case "message":
            for place, part in enumerate(objects_in(item.get("content"))):
                yield from ((kind, {"content_index": place, **more}) for kind, more in _of_part(part))
        case "reasoning":
            for place, part in enumerate(objects_in(item.get("summary"))):
                said, at = text(part.get("text")), {"summary_index": place}
                yield "reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
                yield "reasoning_summary_text.delta", {**at, "delta": said}
                yield "reasoning_summary_text.done", {**at, "text": said}
                yield "reasoning_summary_part.done", {**at, "part": part}
            for place, part in enumerate(objects_in(item.get("content"))):
                said = text(part.get("text"))
                yield "reasoning_text.delta", {"content_index": place, "delta": said}
                yield "reasoning_text.done", {"content_index": place, "text": said}
        case "function_call":
            said = text(item.get("arguments"))
            yield "function_call_arguments.delta", {"delta": said}
            yield "function_call_arguments.done", {"arguments": said, "name": item.get("name")}
        case "custom_tool_call":
            said = text(item.get("input"))
            yield "custom_tool_call_input.delta", {"delta": said}
            yield "custom_tool_call_input.done", {"input": said}


def _of_part(part: dict[str, Any]) -> Iterator[_Frame]:
    if part.get("type") == "refusal":
        said = text(part.get("refusal"))
        yield "content_part.added", {"part": {**part, "refusal": ""}}
        yield "refusal.delta", {"delta": said}
        yield "refusal.done", {"refusal": said}
    else:
        said = text(part.get("text"))
        cited, likely = objects_in(part.get("annotations")), objects_in(part.get("logprobs"))
        yield "content_part.added", {"part": {**part, "text": "", "annotations": [], "logprobs": []}}
        yield "output_text.delta", {"delta": said, "logprobs": likely}
        for place, one in enumerate(cited):
            yield "output_text.annotation.added", {"annotation_index": place, "annotation": one}
        yield "output_text.done", {"text": said, "logprobs": likely}
    yield "content_part.done", {"part": part}


def assembled(stream: bytes) -> bytes:
    """The response that the last event holds, with the items that were told before where it leaves them out. Raises
    ValueError where there is none."""
    items: dict[int, dict[str, Any]] = {}
    last: dict[str, Any] | None = None
    for frame in objects_of(stream):
        kind = str(frame.get("type"))
        if kind == "response.output_item.done" and isinstance(frame.get("item"), dict):
            items[frame.get("output_index") or 0] = frame["item"]
        elif kind.removeprefix("response.") in _ENDS and isinstance(frame.get("response"), dict):
            last = frame["response"]
    if last is None:
        raise ValueError("a stream without its last event")
    output = objects_in(last.get("output")) or [items[place] for place in sorted(items)]
    if not output and last.get("status") == "completed":
        raise ValueError("a stream that never told an item whole")
    if not output and last.get("status") == "completed":
        raise ValueError("a stream that never told an item whole")
    return encode({**last, "output": output})
