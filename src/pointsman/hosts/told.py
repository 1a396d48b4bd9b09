"""An answer in OpenAI's shape, whole or as events, made from what an engine says piece by piece.

Not here: where text is text, reasoning or a call, which the engine's template decides.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from .asked import HostRequest
from .stops import StopText
from .wire import HostExchange


@dataclass(slots=True)
class Counted:
    """Tokens. cached: of the input, those that were not read anew. thought: of the output, those of reasoning."""

    read: int = 0
    cached: int = 0
    made: int = 0
    thought: int = 0

    def usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.read,
            "completion_tokens": self.made,
            "total_tokens": self.read + self.made,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.thought},
        }


@dataclass(slots=True)
class HostAnswer:
    """One answer that is being made. Text goes through the stop strings; `stopped` says that one was found."""

    asked: HostRequest
    exchange: HostExchange
    counted: Counted = field(default_factory=Counted)
    _text: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _calls: list[dict[str, Any]] = field(default_factory=list)
    _base: dict[str, Any] = field(default_factory=dict)
    _stops: StopText = field(init=False)
    _after_marker: bool = False

    def __post_init__(self) -> None:
        self._stops = StopText(self.asked.stops)
        chatting = self.asked.messages is not None
        kind = ("chat.completion" if chatting else "text_completion") + (
            ".chunk" if chatting and self.asked.stream else ""
        )
        self._base = {
            "id": ("chatcmpl-" if chatting else "cmpl-") + secrets.token_hex(12),
            "object": kind,
            "created": int(time.time()),
            "model": self.asked.model,
        }

    @property
    def stopped(self) -> bool:
        return self._stops.found is not None

    @property
    def called(self) -> bool:
        return bool(self._calls)

    def begin(self) -> None:
        """The input is accepted: a stream's head goes out now, so that comments can follow while it is read."""
        if self.asked.stream:
            self.exchange.begin_events()
            if self.asked.messages is not None:
                self._event({"role": "assistant", "content": ""})

    def reading(self, done: int, total: int) -> None:
        """A sign of life while the input is read: clients and gateways give up those that are silent."""
        if self.asked.stream:
            self.exchange.comment(f"read {done} of {total} tokens")

    def say(self, text: str) -> None:
        if (
            self._after_marker
        ):  # templates put lines between reasoning, calls and text, which are none of the answer
            text = text.lstrip()
            self._after_marker = not text
        self._show(self._stops.take(text))

    def think(self, text: str) -> None:
        self._after_marker = True
        if text:
            self._thoughts.append(text)
            self._event({"reasoning_content": text})

    def call(self, name: str, arguments: str, given_id: str | None) -> None:
        self._after_marker = True
        function = {"name": name, "arguments": arguments}
        call = {"id": given_id or "call_" + secrets.token_hex(12), "type": "function", "function": function}
        self._event({"tool_calls": [{"index": len(self._calls), **call}]})
        self._calls.append(call)

    def end(self, reason: str) -> None:
        """reason: `stop` or `length`. Sends what is left."""
        if not self.stopped:
            self._show(self._stops.end())
        if reason == "stop" and self._calls:
            reason = "tool_calls"
        if self.asked.stream:
            self._event({}, reason)
            if self.asked.tells_usage:
                self.exchange.event({**self._base, "choices": [], "usage": self.counted.usage()})
            self.exchange.end_events()
        else:
            self.exchange.answer(
                200, {**self._base, "choices": [self._choice(reason)], "usage": self.counted.usage()}
            )

    def _show(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._event({"content": text})

    def _choice(self, reason: str) -> dict[str, Any]:
        text = "".join(self._text)
        if self.asked.messages is None:
            return {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        if self._calls:
            message["tool_calls"] = self._calls
        return {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}

    def _event(self, delta: dict[str, Any], reason: str | None = None) -> None:
        if not self.asked.stream:
            return
        choice: dict[str, Any] = {"index": 0, "finish_reason": reason}
        if self.asked.messages is None:
            choice["text"] = delta.get("content", "")
        else:
            choice["delta"] = delta
        self.exchange.event({**self._base, "choices": [choice]})


def arguments_of(value: Any) -> str:
    """A call's arguments as the text that the protocol wants."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
