"""What is kept of a shadow: numbers, names and yes or no; never a word of a request or an answer. Not here: how answers are
compared (conversation/agreement.py) and what a report says of many (admin/control/shadow_report.py)."""

from __future__ import annotations

import msgspec


class Comparison(msgspec.Struct, frozen=True):
    """One request that its client had answered by a cloud and that a local target was asked, too. at: unix seconds.
    cloud, local: targets, as in `x-pointsman-target`. failed: why there is no local answer to compare, in a word; None where
    there is one. tools ... likeness: see conversation.agreement.Agreement. refused, stop, tokens, characters, first_ms,
    total_ms, cost: of the cloud's answer, and then of the local one; tokens of the output, characters of the text, the times
    from when it was asked, cost in nano-dollars; None where that is not known."""

    request: str
    at: float
    mapping_id: int
    model: str
    cloud: str
    local: str
    protocol: str
    stream: bool
    failed: str | None = None
    tools: bool | None = None
    arguments: bool | None = None
    structured: bool | None = None
    likeness: float | None = None
    refused: bool = False
    local_refused: bool = False
    stop: str = ""
    local_stop: str = ""
    tokens: int | None = None
    local_tokens: int | None = None
    characters: int = 0
    local_characters: int = 0
    first_ms: float | None = None
    local_first_ms: float | None = None
    total_ms: float | None = None
    local_total_ms: float | None = None
    cost: int | None = None
    local_cost: int | None = None


class NotAsked(msgspec.Struct, frozen=True):
    """So many requests of a rule that were to be compared and were not. at: about when, unix seconds. why: a word of
    gateway/shadow."""

    at: float
    mapping_id: int
    model: str
    local: str
    why: str
    count: int
