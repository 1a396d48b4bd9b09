"""What an attempt cost, and what became of money by it: saved by a local answer, spent by a fallback. Pure; nano-dollars.

Nearly all answers are charged by three prices, which are kept here in small numbers; what more there is to a price is loaded
only where there is one. Not here: prices (prices.py), and which attempts are charged at all (gateway/request/charging.py).
"""

from __future__ import annotations

from math import inf
from typing import Any
from typing import Protocol as TypingProtocol

from msgspec.structs import astuple

from ..conversation.usage import TokenUsage
from .records import NANO

NO_PRICE = "no_price"
NO_USAGE = "no_usage"
OWN_LOGIN = "own_login"
ESTIMATED = "estimated"
CACHED = "cached"
"""Why a cost is not known, or not what the answer is worth: nobody told what the model, or a part of its answer, costs; the
backend did not count, or its answer was not waited for; it was charged to the
client's own login; the stream was cut before its backend had counted; nobody was asked, since the answer was kept
(docs/cache.md). More: prices.py."""

SMALL = 2**30
"""Tokens, and pico-dollars a token: a sum of such products has its place in 64 bits."""

Charged = tuple[int | None, str | None, int | None]
"""(cost, why that is not known or not exact, saved)."""


NOTHING = astuple(TokenUsage())


def used_of(usage: TokenUsage | None) -> tuple[Any, ...]:
    """Its fields in their order; in one go they cost a fifth of what each costs by itself."""
    return NOTHING if usage is None else astuple(usage)


class AnyRate(TypingProtocol):
    """See prices.Rate. flat: (input, output, cached, a request) in pico-dollars, and the most input that they hold for; None
    where these do not say it all."""

    flat: tuple[int, int, int, int, int] | None
    until: float

    def charged(self, used: tuple[Any, ...]) -> tuple[int | None, str | None]:
        """(cost, why that is not known or not exact)."""


class AnyRates(TypingProtocol):
    """See prices.PriceBook."""

    def rate(self, model: str, at: float) -> AnyRate | None:
        """What it costs at that time."""


class Bill:
    """What attempts at one target come to. prices: of its backend, None where there are none. local: then it is free, unless
    it has a price. reference: by which local answers are measured."""

    __slots__ = (
        "_cached", "_free", "_input", "_model", "_most", "_output", "_prices", "_reference", "_request", "_since", "_until",
    )  # fmt: skip

    def __init__(self, model: str, prices: AnyRates | None, local: bool, reference: Bill | None) -> None:
        self._model = model
        self._prices = prices
        self._free = local
        self._reference = reference
        self._since, self._until = inf, -inf  # when these are the prices
        self._input = self._output = self._cached = self._request = self._most = 0

    def of(self, used: tuple[Any, ...], at: float) -> Charged:
        """Of an answer. used: its usage's fields in their order. at: unix seconds."""
        cost, flag = self._cost(used, at)
        saved = None
        if self._reference is not None and self._free:
            saved = self._reference.of(used, at)[0]
        return cost, flag, saved

    def _cost(self, used: tuple[Any, ...], at: float) -> tuple[int | None, str | None]:
        if self._prices is None:
            return (0, None) if self._free else (None, NO_PRICE)
        if not self._since <= at < self._until or used[0] is None or used[1] is None or used[4] or used[6]:
            return self._by_rate(used, at)
        if used[7] is not None or used[8] is not None:
            return self._by_rate(used, at)
        read, made, cached = used[0], used[1], used[2] or 0
        if not 0 <= cached <= read <= self._most or not 0 <= made <= SMALL:
            return self._by_rate(used, at)
        pico = (read - cached) * self._input + cached * self._cached + made * self._output + self._request
        return (pico + 500) // 1000, None

    def _by_rate(self, used: tuple[Any, ...], at: float) -> tuple[int | None, str | None]:
        """By all that its price says."""
        assert self._prices is not None
        rate = self._prices.rate(self._model, at)
        if rate is None:
            return (0, None) if self._free else (None, NO_PRICE)
        if rate.flat is not None:
            self._input, self._output, self._cached, self._request, self._most = rate.flat
            self._since, self._until = at, rate.until
        return rate.charged(used)


def in_dollars(nano: int) -> str:
    """As a header has it: no more digits than it needs, never an exponent."""
    whole, rest = divmod(nano, NANO)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")
