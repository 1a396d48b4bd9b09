"""A stream read by a reader that knows again what it has met, and by one that never does: what each tells, and what a client
of another protocol gets."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import strategies as st

from pointsman.dialects.base import Reader
from pointsman.dialects.capsule import Capsules
from pointsman.dialects.registry import DIALECTS
from pointsman.dialects.same_again import SameAgain
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.crossing import Asked, Crossing
from pointsman.translation.reasoning_store import KeptReasoning, ReasoningStore
from pointsman.wire.http1 import parse_head
from pointsman.wire.key_mask import KeyMask

TEXTS = st.text(st.sampled_from('ab "\\:,}é\n\ud800</think>'), max_size=6) | st.sampled_from(
    ["word", "</think>", '"}', "", " "]
)
CHAT, MESSAGES = Protocol.OPENAI_CHAT, Protocol.ANTHROPIC_MESSAGES
RESPONSES = Protocol.OPENAI_RESPONSES
BOX = BackendSpec("local/box", "local", "box", "http://127.0.0.1:9001")
HEAD = parse_head(b"POST /v1/x HTTP/1.1\r\nhost: a\r\n\r\n", 100)
ASKED = b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}'


def read(reader: Reader, events: list[bytes], *, learns: bool) -> tuple[list[Any], object, object]:
    told: list[Any] = []
    for event in events:
        if not learns:
            reader.again = SameAgain((b'"nothing"',))
        told.extend(reader.read(event))
    told.extend(reader.finish())
    return told, reader.verdict, (reader.malformed, reader.tag, reader.answer_id, reader.calls_whole)


def written(backend: Protocol, events: list[bytes], *, learns: bool) -> bytes:
    """What a client of the other protocol gets, an event a read."""
    client = CHAT if backend is MESSAGES else MESSAGES
    half = DIALECTS[client].translation
    assert half is not None
    asked = Asked(half, ASKED, HEAD, "req_1", Capsules(b"k"))
    profile, kept = profile_for(BOX, backend, "m"), KeptReasoning(ReasoningStore(), "")
    relay = Crossing(asked, DIALECTS[client], DIALECTS[backend], profile, kept, KeyMask(b"")).relay()
    out = []
    for event in events:
        if not learns:
            relay.seen.again = SameAgain((b'"nothing"',))
        out.append(relay.take(event + b"\n\n"))
    return re.sub(rb'"created":[0-9]+', b"", b"".join([*out, relay.end()]))


def event_of(value: dict[str, Any], ascii: bool, spaced: bool) -> bytes:
    text = json.dumps(value, ensure_ascii=ascii, separators=None if spaced else (",", ":"))
    return b"data: " + text.encode("utf-8", "surrogatepass")
