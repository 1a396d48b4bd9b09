"""One definition of token usage for every protocol (docs/protocols/usage.md#one-definition: peers
count cached tokens in or out by path)."""

from __future__ import annotations

import msgspec


class TokenUsage(msgspec.Struct, frozen=True):
    """Tokens as a backend reported them; None = it did not say.

    input: all input tokens, those read from or written to a cache included. output: all output tokens, reasoning
    included. cached: the part of input that was read from a cache. reasoning: the part of output that was thinking.
    cache_write: the part of input that was written to a cache; cache_write_long: of that, what is kept for the longer
    time. web_searches: searches that the backend ran.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    cache_write: int | None = None
    cache_write_long: int | None = None
    web_searches: int | None = None
