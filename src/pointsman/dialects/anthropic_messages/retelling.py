"""A whole Messages answer as the stream it could have been, and a stream as the whole (see dialects/retelling.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from ..retelling import encode, members, named, object_of, objects_in, objects_of, text

_AT_THE_END = ("stop_reason", "stop_sequence", "stop_details", "container")
_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")


def streamed(body: bytes, usage: bool) -> bytes:
    """A stream of this protocol always tells its usage."""
    value = object_of(body)
    usage_told = members(value.get("usage"))
    message = {
        **{name: one for name, one in value.items() if name not in ("stop_details", "context_management")},
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage_told, "output_tokens": 0},
    }
    out = [named({"type": "message_start", "message": message})]
    for index, block in enumerate(objects_in(value.get("content"))):
        out += [named({"type": kind, "index": index, **more}) for kind, more in _block(block)]
    delta = {name: value[name] for name in _AT_THE_END if name in value}
    end = {"type": "message_delta", "delta": {"stop_sequence": None, **delta}, "usage": usage_told}
    if value.get("context_management") is not None:
        end["context_management"] = value["context_management"]
    return b"".join([*out, named(end), named({"type": "message_stop"})])


def _block(block: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(type, the rest) of its events."""
    start, deltas = dict(block), list[dict[str, Any]]()
    kind = block.get("type")
    if kind == "text":
        start["text"] = ""
        cited = objects_in(start.pop("citations", None))
        start.update({"citations": []} if cited else {})
        deltas += [{"type": "citations_delta", "citation": one} for one in cited]
        deltas.append({"type": "text_delta", "text": text(block.get("text"))})
    elif kind == "thinking":
        start.update(thinking="", signature="")
        deltas.append({"type": "thinking_delta", "thinking": text(block.get("thinking"))})
        if block.get("signature"):
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind in _CALLS:
        start["input"] = {}
        deltas.append({"type": "input_json_delta", "partial_json": text(block.get("input") or {})})
    return [
        ("content_block_start", {"content_block": start}),
        *(("content_block_delta", {"delta": one}) for one in deltas),
        ("content_block_stop", {}),
    ]


def assembled(stream: bytes) -> bytes:
    """Raises ValueError where there is nothing to assemble."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    usage: dict[str, Any] = {}
    for frame in objects_of(stream):
        kind, index = frame.get("type"), frame.get("index") or 0
        delta = members(frame.get("delta"))
        if kind == "message_start" and isinstance(frame.get("message"), dict):
            message.update(frame["message"])
            usage.update(members(message.get("usage")))
        elif kind == "content_block_start" and isinstance(frame.get("content_block"), dict):
            blocks[index] = dict(frame["content_block"])
        elif kind == "content_block_delta":
            _grow(blocks.setdefault(index, {}), delta, inputs, index)
        elif kind == "message_delta":
            message.update({name: one for name, one in delta.items() if one is not None})
            usage.update({name: one for name, one in members(frame.get("usage")).items() if one is not None})
            if "context_management" in frame:
                message["context_management"] = frame["context_management"]
    for index, said in inputs.items():
        blocks[index]["input"] = msgspec.json.decode(said.encode() or b"{}")
    if not message:
        raise ValueError("a stream without a message")
    return encode({**message, "content": [blocks[index] for index in sorted(blocks)], "usage": usage})


def _grow(block: dict[str, Any], delta: dict[str, Any], inputs: dict[int, str], index: int) -> None:
    kind = str(delta.get("type"))
    if kind in _GROWING:
        name = _GROWING[kind]
        block.setdefault("type", "text" if name == "text" else "thinking")
        block[name] = text(block.get(name)) + text(delta.get(name))
    elif kind == "input_json_delta":
        inputs[index] = inputs.get(index, "") + text(delta.get("partial_json"))
    elif kind == "citations_delta":
        block["citations"] = [*objects_in(block.get("citations")), delta.get("citation")]
