"""Both halves of a dialect's translation, called as the gateway calls them, and what of a value every protocol carries."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec

from pointsman.conversation.events import Event
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Refusal, Text, Thinking, ToolCall
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply, unfold
from pointsman.conversation.request import Request
from pointsman.dialects.base import Answering, Reading, Translation
from pointsman.dialects.capsule import Capsules
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.routing.specs import BackendSpec
from pointsman.translation import losses
from pointsman.translation.adapt import adapt
from pointsman.translation.heal import heal
from pointsman.translation.sequence import Sequencer
from pointsman.wire.sse import EventSplitter

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
ALL = [CHAT, RESPONSES, MESSAGES]
CAPSULES = Capsules(b"k")
SPECS = {
    CHAT: (BackendSpec("openai", "openai", "", "https://api.openai.com", stream_usage=True), "gpt-4.1"),
    RESPONSES: (BackendSpec("openai", "openai", "", "https://api.openai.com"), "gpt-5.6"),
    MESSAGES: (BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com"), "claude-sonnet-4-5"),
}

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
PICTURE = "iVBORw0KGgo="


def half(protocol: Protocol) -> Translation:
    found = DIALECTS[protocol].translation
    assert found is not None
    return found


def answering(stream: bool = True) -> Answering:
    request = Request("m", stream=stream, include_usage=True, raw={"model": "m"})
    return Answering(request, "req_1", 1_700_000_000, CAPSULES)


def read(protocol: Protocol, pieces: list[bytes]) -> list[Event]:
    reader, splitter, sequencer = half(protocol).reader(Profile()), EventSplitter(), Sequencer()
    found: list[Event] = []
    for piece in pieces:
        for event in splitter.feed(piece):
            found.extend(reader.read(event))
    rest = splitter.finish()
    found.extend(reader.read(rest) if rest else ())
    found.extend(reader.finish())
    return [out for event in found for out in sequencer.add(event)]


def written(protocol: Protocol, reply: Reply) -> bytes:
    writer = half(protocol).writer(answering())
    return b"".join(writer.write(event) for event in unfold(reply))


def told(reply: Reply) -> list[Any]:
    """What of a reply every protocol carries; thinking without its capsule, empty thinking not at all."""
    found: list[Any] = [reply.stop, (reply.usage.input, reply.usage.output) if reply.usage else None]
    for part in reply.parts:
        match part:
            case Thinking():
                found.append(("thinking", part.text))
            case Text():
                found.append(("text", part.text))
            case Refusal():
                found.append(("refusal", part.text))
            case ToolCall():
                found.append(("call", part.id, part.name, json.loads(part.arguments or "{}")))
    return found


def parsed(protocol: Protocol, body: dict[str, Any]) -> Request:
    notes = Notes(strict=True)
    return heal(half(protocol).parse_request(copy.deepcopy(body), Reading(notes, CAPSULES)), notes)


def sent(upstream: Protocol, request: Request, profile: Profile, notes: Notes) -> bytes:
    """As the gateway does: made to fit, losses told, written."""
    fitted, _ = adapt(request, profile, notes)
    losses.check(fitted, half(upstream).carries, notes)
    return half(upstream).render_request(fitted, profile)


def comparable(request: Request) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(request)
    for key in ("raw", "include_usage", "phases", "model", "paths", "plain"):
        value.pop(key)
    for message in value["messages"]:
        for part in message["parts"]:
            if part.get("detail") == "auto":  # a required key whose default this is
                part["detail"] = None
    if value["summary"] == "auto":  # asked for on the way out where it was left open
        value["summary"] = None
    pathless: dict[str, Any] = without_paths(value)
    return pathless


def without_paths(value: Any) -> Any:
    """What was said, wherever it stood."""
    if isinstance(value, dict):
        return {key: without_paths(inner) for key, inner in value.items() if key != "path"}
    return [without_paths(inner) for inner in value] if isinstance(value, list | tuple) else value
