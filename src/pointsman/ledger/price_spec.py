"""What models cost, as it travels: from the list and the database to the data plane. Money is whole pico-dollars (a price of
$1 for a million tokens is 1,000,000 a token); None is unknown, never free.

Not here: which price a model has, and what an answer comes to (prices.py); whose lists are read (price_files.py).
"""

from __future__ import annotations

import msgspec

PER_MILLION = 1_000_000
"""Pico-dollars a token of a dollar for a million tokens."""
PER_USE = 1_000_000_000_000
"""Pico-dollars of a dollar, for what is charged by the piece."""


class Prices(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """Pico-dollars, of one token each, of one search and of one request. What is None is charged as what it is a part of:
    cached and written input as input, what is kept longer as what is written, reasoning as output, audio and images as the
    other tokens on their side."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    cache_write_long: int | None = None
    web_search: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image_input: int | None = None
    image_output: int | None = None
    reasoning: int | None = None
    request: int | None = None


QUANTITIES = Prices.__struct_fields__
BY_PIECE = ("web_search", "request")
"""Those that are no tokens."""


class Tariff(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """above: (tokens of input, prices), ascending: an answer whose input, cache included, is more than that is charged so as
    a whole."""

    prices: Prices
    above: tuple[tuple[int, Prices], ...] = ()


class Period(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """What is charged from a moment on. since: unix seconds. services: by the tier that an answer says it was served with
    (`flex`, `priority`, `fast`, `batch`). window: only between these minutes of each day, UTC; the second may be less."""

    tariff: Tariff
    since: int = 0
    services: dict[str, Tariff] = {}
    window: tuple[int, int] | None = None


class PriceSpec(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """The price of a model. match: clauses, one of which its name fits, each behind a sign: `=` it is that, `^` begins so,
    `~` has it inside, `$` ends so, `/` a regular expression is found in it; in small letters. periods: the last that holds
    counts. regions: thousandths by which tokens cost more where an answer says that it was made there.
    source: who says so."""

    model: str
    match: tuple[str, ...]
    periods: tuple[Period, ...]
    regions: dict[str, int] = {}
    source: str = ""


def pico(dollars: float | str, quantity: str) -> int:
    """Of a price in dollars for a million tokens, or for one of BY_PIECE. Raises ValueError for what is no price."""
    from decimal import Decimal, InvalidOperation  # which the data plane never loads

    try:
        found = Decimal(str(dollars)) * (PER_USE if quantity in BY_PIECE else PER_MILLION)
    except InvalidOperation:
        raise ValueError("is no number") from None
    if not found.is_finite() or found < 0:
        raise ValueError("is no price")
    if 0 < found < 1:
        raise ValueError("is less than the least that is counted, $0.000001 for a million tokens")
    if found != found.to_integral_value():
        found = found.quantize(Decimal(1))
    if found > MOST:
        raise ValueError("is more than anybody asks")
    return int(found)


def in_usd(prices: Prices) -> dict[str, float]:
    """Those that are known, by quantity."""
    return {name: dollars(price, name) for name in QUANTITIES if (price := getattr(prices, name)) is not None}


MOST = 10**15
"""Of one price: a billion dollars for a million tokens, a thousand for a piece."""


def dollars(price: int, quantity: str) -> float:
    """A price as people read it; the other way round."""
    return price / (PER_USE if quantity in BY_PIECE else PER_MILLION)
