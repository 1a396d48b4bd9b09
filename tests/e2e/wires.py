"""The three client protocols as tests see them: how to ask, what a backend answers, how to read and judge it.

Written from the vendors' pages and the recordings, apart from the product's own code: both cannot
be wrong alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One server-sent event: its name ("" when it has none) and its data."""

    name: str
    data: str

    def json(self) -> Any:
        """The data; {} for what is not JSON, which some tests send on purpose."""
        try:
            return json.loads(self.data)
        except ValueError:
            return {}


def events(stream: bytes) -> list[Event]:
    """Whole events of a stream; comments are left out, an unfinished last event too."""
    found = []
    for block in stream.decode().replace("\r\n", "\n").split("\n\n")[:-1]:
        name, data = "", []
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
        if data:
            found.append(Event(name, "\n".join(data)))
    return found


def _sse(kind: str, body: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode()


class Wire:
    """One protocol. `kind` is the cloud type that speaks it; `start`: the frames before any output."""

    name: str
    path: str
    kind: str

    def __repr__(self) -> str:
        return self.name

    def ask(self, model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        raise NotImplementedError

    def answer(self, text: str, model: str = "served-model") -> dict[str, Any]:
        raise NotImplementedError

    def text(self, answer: dict[str, Any]) -> str:
        raise NotImplementedError

    def start(self, model: str = "served-model") -> list[bytes]:
        raise NotImplementedError

    def piece(self, text: str) -> bytes:
        raise NotImplementedError

    def end(self, text: str, model: str = "served-model") -> list[bytes]:
        raise NotImplementedError

    def stream_text(self, stream: bytes) -> str:
        raise NotImplementedError

    def ended(self, stream: bytes) -> bool:
        raise NotImplementedError

    def broken(self, stream: bytes) -> Any:
        """The in-band error of a stream, or None."""
        raise NotImplementedError

    def error_event(self, message: str) -> bytes:
        raise NotImplementedError

    def error_body(self, message: str, kind: str = "server_error") -> dict[str, Any]:
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def frames(self, text: str, pieces: int = 3) -> list[bytes]:
        """A whole legal stream that says `text`."""
        step = max(1, -(-len(text) // pieces))
        parts = [text[at : at + step] for at in range(0, len(text), step)]
        return [*self.start(), *map(self.piece, parts), *self.end(text)]

    def check_error(self, body: dict[str, Any]) -> str:
        """That this is an error as the protocol's clients read it; returns the message."""
        error = body["error"]
        assert set(error) >= {"message", "type", "param", "code"}, body
        assert isinstance(error["message"], str)
        assert error["message"]
        assert isinstance(error["type"], str)
        message: str = error["message"]
        return message


class Chat(Wire):
    name, path, kind = "openai_chat", "/v1/chat/completions", "openai"

    def ask(self, model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        return {"model": model, "messages": [{"role": "user", "content": text}], **more}

    def answer(self, text: str, model: str = "served-model") -> dict[str, Any]:
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1700000000,
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }

    def text(self, answer: dict[str, Any]) -> str:
        said: str = answer["choices"][0]["message"]["content"]
        return said

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "served-model",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return f"data: {json.dumps(chunk)}\n\n".encode()

    def start(self, model: str = "served-model") -> list[bytes]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def piece(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def end(self, text: str, model: str = "served-model") -> list[bytes]:
        return [self._chunk({}, "stop"), b"data: [DONE]\n\n"]

    def stream_text(self, stream: bytes) -> str:
        said = ""
        for event in events(stream):
            if event.data != "[DONE]":
                for choice in event.json().get("choices", []):
                    said += choice.get("delta", {}).get("content") or ""
        return said

    def ended(self, stream: bytes) -> bool:
        return any(event.data == "[DONE]" for event in events(stream))

    def broken(self, stream: bytes) -> Any:
        for event in events(stream):
            if event.data.startswith("{nonsense"):
                continue  # passed on as it came; what matters is the error after it
            if event.data != "[DONE]" and event.json().get("error"):
                return event.json()["error"]
        return None

    def error_event(self, message: str) -> bytes:
        return f"data: {json.dumps(self.error_body(message))}\n\n".encode()


class Responses(Wire):
    name, path, kind = "openai_responses", "/v1/responses", "openai"

    def ask(self, model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        return {"model": model, "input": text, **more}

    def _item(self, text: str, status: str = "completed") -> dict[str, Any]:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        content = [part] if status == "completed" else []
        return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}

    def answer(self, text: str, model: str = "served-model") -> dict[str, Any]:
        return self._response("completed", [self._item(text)], model)

    def _response(self, status: str, output: list[Any], model: str = "served-model") -> dict[str, Any]:
        usage = {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 18,
        }
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1700000000,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": model,
            "output": output,
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": usage if status == "completed" else None,
        }

    def text(self, answer: dict[str, Any]) -> str:
        return "".join(
            part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]
        )

    def start(self, model: str = "served-model") -> list[bytes]:
        begun = self._response("in_progress", [], model)
        where = {"output_index": 0, "sequence_number": 2}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        inside = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "sequence_number": 3}
        return [
            _sse("response.created", {"response": begun, "sequence_number": 0}),
            _sse("response.in_progress", {"response": begun, "sequence_number": 1}),
            _sse("response.output_item.added", {"item": self._item("", "in_progress"), **where}),
            _sse("response.content_part.added", {"part": part, **inside}),
        ]

    def piece(self, text: str) -> bytes:
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "sequence_number": 4}
        return _sse("response.output_text.delta", {**where, "delta": text, "logprobs": []})

    def end(self, text: str, model: str = "served-model") -> list[bytes]:
        item, where = self._item(text), {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        return [
            _sse("response.output_text.done", {**where, "text": text, "logprobs": [], "sequence_number": 90}),
            _sse("response.content_part.done", {**where, "part": item["content"][0], "sequence_number": 91}),
            _sse("response.output_item.done", {"output_index": 0, "item": item, "sequence_number": 92}),
            _sse("response.completed", {"response": self.answer(text, model), "sequence_number": 93}),
        ]

    def stream_text(self, stream: bytes) -> str:
        return "".join(e.json()["delta"] for e in events(stream) if e.name == "response.output_text.delta")

    def ended(self, stream: bytes) -> bool:
        return any(event.name == "response.completed" for event in events(stream))

    def broken(self, stream: bytes) -> Any:
        for event in events(stream):
            if event.name == "response.failed":
                return event.json()["response"]["error"]
            if event.name == "error":
                return event.json()
        return None

    def error_event(self, message: str) -> bytes:
        failed = self._response("failed", [])
        failed["error"] = {"code": "server_error", "message": message}
        return _sse("response.failed", {"response": failed, "sequence_number": 95})


class Messages(Wire):
    name, path, kind = "anthropic_messages", "/v1/messages", "anthropic"

    def ask(self, model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        return {"model": model, "max_tokens": 256, "messages": [{"role": "user", "content": text}], **more}

    def answer(self, text: str, model: str = "served-model") -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "cache_read_input_tokens": 4, "output_tokens": 7},
        }

    def text(self, answer: dict[str, Any]) -> str:
        return "".join(block["text"] for block in answer["content"] if block["type"] == "text")

    def start(self, model: str = "served-model") -> list[bytes]:
        message = {**self.answer("", model), "content": [], "stop_reason": None}
        message["usage"] = {"input_tokens": 7, "cache_read_input_tokens": 4, "output_tokens": 1}
        return [
            _sse("message_start", {"message": message}),
            _sse("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
            _sse("ping", {}),
        ]

    def piece(self, text: str) -> bytes:
        return _sse("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})

    def end(self, text: str, model: str = "served-model") -> list[bytes]:
        stop = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 7}}
        return [
            _sse("content_block_stop", {"index": 0}),
            _sse("message_delta", stop),
            _sse("message_stop", {}),
        ]

    def stream_text(self, stream: bytes) -> str:
        deltas = [e.json()["delta"] for e in events(stream) if e.name == "content_block_delta"]
        return "".join(delta.get("text", "") for delta in deltas)

    def ended(self, stream: bytes) -> bool:
        return any(event.name == "message_stop" for event in events(stream))

    def broken(self, stream: bytes) -> Any:
        for event in events(stream):
            if event.name == "error":
                return event.json()["error"]
        return None

    def error_event(self, message: str) -> bytes:
        return _sse("error", {"error": {"type": "overloaded_error", "message": message}})

    def error_body(self, message: str, kind: str = "api_error") -> dict[str, Any]:
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_upstream"}

    def check_error(self, body: dict[str, Any]) -> str:
        assert body["type"] == "error", body
        assert body["error"]["type"].endswith("_error") or body["error"]["type"] == "request_too_large", body
        message: str = body["error"]["message"]
        assert message
        return message


CHAT, RESPONSES, MESSAGES = Chat(), Responses(), Messages()
WIRES: list[Wire] = [CHAT, RESPONSES, MESSAGES]
"""For `@pytest.mark.parametrize("wire", WIRES, ids=repr)`."""
