"""What an attempt cost, and what became of money by it: saved by a local answer, spent by a fallback. Pure; nano-dollars.

Not here: prices (prices.py), and which attempts are charged at all (gateway/request/meter.py).
"""

from __future__ import annotations

from typing import Any

from .prices import NO_PRICE, PriceBook

OWN_LOGIN = "own_login"
ESTIMATED = "estimated"
"""Why a cost is not known, or not exact: it was charged to the client's own login; the stream was cut before its backend
had counted."""

Charged = tuple[int | None, str | None, int | None]
"""(cost, why that is not known or not exact, saved)."""


class Bill:
    """What attempts at one target come to. prices: of its backend, None where there are none. local: then it is free, unless
    it has a price. reference: by which local answers are measured."""

    __slots__ = ("_free", "_model", "_prices", "_reference")

    def __init__(self, model: str, prices: PriceBook | None, local: bool, reference: Bill | None) -> None:
        self._model = model
        self._prices = prices
        self._free = local
        self._reference = reference

    def of(self, used: tuple[Any, ...], at: float) -> Charged:
        """Of an answer. used: its usage's fields in their order. at: unix seconds."""
        rate = self._prices.rate(self._model, at) if self._prices is not None else None
        if rate is None:
            cost, flag = (0, None) if self._free else (None, NO_PRICE)
        else:
            cost, flag = rate.charged(used)
        saved = self._reference.of(used, at)[0] if self._reference is not None and self._free else None
        return cost, flag, saved


def in_dollars(nano: int) -> str:
    """As a header has it: no more digits than it needs, never an exponent."""
    whole, rest = divmod(nano, 1_000_000_000)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")
