"""One definition of token usage for every protocol (docs/protocols/usage.md#one-definition: peers
count cached tokens in or out by path)."""

from __future__ import annotations

import msgspec


class Apart(msgspec.Struct, frozen=True):
    """What an answer may say of itself that has another price: parts of the input and the output, 0 where it says nothing of
    them; the region that its vendor charges for, None where it is none; and tools that the vendor ran for a fee, searches of
    the web apart (docs/protocols/usage.md#what-has-another-price).
    """

    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0
    region: str | None = None
    runs: int = 0


class TokenUsage(msgspec.Struct, frozen=True):
    """Tokens as a backend reported them; None = it did not say.

    input: all input tokens, those read from or written to a cache included. output: all output tokens, reasoning
    included. cached: the part of input that was read from a cache. reasoning: the part of output that was thinking.
    cache_write: the part of input that was written to a cache; cache_write_long: of that, what is kept for the longer
    time. web_searches: searches that the backend ran. tier: that it was served with, in the vendor's words; None where it is
    the standard one. apart: what else has a price of its own, None where nothing has.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    cache_write: int | None = None
    cache_write_long: int | None = None
    web_searches: int | None = None
    tier: str | None = None
    apart: Apart | None = None

    @property
    def told(self) -> bool:
        """Does it say anything?"""
        return self.input is not None or self.output is not None

    @property
    def whole(self) -> bool:
        """Does it say both sums?"""
        return self.input is not None and self.output is not None

    def bounded(self) -> TokenUsage:
        """The same with parts that fit their whole: servers report more cached than asked, and the same tokens as read and
        as written. Nothing where all is zero: no answer was made of no tokens
        (docs/protocols/usage.md#numbers-that-cannot-be)."""
        cached = self.cached or 0
        if (
            0 <= cached <= (self.input or 0) > 0
            and not (self.cache_write or self.reasoning)
            and (self.output or 0) >= 0
        ):
            return self  # as nearly all are
        counts = (self.input, self.output, self.cached, self.cache_write)
        whole, output, read, wrote = (None if one is None else max(0, one) for one in counts)
        if not (whole or output or read or wrote):
            return TokenUsage()
        if not whole and (read or wrote):
            whole = (read or 0) + (wrote or 0)
        read = _part(self.cached, whole)
        wrote = _part(self.cache_write, None if whole is None else whole - (read or 0))
        return msgspec.structs.replace(
            self,
            input=whole,
            output=output,
            cached=read,
            reasoning=_part(self.reasoning, output),
            cache_write=wrote,
            cache_write_long=_part(self.cache_write_long, wrote),
        )


STANDARD_TIERS = frozenset(("standard", "default", "auto", "on_demand"))
"""Words of vendors for the tier that costs what the list says."""


def served(usage: TokenUsage | None, tier: object) -> TokenUsage | None:
    """The same with the tier that the answer says it was served with, where that is another than the standard one."""
    if usage is None or not isinstance(tier, str) or tier in STANDARD_TIERS or not tier:
        return usage
    return msgspec.structs.replace(usage, tier=tier[:_WORD])


def ran(usage: TokenUsage | None, runs: int) -> TokenUsage | None:
    """The same with so many runs of the vendor's tools."""
    if usage is None or not runs:
        return usage
    return msgspec.structs.replace(usage, apart=msgspec.structs.replace(usage.apart or Apart(), runs=runs))


_WORD = 32
"""Characters of a vendor's word that are kept."""


def newer(before: TokenUsage | None, now: TokenUsage | None) -> TokenUsage | None:
    """What is known after one more report: one that says nothing changes nothing, and what one leaves out, or says is
    none of, stays (docs/protocols/usage.md#several-reports)."""
    if now is None or (before is not None and not now.told):
        return before
    if before is None or not before.told:
        return now
    kept = {
        name: getattr(before, name)
        for name in TokenUsage.__struct_fields__
        if getattr(now, name) is None or (name in ("input", "output") and not getattr(now, name))
    }
    return msgspec.structs.replace(now, **kept).bounded() if kept else now


def _part(part: int | None, whole: int | None) -> int | None:
    if part is None:
        return None
    return max(0, part if whole is None else min(part, max(0, whole)))
