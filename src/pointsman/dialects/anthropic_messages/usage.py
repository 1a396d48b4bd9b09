"""Messages' `usage` object and our neutral one, both ways. Not here: when a stream tells it (reader.py, writer.py)."""

from __future__ import annotations

from typing import Any

from ...conversation.usage import Apart, TokenUsage, served
from ..counts import MOST, Counts, number


class Counted:
    """What the reports of one answer say so far. Cached tokens are counted apart from input_tokens
    (docs/protocols/usage.md#what-each-protocol-counts)."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}

    def add(self, report: dict[str, Any]) -> None:
        """One more: cumulative, so a later one overwrites what it counts and leaves the rest (the SDK accumulator's
        rule). What was read is not unread (docs/protocols/usage.md#several-reports)."""
        if not self._told:
            told = None not in report.values()
            self._told = (
                report.copy()
                if told
                else {name: value for name, value in report.items() if value is not None}
            )
            return
        for name, value in report.items():
            if value is None:
                continue
            if name.endswith("input_tokens") and number(value) == 0 and number(self._told.get(name)):
                continue
            self._told[name] = value

    @property
    def tier(self) -> str | None:
        """The tier the answer was served with, in the vendor's words."""
        found = self._told.get("service_tier")
        return found if isinstance(found, str) else None

    @property
    def common(self) -> bool:
        """Do the counts of input and output alone say all of it?"""
        return self._common() is not None

    def neutral(self) -> TokenUsage:
        """The same numbers under our definition: input holds what was read from and written to a cache."""
        common = self._common()
        if common is not None:
            return common
        told = Counts(self._told)
        read, written = told.one("cache_read_input_tokens"), told.one("cache_creation_input_tokens")
        total = told.one("input_tokens")
        if total is not None:
            total = max(0, total) + max(0, read or 0) + max(0, written or 0)
        thought = self._inner("output_tokens_details", "thinking_tokens")
        long = self._inner("cache_creation", "ephemeral_1h_input_tokens")
        searched = self._inner("server_tool_use", "web_search_requests")
        words = self._told
        region, speed, tier = words.get("inference_geo"), words.get("speed"), words.get("service_tier")
        made = told.one("output_tokens")
        if (
            (region is None or region in _NO_REGION)
            and speed != "fast"
            and (tier is None or tier == "standard")
        ):
            return TokenUsage(total, made, read, thought, written, long, searched).bounded()
        apart = Apart(region=region[:_WORD]) if isinstance(region, str) and region not in _NO_REGION else None
        found = TokenUsage(total, made, read, thought, written, long, searched, None, apart).bounded()
        return served(found, "fast" if speed == "fast" else tier) or found

    def _common(self) -> TokenUsage | None:
        """As nearly all say it, and as neutral() would read it: whole numbers, none of them written to a cache, and nothing
        that has a price of its own; None of anything else."""
        words = self._told
        asked, made, read = (
            words.get("input_tokens"),
            words.get("output_tokens"),
            words.get("cache_read_input_tokens"),
        )
        if type(asked) is not int or type(made) is not int or (read is not None and type(read) is not int):
            return None
        written = words.get("cache_creation_input_tokens")
        if written is not None and (type(written) is not int or written):
            return None
        region, tier = words.get("inference_geo"), words.get("service_tier")
        if (region is not None and region not in _NO_REGION) or (tier is not None and tier != "standard"):
            return None
        if "output_tokens_details" in words or "server_tool_use" in words or "speed" in words:
            return None
        long = (
            self._inner("cache_creation", "ephemeral_1h_input_tokens") if "cache_creation" in words else None
        )
        return None if long else common_sums(asked, made, read, written, long)

    def _inner(self, name: str, inside: str) -> int | None:
        found = self._told.get(name)
        if not isinstance(found, dict):
            return None
        inner = Counts(found)
        return inner.one(inside)


def common_sums(
    asked: int, made: int, read: int | None, written: int | None, hour: int | None
) -> TokenUsage | None:
    """The usage of sums that can be; None of others. written: to a cache; hour: what of that is kept
    for one. Both are None or 0."""
    total = asked + (read or 0)
    if not 0 <= asked <= total <= MOST or not 0 <= made <= MOST or not total:
        return None
    return TokenUsage(total, made, read, None, written, hour)


def rendered(usage: TokenUsage | None) -> dict[str, Any]:
    """Numbers for a Messages client. `cache_*` are 0 rather than absent, because Claude Code adds
    them up; output_tokens is never null (docs/protocols/usage.md#keys-that-must-be-there)."""
    told = usage or TokenUsage()
    cached, written = told.cached or 0, told.cache_write or 0
    found: dict[str, Any] = {
        "input_tokens": max(0, (told.input or 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": told.output or 0,
    }
    if written:
        long = min(told.cache_write_long or 0, written)
        found["cache_creation"] = {
            "ephemeral_5m_input_tokens": written - long,
            "ephemeral_1h_input_tokens": long,
        }
    if told.reasoning is not None:
        found["output_tokens_details"] = {"thinking_tokens": told.reasoning}
    if told.web_searches:
        found["server_tool_use"] = {"web_search_requests": told.web_searches, "web_fetch_requests": 0}
    return found


_NO_REGION = ("not_available", "global")
_WORD = 32
_TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}
_BACK = {neutral: ours for ours, neutral in _TIERS.items()}


def neutral_tier(tier: str | None) -> str | None:
    """The tier an answer was served with, in OpenAI's words."""
    return _TIERS.get(tier) if tier is not None else None


def own_tier(tier: str | None) -> str | None:
    """The same in Messages' words, None where it has none
    (docs/protocols/usage.md#tiers-in-answers)."""
    return _BACK.get(tier) if tier is not None else None
