"""A whole Chat answer as the stream it could have been, and a stream as the whole (see dialects/retelling.py)."""

from __future__ import annotations

from typing import Any

from ..retelling import DONE, data, encode, joined, object_of, objects_in, objects_of, text
from .calls import Tool
from .seen import ChatSeen


def streamed(body: bytes, usage: bool) -> bytes:
    """usage: the client asked for the chunk that tells it."""
    value = object_of(body)
    counted = value.pop("usage", None)
    head = {**value, "object": "chat.completion.chunk"}
    asked = {"usage": None} if usage else {}
    out = []
    for place, choice in enumerate(objects_in(value.get("choices"))):
        out += [data({**head, "choices": [one], **asked}) for one in _chunks(choice, place)]
    if usage and counted is not None:
        out.append(data({**head, "choices": [], "usage": counted}))
    return b"".join(out) + DONE


def _chunks(choice: dict[str, Any], place: int) -> list[dict[str, Any]]:
    """All that it says, and why it stopped: without a reason a stream is cut, which a whole answer is not."""
    at = {"index": choice.get("index") or place}
    message = choice.get("message") or choice.get("delta")
    delta = dict(message) if isinstance(message, dict) else {}
    calls = objects_in(delta.get("tool_calls"))
    if calls:
        delta["tool_calls"] = [_call(one, number) for number, one in enumerate(calls)]
    said = {**choice, **at, "delta": {"role": "assistant", **delta}, "finish_reason": None}
    said.pop("message", None)
    reason = choice.get("finish_reason") or ("tool_calls" if calls else "stop")
    return [said, {**at, "delta": {}, "logprobs": None, "finish_reason": reason}]


def _call(call: dict[str, Any], place: int) -> dict[str, Any]:
    call = {**call, "index": place}
    function = call.get("function")
    if isinstance(function, dict):
        call["function"] = {**function, "arguments": text(function.get("arguments"))}
    return call


class _Choice:
    """One choice that is put together. Its calls are told apart by the reading that judges them, alone."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self.message: dict[str, Any] = {"role": "assistant", "content": None}
        self.calls: dict[int, tuple[Tool, list[str]]] = {}
        self.legacy = False
        self._seen = ChatSeen()

    def add(self, piece: dict[str, Any]) -> None:
        inner = piece.get("delta")
        delta = inner if isinstance(inner, dict) else piece.get("message")
        delta = delta if isinstance(delta, dict) else {}
        if delta.get("tool_calls") or delta.get("function_call"):
            self.legacy = self.legacy or not delta.get("tool_calls")
            self._seen.event(data({"choices": [{**piece, "index": 0}]}).rstrip(b"\n"))
            calls = self._seen.calls
            for tool, said in calls.fresh if calls is not None else ():
                self.calls.setdefault(tool.place, (tool, []))[1].append(said)
        _merge(self.message, {n: one for n, one in delta.items() if n not in ("tool_calls", "function_call")})
        for name, one in piece.items():
            if name == "logprobs":
                self.value[name] = joined(self.value.get(name), one)
            elif name not in ("delta", "message") and (one is not None or name not in self.value):
                self.value[name] = one

    def whole(self) -> dict[str, Any]:
        calls = [_told(tool, "".join(said)) for _, (tool, said) in sorted(self.calls.items())]
        if calls and self.legacy:
            self.message["function_call"] = calls[0]["function"]
        elif calls:
            self.message["tool_calls"] = calls
        return {**self.value, "message": self.message}


def _told(tool: Tool, said: str) -> dict[str, Any]:
    kind = tool.kind.value
    inner = {"name": tool.name, "input" if kind == "custom" else "arguments": said}
    return {"id": tool.id, "type": kind, kind: inner, **tool.extra}


_ONCE = ("role", "id", "type", "name", "format", "index")


def _merge(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """As the SDK's accumulator does: texts grow, lists by their index, else by what is added."""
    for name, one in delta.items():
        before = into.get(name)
        if before is None or name in _ONCE:
            into[name] = before if one is None else one
        elif isinstance(before, str) and isinstance(one, str):
            into[name] = before + one
        elif isinstance(before, dict) and isinstance(one, dict):
            _merge(before, one)
        elif isinstance(before, list) and isinstance(one, list):
            for entry in one:
                index = entry.get("index") if isinstance(entry, dict) else None
                same = [old for old in objects_in(before) if index is not None and old.get("index") == index]
                if same:
                    _merge(same[0], entry)
                else:
                    before.append(entry)
        elif one is not None:
            into[name] = one


def assembled(stream: bytes) -> bytes:
    """Raises ValueError where there is nothing to assemble."""
    whole: dict[str, Any] = {}
    choices: dict[int, _Choice] = {}
    for chunk in objects_of(stream):
        whole.update((name, one) for name, one in chunk.items() if name != "choices" and one is not None)
        for piece in objects_in(chunk.get("choices")):
            choices.setdefault(piece.get("index") or 0, _Choice()).add(piece)
    if not choices:
        raise ValueError("a stream without a choice")
    told = [choices[index].whole() for index in sorted(choices)]
    return encode({**whole, "object": "chat.completion", "choices": told})
