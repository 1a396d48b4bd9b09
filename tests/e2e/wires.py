"""The three client protocols as tests see them: how to ask, what a backend answers, how to read and judge it.

What a backend answers is made in tests/vendor_bodies; how an answer is read and judged is here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import named
from tests.vendor_bodies.wire import pieces as cut


@dataclass(frozen=True)
class Event:
    """One server-sent event: its name ("" when it has none) and its data."""

    name: str
    data: str

    def json(self) -> Any:
        """The data; {} for what is not JSON, or cannot be read as it, which some tests send on purpose."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
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
        return chat.error(message, kind)

    def frames(self, text: str, pieces: int = 3) -> list[bytes]:
        """A whole legal stream that says `text`."""
        return [*self.start(), *map(self.piece, cut(text, pieces)), *self.end(text)]

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
        return chat.ask(model, text, **more)

    def answer(self, text: str, model: str = "served-model") -> dict[str, Any]:
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return chat.whole_of(text, usage, id="chatcmpl-1", model=model)

    def text(self, answer: dict[str, Any]) -> str:
        said: str = answer["choices"][0]["message"]["content"]
        return said

    def _chunk(self, delta: dict[str, Any]) -> bytes:
        return chat.stream(chat.headed(delta, "served-model", "chatcmpl-1"), done=False)

    def start(self, model: str = "served-model") -> list[bytes]:
        return [self._chunk(chat.delta(role="assistant", content=""))]

    def piece(self, text: str) -> bytes:
        return self._chunk(chat.delta(content=text))

    def end(self, text: str, model: str = "served-model") -> list[bytes]:
        return [self._chunk(chat.delta("stop")), chat.DONE]

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
        return chat.error_event(message)


class Responses(Wire):
    name, path, kind = "openai_responses", "/v1/responses", "openai"

    def ask(self, model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        return responses.ask(model, text, **more)

    def answer(self, text: str, model: str = "served-model") -> dict[str, Any]:
        usage = {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 18,
        }
        return responses.whole_of(text, usage, id="resp_1", model=model)

    def text(self, answer: dict[str, Any]) -> str:
        return "".join(
            part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]
        )

    def start(self, model: str = "served-model") -> list[bytes]:
        begun = responses.response([], "in_progress", id="resp_1", model=model)
        events = [responses.event("created", response=begun), responses.event("in_progress", response=begun)]
        events += responses.opened(0, responses.message(""))
        return [named(one) for one in responses.numbered(events)]

    def piece(self, text: str) -> bytes:
        (event,) = responses.words(0, responses.message(text), 1)
        return named({**event, "sequence_number": 4})

    def end(self, text: str, model: str = "served-model") -> list[bytes]:
        last = responses.event("completed", response=self.answer(text, model))
        events = [*responses.closed(0, responses.message(text)), last]
        return [named({**one, "sequence_number": 90 + at}) for at, one in enumerate(events)]

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
        return responses.error_event(message)


class Messages(Wire):
    name, path, kind = "anthropic_messages", "/v1/messages", "anthropic"

    def ask(self, model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        return messages.ask(model, text, **more)

    def answer(self, text: str, model: str = "served-model") -> dict[str, Any]:
        usage = {"input_tokens": 7, "cache_read_input_tokens": 4, "output_tokens": 7}
        return messages.whole_of(text, usage, id="msg_1", model=model)

    def text(self, answer: dict[str, Any]) -> str:
        return "".join(block["text"] for block in answer["content"] if block["type"] == "text")

    def start(self, model: str = "served-model") -> list[bytes]:
        usage = {"input_tokens": 7, "cache_read_input_tokens": 4, "output_tokens": 1}
        begun = messages.started(model=model, usage=usage)
        return [named(one) for one in (begun, messages.opened(0, type="text", text=""), messages.PING)]

    def piece(self, text: str) -> bytes:
        return named(messages.piece(0, **messages.text_delta(text)))

    def end(self, text: str, model: str = "served-model") -> list[bytes]:
        _, closed = messages.block(0, {})
        return [named(one) for one in (closed, *messages.ended(usage={"output_tokens": 7}))]

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
        return messages.error_event(message)

    def error_body(self, message: str, kind: str = "api_error") -> dict[str, Any]:
        return messages.error(message, kind)

    def check_error(self, body: dict[str, Any]) -> str:
        assert body["type"] == "error", body
        assert body["error"]["type"].endswith("_error") or body["error"]["type"] == "request_too_large", body
        message: str = body["error"]["message"]
        assert message
        return message


CHAT, RESPONSES, MESSAGES = Chat(), Responses(), Messages()
WIRES: list[Wire] = [CHAT, RESPONSES, MESSAGES]
"""For `@pytest.mark.parametrize("wire", WIRES, ids=repr)`."""
