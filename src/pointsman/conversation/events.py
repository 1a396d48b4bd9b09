"""A reply as it streams: neutral events. A reader makes them from an upstream's bytes, a writer renders them.

Order: Started, then parts, then Finished, UsageSeen anywhere, Ended last. A part is PartStart, Deltas, PartEnd. A
reader may interleave parts (parallel tool calls do); sequence.py puts them one after the other for the writers, so a
writer sees one open part at a time, with indices 0, 1, 2, ...
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ..errors import PointsmanError
from ..kinds import at_hand
from .parts import Citation, Foreign, Opaque, ToolKind
from .usage import TokenUsage


@at_hand
class Stop(StrEnum):
    """Why the model stopped."""

    END = "end"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    TOOL_USE = "tool_use"
    PAUSE = "pause"
    REFUSAL = "refusal"
    CONTEXT_WINDOW = "context_window"


SILENT_STOPS = (Stop.END, Stop.TOOL_USE)
"""Ends that do not say why there is no output; a limit, a filter, a refusal, a stop sequence do."""


@at_hand
class PartKind(StrEnum):
    """What a streamed part is."""

    TEXT = "text"
    THINKING = "thinking"
    REFUSAL = "refusal"
    TOOL = "tool"
    FOREIGN = "foreign"


class Started(msgspec.Struct, frozen=True):
    """The answer has begun. id, model: as the upstream named them, "" when it did not. usage: input side, if told."""

    id: str = ""
    model: str = ""
    usage: TokenUsage | None = None


class PartStart(msgspec.Struct, frozen=True):
    """A part begins. call_id, name, tool_kind, namespace: of a TOOL, complete at the start. redacted: of a THINKING
    whose text never comes. foreign: the whole block of a FOREIGN, which has no deltas."""

    index: int
    kind: PartKind
    call_id: str = ""
    name: str = ""
    tool_kind: ToolKind = ToolKind.FUNCTION
    namespace: str | None = None
    redacted: bool = False
    foreign: Foreign | None = None


class Delta(msgspec.Struct, frozen=True):
    """More of a part: text, thinking, refusal, or raw text of a tool's arguments. Never empty."""

    index: int
    text: str


class Cited(msgspec.Struct, frozen=True):
    """A citation of a TEXT part, start and end within that part's text."""

    index: int
    citation: Citation


class PartEnd(msgspec.Struct, frozen=True):
    """A part is complete. opaque: of a THINKING."""

    index: int
    opaque: Opaque | None = None


class UsageSeen(msgspec.Struct, frozen=True):
    """What the upstream reported, cumulative: each report replaces the one before."""

    usage: TokenUsage


class Finished(msgspec.Struct, frozen=True):
    """The model stopped. sequence: the matched stop sequence. explanation: of a refusal. service_tier: as reported.
    word: the upstream's reason, where nobody knows what it says."""

    stop: Stop
    sequence: str | None = None
    explanation: str | None = None
    service_tier: str | None = None
    word: str = ""


class Ended(msgspec.Struct, frozen=True):
    """The stream's own proper end. Without it a stream was cut, whatever came before."""


class Failed(msgspec.Struct, frozen=True):
    """The upstream said in its stream that it failed. Nothing follows."""

    error: PointsmanError


Event = Started | PartStart | Delta | Cited | PartEnd | UsageSeen | Finished | Ended | Failed
