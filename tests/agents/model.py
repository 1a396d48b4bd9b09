"""A scripted model: answers each request of an agent with its next tool call, then with a text. Speaks one protocol, by hand.

Which step comes next is read from the request itself (how many results it holds), so side requests do no harm.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pointsman.practice import Received, Reply

CHAT, RESPONSES, MESSAGES = "openai_chat", "openai_responses", "anthropic_messages"
PATHS = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSES, "/v1/messages": MESSAGES}
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Call:
    """One step: a tool's name and its arguments."""

    name: str
    arguments: dict[str, Any]
    id: str = "abc123"


Plan = Callable[[int, list[str]], Call | str]
"""(how many tool results there are, names of the offered tools) -> the next call, or the final text."""


def tool_names(protocol: str, body: dict[str, Any]) -> list[str]:
    tools = body.get("tools") or []
    return [
        tool["function"]["name"] if protocol == CHAT else tool.get("name", tool.get("type")) for tool in tools
    ]


def results(protocol: str, body: dict[str, Any]) -> list[str]:
    """Texts of the tool results in the history."""
    if protocol == CHAT:
        return [str(m["content"]) for m in body["messages"] if m["role"] == "tool"]
    if protocol == RESPONSES:
        return [str(i["output"]) for i in body["input"] if str(i.get("type")).endswith("_output")]
    blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
    contents = [b.get("content") or "" for b in blocks if b["type"] == "tool_result"]
    return [c if isinstance(c, str) else "".join(one.get("text", "") for one in c) for c in contents]


def agent(protocol: str, plan: Plan) -> Callable[[Received], Reply]:
    """The upstream's answer to any request."""

    def answer(received: Received) -> Reply:
        path = received.path
        if received.method == "GET":
            return Reply(200, JSON, body=b'{"object":"list","data":[]}')
        if PATHS.get(path) != protocol:
            return Reply(404, JSON, body=b'{"error":{"message":"no such path"}}')
        body = received.json()
        names = tool_names(protocol, body)
        done = len(results(protocol, body))
        step = plan(done, names) if names else "Side question."
        if isinstance(step, Call):
            step = replace(step, id=f"abc{done}")  # clients tell calls apart by their ids
        said = WHOLE[protocol](step) if not body.get("stream") else STREAM[protocol](step)
        return Reply(200, SSE if body.get("stream") else JSON, body=said)

    return answer


def frames(*values: dict[str, Any], named: bool) -> bytes:
    out = b""
    for value in values:
        name = f"event: {value['type']}\n".encode() if named else b""
        out += name + b"data: " + json.dumps(value).encode() + b"\n\n"
    return out


def halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def chat_stream(step: Call | str) -> bytes:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": "chatcmpl-9",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "x",
            "choices": [choice],
        }

    values = [chunk({"role": "assistant", "content": ""})]
    if isinstance(step, str):
        values += [chunk({"content": half}) for half in halves(step)] + [chunk({}, "stop")]
    else:
        first = {"index": 0, "id": f"call_{step.id}", "type": "function"}
        values.append(chunk({"reasoning_content": "Thinking about it."}))
        values.append(chunk({"tool_calls": [{**first, "function": {"name": step.name, "arguments": ""}}]}))
        for half in halves(json.dumps(step.arguments)):
            values.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": half}}]}))
        values.append(chunk({}, "tool_calls"))
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    values.append({**chunk({}), "choices": [], "usage": usage})
    return frames(*values, named=False) + b"data: [DONE]\n\n"


def chat_whole(step: Call | str) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": step if isinstance(step, str) else None}
    if isinstance(step, Call):
        function = {"name": step.name, "arguments": json.dumps(step.arguments)}
        message["tool_calls"] = [{"id": f"call_{step.id}", "type": "function", "function": function}]
    finish = "stop" if isinstance(step, str) else "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return json.dumps(
        {
            "id": "chatcmpl-9",
            "object": "chat.completion",
            "created": 1,
            "model": "x",
            "choices": [choice],
            "usage": usage,
        }
    ).encode()


def messages_stream(step: Call | str) -> bytes:
    usage = {"input_tokens": 100, "output_tokens": 1}
    message = {
        "id": "msg_9",
        "type": "message",
        "role": "assistant",
        "model": "x",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    values: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]

    def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> None:
        values.append({"type": "content_block_start", "index": index, "content_block": start})
        values.extend({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        values.append({"type": "content_block_stop", "index": index})

    if isinstance(step, str):
        block(
            0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": half} for half in halves(step))
        )
    else:
        block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Thinking about it."},
            {"type": "signature_delta", "signature": "c2lnbmVk"},
        )
        pieces = ("", *halves(json.dumps(step.arguments)))
        start = {"type": "tool_use", "id": f"toolu_{step.id}", "name": step.name, "input": {}}
        block(1, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))
    stop = "end_turn" if isinstance(step, str) else "tool_use"
    values.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": 20},
        }
    )
    values.append({"type": "message_stop"})
    return frames(*values, named=True)


def messages_whole(step: Call | str) -> bytes:
    content = (
        {"type": "text", "text": step}
        if isinstance(step, str)
        else {"type": "tool_use", "id": f"toolu_{step.id}", "name": step.name, "input": step.arguments}
    )
    stop = "end_turn" if isinstance(step, str) else "tool_use"
    usage = {"input_tokens": 100, "output_tokens": 20}
    return json.dumps(
        {
            "id": "msg_9",
            "type": "message",
            "role": "assistant",
            "model": "x",
            "content": [content],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }
    ).encode()


def response_value(items: list[dict[str, Any]], status: str) -> dict[str, Any]:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    }
    return {"id": "resp_9", "object": "response", "created_at": 1, "status": status, "model": "x", "output": items, "usage": usage if status == "completed" else None, "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": None, "top_p": None, "tool_choice": "auto", "tools": []}  # fmt: skip


def response_items(step: Call | str) -> list[dict[str, Any]]:
    if isinstance(step, str):
        part = {"type": "output_text", "text": step, "annotations": []}
        return [
            {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
        ]
    thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "opaque=="}
    call = {
        "id": f"fc_{step.id}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{step.id}",
        "name": step.name,
        "arguments": json.dumps(step.arguments),
    }
    return [thought, call]


def responses_stream(step: Call | str) -> bytes:
    values: list[dict[str, Any]] = [
        {"type": "response.created", "response": response_value([], "in_progress")}
    ]
    for index, item in enumerate(response_items(step)):
        started = {**item, "status": "in_progress"}
        if item["type"] == "message":
            started["content"] = []
        if item["type"] == "function_call":
            started["arguments"] = ""
        values.append({"type": "response.output_item.added", "output_index": index, "item": started})
        places = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            text = item["content"][0]["text"]
            inside = {**places, "content_index": 0}
            values.append(
                {"type": "response.content_part.added", **inside, "part": {**item["content"][0], "text": ""}}
            )
            values += [
                {"type": "response.output_text.delta", **inside, "delta": half, "logprobs": []}
                for half in halves(text)
            ]
            values.append({"type": "response.output_text.done", **inside, "text": text, "logprobs": []})
            values.append({"type": "response.content_part.done", **inside, "part": item["content"][0]})
        if item["type"] == "function_call":
            arguments = item["arguments"]
            values += [
                {"type": "response.function_call_arguments.delta", **places, "delta": half}
                for half in halves(arguments)
            ]
            values.append({"type": "response.function_call_arguments.done", **places, "arguments": arguments})
        values.append({"type": "response.output_item.done", "output_index": index, "item": item})
    values.append(
        {"type": "response.completed", "response": response_value(response_items(step), "completed")}
    )
    return frames(*({**value, "sequence_number": n} for n, value in enumerate(values)), named=True)


def responses_whole(step: Call | str) -> bytes:
    return json.dumps(response_value(response_items(step), "completed")).encode()


STREAM = {CHAT: chat_stream, MESSAGES: messages_stream, RESPONSES: responses_stream}
WHOLE = {CHAT: chat_whole, MESSAGES: messages_whole, RESPONSES: responses_whole}
