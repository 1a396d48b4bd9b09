"""What the instruction guard counts: requests as bytes, and the answers that a backend gives to them.

A case is one row of `instructions.json`. Names: client's protocol, `2` and the backend's where it is translated,
then what is sent. Not here: how they are run (in_process) or counted (instructions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pointsman.wire.http1 import chunk

from . import headers, payloads, responses_payloads
from . import translated_payloads as made
from .payloads import DONE, EVENTS, STOP, Workload
from .translated_payloads import CHAT, MESSAGES, RESPONSES, agent, small

_OWN_HEAD = "content-type: {type}\r\nx-request-id: req_1\r\n"
_SDK = headers.lines(headers.CLIENT)
_PROVIDER = headers.lines(headers.PROVIDER)
REAL = "small, 13 client and 22 provider headers, client key, one varying"
EMBEDDINGS = "/v1/embeddings"
DIALECT = {
    CHAT: "openai_chat",
    MESSAGES: "anthropic_messages",
    RESPONSES: "openai_responses",
    EMBEDDINGS: "embeddings",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One row. backend: the path whose protocol it speaks. answers: one after the other, each in the pieces it comes in.
    count: requests that are counted. real: with a client key, and as many headers as real traffic has. key: what that key
    has beside: `plain` nothing, `bounds`, `rates`, `budget`, and `priced` a price of its model, too; "" no key at all."""

    name: str
    says: str
    workload: Workload
    answers: tuple[tuple[bytes, ...], ...]
    backend: str
    count: int
    real: bool = False
    key: str = ""

    @property
    def keyed(self) -> bool:
        """Is a client key sent?"""
        return self.real or bool(self.key)

    @property
    def units(self) -> int:
        """What a request is divided by: a stream's own request is in its events' figure."""
        return EVENTS if self.workload.stream else 1

    def requests(self) -> Callable[[], bytes]:
        """The next request, each time it is called: no two in a row are the same."""
        bodies, at = self.workload.bodies, -1
        first = f"POST {self.workload.path} HTTP/1.1\r\nHost: 127.0.0.1:4321\r\n".encode()
        key = f"Authorization: Bearer {headers.CLIENT_KEY}\r\n".encode() if self.keyed else b""
        first += b"Content-Type: application/json\r\n" + (_SDK if self.real else b"") + key

        def following() -> bytes:
            nonlocal at
            at = (at + 1) % len(bodies)
            varied = f"traceparent: {headers.traceparent()}\r\n".encode() if self.real else b""
            return b"%b%bContent-Length: %d\r\n\r\n%b" % (first, varied, len(bodies[at]), bodies[at])

        return following


_ANSWERS = 17
"""Whole ones that differ, as those of one model do: by their id, time, counts and words."""


def _whole(body: bytes, fields: bytes = b"") -> tuple[bytes, ...]:
    own = _OWN_HEAD.format(type="application/json").encode()
    return (b"HTTP/1.1 200 OK\r\n%b%bcontent-length: %d\r\n\r\n%b" % (fields, own, len(body), body),)


def _wholes(reply: Callable[[int], bytes], fields: bytes = b"") -> tuple[tuple[bytes, ...], ...]:
    return tuple(_whole(reply(number), fields) for number in range(_ANSWERS))


def _streamed(events: list[bytes]) -> tuple[tuple[bytes, ...], ...]:
    own = _OWN_HEAD.format(type="text/event-stream; charset=utf-8").encode()
    head = b"HTTP/1.1 200 OK\r\n%btransfer-encoding: chunked\r\n\r\n" % own
    return ((head, *map(chunk, events), b"0\r\n\r\n"),)


def _chat_stream() -> tuple[tuple[bytes, ...], ...]:
    return _streamed([*(payloads.event(index, index) for index in range(EVENTS)), DONE])


def _messages_stream() -> tuple[tuple[bytes, ...], ...]:
    """As many events as the Chat stream has, each in a packet of its own."""
    return _streamed([*map(payloads.message_event, range(EVENTS)), STOP])


_KEYS = {
    "plain": "small, Chat, a client key",
    "bounds": "the same, the key may use some models only",
    "rates": "the same, it has rates of requests and tokens",
    "budget": "the same, it has a budget of tokens",
    "priced": "the same, it has a budget of money, and the model a price",
}


def all_cases() -> dict[str, Case]:
    """In the order of the table."""
    chat, message = _wholes(payloads.chat_reply), _wholes(payloads.message_reply)
    response, vectors = _wholes(responses_payloads.reply), (_whole(payloads.vectors()),)
    codex, codex_stream = responses_payloads.asked(), responses_payloads.asked(stream=True)
    called = {
        CHAT: (_whole(made.called_chat()),),
        MESSAGES: (_whole(made.called_messages()),),
        RESPONSES: (_whole(made.called_responses()),),
    }
    streamed = {path: small(path, stream=True) for path in (CHAT, MESSAGES)}
    streams = {
        CHAT: _chat_stream(),
        MESSAGES: _messages_stream(),
        RESPONSES: _streamed(responses_payloads.events()),
    }
    long = {spaced: payloads.long_chat(spaced=spaced) for spaced in (False, True)}
    real = _wholes(payloads.chat_reply, _PROVIDER)
    rows = [
        Case("chat_small", "small, Chat", small(CHAT), chat, CHAT, 102),
        Case("msg_small", "small, Messages", small(MESSAGES), message, MESSAGES, 102),
        Case("resp_small", "small, Responses, nothing kept", codex, response, RESPONSES, 102),
        Case("resp_kept", "small, Responses, remembered", responses_payloads.asked(store=None), response, RESPONSES, 51),
        Case("embedding", "an embedding, 1,536 floats", payloads.embedding(), vectors, EMBEDDINGS, 51),
        Case("chat_real", REAL, small(CHAT), real, CHAT, 102, real=True),
        *(Case(f"chat_{key}", says, small(CHAT), chat, CHAT, 51, key=key) for key, says in _KEYS.items()),
        Case("chat_compact", "100 KB, compact", long[False], chat, CHAT, 8),
        Case("chat_spaced", "100 KB, spaced", long[True], chat, CHAT, 4),
        Case("chat_event", "event, Chat", streamed[CHAT], streams[CHAT], CHAT, 4),
        Case("msg_event", "event, Messages", streamed[MESSAGES], streams[MESSAGES], MESSAGES, 4),
        Case("resp_event", "event, Responses", codex_stream, streams[RESPONSES], RESPONSES, 4),
        Case("msg2chat_small", "translated small, Messages to Chat", small(MESSAGES), chat, CHAT, 51),
        Case("chat2msg_small", "translated small, Chat to Messages", small(CHAT), message, MESSAGES, 51),
        Case("resp2chat_small", "translated small, Responses to Chat", codex, chat, CHAT, 51),
        Case("msg2resp_small", "translated small, Messages to Responses", small(MESSAGES), response, RESPONSES, 51),
        Case("msg2chat_event", "translated event, Messages to Chat", streamed[MESSAGES], streams[CHAT], CHAT, 3),
        Case("chat2msg_event", "translated event, Chat to Messages", streamed[CHAT], streams[MESSAGES], MESSAGES, 3),
        Case("resp2chat_event", "translated event, Responses to Chat", codex_stream, streams[CHAT], CHAT, 3),
        Case("msg2resp_event", "translated event, Messages to Responses", streamed[MESSAGES], streams[RESPONSES], RESPONSES, 3),
        Case("msg2chat_agent", "translated 100 KB, Messages to Chat", agent(MESSAGES), called[CHAT], CHAT, 3),
        Case("resp2chat_agent", "translated 100 KB, Responses to Chat", agent(RESPONSES), called[CHAT], CHAT, 3),
        Case("msg2resp_agent", "translated 100 KB, Messages to Responses", agent(MESSAGES), called[RESPONSES], RESPONSES, 3),
        Case("chat2msg_agent", "translated 100 KB, Chat to Messages", agent(CHAT), called[MESSAGES], MESSAGES, 3),
    ]  # fmt: skip
    return {case.name: case for case in rows}
