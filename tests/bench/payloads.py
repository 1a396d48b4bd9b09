"""Requests and answers of the benchmark, made by rule so that every run sends the same bytes.

Sizes follow real traffic: a short chat, and a coding agent's turn of 100 KB with its tools.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from tests.vendor_bodies import chat, messages
from tests.vendor_bodies.wire import named, sse

from . import headers

VARIANTS = 17  # a number that shares no factor with a count of connections
HEADS = 60  # times VARIANTS: more heads than a cache of heads would keep
EVENTS = 200  # events of one stream, before the closing one, where its workload says nothing else

_TEXT = (
    "the handler keeps a pool of idle connections and returns one only after its answer was read whole so "
    "that no request ever sees bytes of another one while a cancelled call closes its connection at once"
)
_WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of request, in variants. `stream`: its answer is events, and events are what is counted.

    No two requests in a row are the same, in head or body: a cache of either must not pass for speed.
    """

    name: str
    path: str
    bodies: tuple[bytes, ...]
    stream: bool = False
    translated: bool = False  # then how many events the client gets is its protocol's business
    events: int = EVENTS  # of a stream, before the closing one (`[DONE]`, `message_stop`)
    real: bool = False  # as many headers as real clients and providers send, one of them new each time
    key: str = "none"  # the client key
    fields: bytes = b""  # further header lines, for a gateway that wants to be told something

    @property
    def model(self) -> str:
        return str(json.loads(self.bodies[0])["model"])

    def requests(self, host: str) -> list[bytes]:
        """Three headers and the key, or what the OpenAI library sends and a `traceparent`."""
        head = f"POST {self.path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {self.key}\r\n".encode()
        head += (
            self.fields
            + b"content-type: application/json\r\n"
            + (headers.lines(headers.CLIENT) if self.real else b"")
        )
        made = []
        for body in self.bodies * (HEADS if self.real else 1):
            varied = f"traceparent: {headers.traceparent()}\r\n".encode() if self.real else b""
            made.append(b"%s%scontent-length: %d\r\n\r\n%s" % (head, varied, len(body), body))
        return made


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _chat(name: str, text: str, **more: object) -> Workload:
    bodies = tuple(
        _json(chat.ask(f"bench-{name}", text + "." * number, **more)) for number in range(VARIANTS)
    )
    return Workload(name, "/v1/chat/completions", bodies, stream=bool(more.get("stream")))


def small() -> Workload:
    """About 120 bytes of chat."""
    return _chat("small", "Say hello in one short sentence", max_tokens=32)


def real() -> Workload:
    """The small chat with 13 client headers, a `traceparent` and 22 headers in the answer."""
    return replace(_chat("real", "Say hello in one short sentence", max_tokens=32), real=True)


def stream(pace_ms: int, events: int = EVENTS, kind: str = "stream") -> Workload:
    """Asks the mock for a stream; the model's name carries the pace (0: as fast as it can write) and the
    length. kind: `stream`, `varied` (no two events have the same words), or `told` and `armed`, whose words
    say when they were due."""
    usage = {"include_usage": True}
    made = _chat(f"{kind}-{pace_ms}-{events}", "Tell a long story", stream=True, stream_options=usage)
    return replace(made, events=events)


def turns(pace_ms: int, events: int = EVENTS) -> Workload:
    """The stream of a Messages backend, asked for by a client of Messages."""
    made = translated(pace_ms, events, kind="turns")
    return replace(made, name=f"turns-{pace_ms}-{events}", translated=False)


def translated(pace_ms: int | None = None, events: int = EVENTS, kind: str = "stream") -> Workload:
    """The small chat, or the stream, asked for by a client of Messages: the mock speaks Chat only."""
    name = "small" if pace_ms is None else f"{kind}-{pace_ms}-{events}"
    more: dict[str, Any] = {"max_tokens": 32} | ({} if pace_ms is None else {"stream": True})

    def body(number: int) -> bytes:
        return _json(messages.ask(f"bench-{name}", "Say hello in one short sentence" + "." * number, **more))

    bodies = tuple(body(number) for number in range(VARIANTS))
    streamed = pace_ms is not None
    return Workload(f"translated {name}", "/v1/messages", bodies, streamed, translated=True, events=events)


def hold() -> Workload:
    """A stream that says something once a second and does not end."""
    return _chat("hold", "Wait", stream=True)


def _text(seed: int, words: int) -> str:
    return " ".join(_WORDS[(seed * 7 + index * (seed % 5 + 1)) % len(_WORDS)] for index in range(words))


def _tool(index: int) -> dict[str, object]:
    properties = {
        f"argument_{number}": {"type": "string", "description": _text(index + number, 18)}
        for number in range(5)
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["argument_0"],
        "additionalProperties": False,
    }
    return {"name": f"Tool{index}", "description": _text(index, 160), "input_schema": schema}


def _turn(index: int) -> list[dict[str, object]]:
    call = {"type": "tool_use", "id": f"toolu_{index:020d}", "name": f"Tool{index % 18}"}
    lines = [
        f'{line:6}\tif "{word}" not in seen:\n\t\treturn None  # …\n' for line, word in enumerate(_WORDS)
    ]
    asked = [
        {"type": "text", "text": _text(index, 40)},
        call | {"input": {"argument_0": f"src/part_{index}.py"}},
    ]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "".join(lines)}
    return [{"role": "assistant", "content": asked}, {"role": "user", "content": [result]}]


def large(size: int = 100 * 1024) -> Workload:
    """A coding agent's turn in the Messages protocol: 18 tools, a cached system prompt, tool results."""
    messages: list[dict[str, object]] = [
        {"role": "user", "content": [{"type": "text", "text": "Fix the pool."}]}
    ]
    cached = {"type": "ephemeral"}
    body: dict[str, object] = {
        "model": "bench-large",
        "messages": messages,
        "system": [{"type": "text", "text": _text(3, 1500), "cache_control": cached}],
        "tools": [_tool(index) for index in range(18)],
        "metadata": {"user_id": "user_bench"},
        "max_tokens": 32000,
    }
    index = 0
    while len(_json(body)) < size - 4096:
        messages.extend(_turn(index))
        index += 1
    fill = size - len(_json(body)) - len(_json({"role": "user", "content": ""})) - 1

    def variant(number: int) -> bytes:
        last = {"role": "user", "content": (_text(1, 2000) * 2)[: fill - number]}
        return _json(body | {"messages": [*messages, last]})

    return Workload("large", "/v1/messages", tuple(variant(number) for number in range(VARIANTS)))


def huge() -> Workload:
    """A chat with 1 MB of text."""
    return _chat("huge", (_TEXT * 6000)[: 1024 * 1024], max_tokens=32)


def embedding() -> Workload:
    """One text to embed; the answer (`vectors`) is what is large."""
    asked = [
        {"model": "bench-vectors", "input": "Say hello in one short sentence" + "." * n}
        for n in range(VARIANTS)
    ]
    return Workload("embedding", "/v1/embeddings", tuple(map(_json, asked)))


def vectors() -> bytes:
    """The answer: 1,536 floats as providers write them, 26 KB."""
    floats = [round(((number * 7919) % 10007 / 10007 - 0.5) / 9, 10) + 1e-12 for number in range(1536)]
    data = [{"object": "embedding", "index": 0, "embedding": floats}]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return _json({"object": "list", "data": data, "model": "bench-vectors", "usage": usage})


def refused() -> Workload:
    """The small chat, for a model whose first target answers 429."""
    return _chat("refused", "Say hello in one short sentence", max_tokens=32)


def refusal() -> bytes:
    """That answer."""
    return _json(
        {"error": {"message": "Slow down.", "type": "rate_limit_error", "param": None, "code": None}}
    )


def chat_reply(number: int = 0) -> bytes:
    """About half a kilobyte, as a provider writes it. number: of several, which have other ids, times, counts and words."""
    made = 9 + number % 5
    usage = {"prompt_tokens": 17 + number, "completion_tokens": made, "total_tokens": 17 + number + made}
    details = {
        "prompt_tokens_details": {"cached_tokens": number % 3},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    head = {
        "id": f"chatcmpl-bench{number:016}",
        "created": 1790000000 + number // 3,
        "model": "bench-small",
    }
    tail = {"service_tier": "default", "system_fingerprint": "fp_bench00000"}
    message = {"content": "Hello, and welcome to the bench." + "." * (number % 4), "refusal": None}
    return _json(chat.whole(message, "stop", usage | details, **head, **tail))


def long_chat(*, spaced: bool) -> Workload:
    """A Chat turn of 100 KB with 20 tools, the same JSON without spaces or as `json.dumps` writes it."""
    schema = {
        "type": "object",
        "properties": {
            f"p{number}": {"type": "string", "description": "a parameter that does something"}
            for number in range(6)
        },
    }
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{index}",
                "description": "Does a thing. " * 60,
                "parameters": schema,
            },
        }
        for index in range(20)
    ]
    said = 'lorem ipsum dolor sit amet "quoted" \n' * 80

    def body(number: int) -> bytes:
        first = {"role": "user", "content": "Hello there, how are you doing today?" + "." * number}
        turns = [{"role": ("assistant", "user")[index % 2], "content": said} for index in range(24)]
        asked = chat.ask("bench-small", "", max_tokens=256, temperature=0.7, tools=tools)
        asked["messages"] = [first, *turns]
        return json.dumps(asked).encode() if spaced else _json(asked)

    name = "spaced" if spaced else "compact"
    return Workload(name, "/v1/chat/completions", tuple(body(number) for number in range(VARIANTS)))


def message_reply(number: int = 0) -> bytes:
    """The Messages answer to the large request. number: see chat_reply()."""
    usage = {
        "input_tokens": 12 + number,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 24000 + number % 3,
        "output_tokens": 30 + number % 5,
        "service_tier": "standard",
    }
    head = {"id": f"msg_bench{number:016}", "model": "bench-large"}
    text = _text(2, 40) + "." * (number % 4)
    return _json(messages.whole([{"type": "text", "text": text}], "end_turn", usage, **head))


def models_reply() -> bytes:
    names = ("bench-small", "bench-large", "bench-stream", "bench-hold")
    rows = [{"id": name, "object": "model", "created": 1790000000, "owned_by": "bench"} for name in names]
    return _json({"object": "list", "data": rows})


STAMP = b'"system_fingerprint":"'  # twenty digits follow: nanoseconds at which the mock wrote the event


def _around(chunk: dict[str, Any]) -> list[bytes]:
    """An event's bytes before the stamp and after it."""
    head = chat.headed(chunk, "bench", "chatcmpl-bench0000", system_fingerprint="?")
    return sse(head).split(b"?")


def _words(text: str) -> dict[str, Any]:
    chunk = chat.delta(content=text)
    chunk["choices"][0]["logprobs"] = None
    return chunk


_ROLE = _around(chat.delta(role="assistant", content=""))
_WORD = _around(_words(" wonder"))
_TOLD = _around(_words(" at ?"))
_FINISH = _around(chat.delta("stop"))
_USAGE = _around(chat.counted({"prompt_tokens": 14, "completion_tokens": 197, "total_tokens": 211}))


def event(index: int, at_ns: int, *, events: int = EVENTS, told: bool = False) -> bytes:
    """Event `index` of a stream (about 200 bytes): a role, words, the finish, the usage.
    told: the stamp stands in the words too, where a translation keeps it."""
    made = (_TOLD if told else _WORD) if index else _ROLE
    made = {events - 2: _FINISH, events - 1: _USAGE}.get(index, made)
    return (b"%020d" % at_ns).join(made)


_TEXT_BLOCK = messages.block(0, {"type": "text", "text": ""}, messages.text_delta(" wonder"))
_STARTED, _OPENED, _DELTA, _STOPPED, _ENDED, STOP = (
    named(event) for event in (messages.started(model="claude-bench"), *_TEXT_BLOCK, *messages.ended())
)


def message_event(index: int, *, events: int = EVENTS) -> bytes:
    """Event `index` of a Messages stream, before its closing `message_stop`: no event differs from the last
    but in its words, as with real backends, so there is no stamp."""
    made = {0: _STARTED, 1: _OPENED, events - 2: _STOPPED, events - 1: _ENDED}
    return made.get(index, _DELTA)


DONE = chat.DONE
