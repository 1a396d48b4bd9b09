"""What these tests share: profiles of Claude models, short ways to parse, render, read and write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from pointsman.conversation.events import Event
from pointsman.conversation.notes import Notes
from pointsman.conversation.profile import Profile
from pointsman.conversation.request import Request
from pointsman.dialects.anthropic_messages.dialect import TRANSLATION
from pointsman.dialects.base import Answering, Reading
from pointsman.dialects.capsule import Capsules
from pointsman.providers.profile_rows import MESSAGES
from pointsman.translation.adapt import adapt
from pointsman.translation.losses import check
from pointsman.wire.sse import EventSplitter
from tests.neutral import placed

CAPSULES = Capsules(b"a key for tests")
((_, PROTOCOL),) = MESSAGES
CLAUDE = Profile(
    backend="anthropic",
    protocol="anthropic_messages",
    **{
        name: PROTOCOL[name]
        for name in (
            "replay_as",
            "json_object",
            "thinking_field",
            "max_tokens_required",
            "blank_stops",
            "turns",
            "user_max",
            "image_types",
            "document_types",
            "strict_tools_max",
            "cache_marks_max",
            "max_tool_calls",
        )
    },
    files="anthropic_messages",
    max_tokens_limit=64_000,
    temperature_max=1.0,
    stop=1000,
    system_text=False,
    mid_system=True,
    merge_turns=False,
    cache_marks=True,
    reasoning="adaptive",
    efforts=("low", "medium", "high", "xhigh", "max"),
    tool_name_max=128,
    tool_id="short",
    server_tools=frozenset({"web_search", "code_execution"}),
    schema_subset="closed",
    service_tiers=("auto", "default"),
)
"""A model of the middle generation: adaptive, with everything allowed."""


def but(profile: Profile = CLAUDE, **changes: Any) -> Profile:
    return msgspec.structs.replace(profile, **changes)


def parse(
    body: dict[str, Any], notes: Notes | None = None, header: dict[bytes, bytes] | None = None
) -> Request:
    """As the gateway does; "model" and "max_tokens" may be left out."""
    full = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **body}
    return TRANSLATION.parse_request(full, Reading(notes or Notes(), CAPSULES, (header or {}).get))


def render(request: Request, profile: Profile = CLAUDE, notes: Notes | None = None) -> dict[str, Any]:
    """As the gateway does: made to fit, losses told, written."""
    request = placed(request)
    body = _sent(request, profile, notes or Notes())
    assert body == _sent(request, profile, Notes())  # deterministic, and nothing was mutated
    found: dict[str, Any] = json.loads(body)
    return found


def _sent(request: Request, profile: Profile, notes: Notes) -> bytes:
    fitted, _ = adapt(request, profile, notes)
    check(fitted, TRANSLATION.carries, notes)
    return TRANSLATION.render_request(fitted, profile)


def answering(request: Request | None = None) -> Answering:
    return Answering(request or Request("asked-for"), "req_1", 1, CAPSULES)


def read(pieces: bytes | Iterable[bytes], profile: Profile = CLAUDE) -> list[Event]:
    """Neutral events of a stream that comes in these pieces and then ends."""
    reader = TRANSLATION.reader(profile)
    splitter = EventSplitter()
    events: list[Event] = []
    for piece in [pieces] if isinstance(pieces, bytes) else pieces:
        for event in splitter.feed(piece):
            events.extend(reader.read(event))
    rest = splitter.finish()
    if rest:
        events.extend(reader.read(rest))
    events.extend(reader.finish())
    return events


def write(events: Iterable[Event], answer: Answering | None = None) -> bytes:
    writer = TRANSLATION.writer(answer or answering())
    return b"".join([writer.write(event) for event in events])


def merged(events: Iterable[Event]) -> list[Event]:
    """Neighbouring deltas of one part as one: what a stream says, not how it was cut."""
    from pointsman.conversation.events import Delta

    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.index == event.index:
            out[-1] = Delta(event.index, last.text + event.text)
        else:
            out.append(event)
    return out
