"""Which price a model has, and what an answer comes to by it. Pure: prices, names and times are arguments.

Not here: what a price is made of (price_spec.py), and what becomes of an attempt that failed, was cut or went to the user's
own login (cost.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from math import inf
from typing import Any

from ..conversation.usage import TokenUsage
from .cost import NO_PRICE, NO_USAGE, SMALL
from .price_spec import Period, Prices, PriceSpec, Tariff

TIER = "tier"
REGION = "region"
CACHE_TIME = "cache_time"
"""Why a cost is None: the backend says that it served with a tier, in a region, that the price does not
know. The last: it did not say how long what it wrote to its cache is kept; the shorter time is charged. More: cost.py."""

_WHOLE = 1000
_KEPT = 2048
"""Names whose price is kept."""
_SIGNS = {"=": 0, "^": 1, "$": 2, "~": 3}
_DATED = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_DAY = 86_400


class Charge:
    """Prices with all that can be filled in from others."""

    __slots__ = (
        "audio_input", "audio_output", "cache_long", "cache_write", "cached", "image_input", "image_output", "input",
        "lasting", "output", "reasoning", "request", "web_search",
    )  # fmt: skip

    def __init__(self, prices: Prices) -> None:
        read, made = prices.input, prices.output
        self.input = read
        self.output = made
        self.cached = _first(prices.cached, read)
        self.cache_write = _first(prices.cache_write, read)
        self.cache_long = _first(prices.cache_write_long, self.cache_write)
        self.lasting = prices.cache_write_long is not None
        self.web_search = prices.web_search
        self.audio_input = _first(prices.audio_input, read)
        self.audio_output = _first(prices.audio_output, made)
        self.image_input = _first(prices.image_input, read)
        self.image_output = _first(prices.image_output, made)
        self.reasoning = prices.reasoning
        self.request = prices.request or 0


def _first(price: int | None, whole: int | None) -> int:
    """Where the whole has none nothing is charged by its parts, either: see _cost."""
    return price if price is not None else whole or 0


class Rate:
    """What a model costs from one moment to another. until: unix seconds, when it must be asked for again. prices: of the
    usual tier. flat: see cost.AnyRate."""

    __slots__ = ("_above", "_services", "_standard", "flat", "prices", "regions", "spec", "until")

    def __init__(self, spec: PriceSpec, period: Period, until: float) -> None:
        self.spec = spec
        self.until = until
        self.prices = period.tariff.prices
        self.regions = spec.regions
        self._standard, self._above = _compiled(period.tariff)
        self._services = {name: _compiled(tariff) for name, tariff in period.services.items()}
        self.flat = _flat(self._standard, min(SMALL, self._above[0][0] if self._above else SMALL))

    def cost(self, usage: TokenUsage | None) -> tuple[int | None, str | None]:
        """(nano-dollars, why they are not known or not exact)."""
        return (None, NO_USAGE) if usage is None else self._charged(usage)

    def charged(self, used: tuple[Any, ...]) -> tuple[int | None, str | None]:
        """The same. used: the usage's fields in their order."""
        return self._charged(TokenUsage(*used))

    def _charged(self, usage: TokenUsage) -> tuple[int | None, str | None]:
        """Of any usage: by what its answer says of itself beside its tokens."""
        found: tuple[Charge, list[tuple[int, Charge]]] | None = (self._standard, self._above)
        if usage.tier is not None:
            found = self._services.get(usage.tier)
        if found is None:
            return None, TIER
        times: int | None = _WHOLE
        if usage.apart is not None:
            if usage.apart.runs:
                return None, NO_PRICE
            if usage.apart.region is not None:
                times = self.regions.get(usage.apart.region)
        if times is None:
            return None, REGION
        return _cost(_of(usage.input or 0, *found), usage, times)

    def most(self, read: int, made: int) -> int | None:
        """Nano-dollars that an answer of that input and output comes to at the most, whatever a cache does and whichever
        tier serves it; None where that is not known."""
        charges = []
        for charge, above in ((self._standard, self._above), *self._services.values()):
            charges += [charge, *[dearer for _, dearer in above]]
        if any([one.input is None or (made and one.output is None) for one in charges]):
            return None
        dearest = [
            read
            * max(
                one.input or 0, one.cached, one.cache_write, one.cache_long, one.audio_input, one.image_input
            )
            + made * max(one.output or 0, one.audio_output, one.image_output, one.reasoning or 0)
            for one in charges
        ]
        regions = sorted(self.regions.values())
        times = regions[-1] if regions else _WHOLE
        return _nano(max(dearest) * times + max([one.request for one in charges]) * _WHOLE)


def _flat(one: Charge, most: int) -> tuple[int, int, int, int, int] | None:
    """Where these are small, and reasoning is output."""
    if one.input is None or one.output is None or one.reasoning is not None:
        return None
    found = (one.input, one.output, one.cached, one.request, most)
    return found if max(found) <= SMALL else None


def _compiled(tariff: Tariff) -> tuple[Charge, list[tuple[int, Charge]]]:
    return Charge(tariff.prices), [(tokens, Charge(prices)) for tokens, prices in sorted(tariff.above)]


def _of(tokens: int, charge: Charge, above: Sequence[tuple[int, Charge]]) -> Charge:
    """The one for an input of so many tokens."""
    for least, dearer in above:
        if tokens > least:
            charge = dearer
    return charge


def _cost(charge: Charge, usage: TokenUsage, times: int) -> tuple[int | None, str | None]:
    """times: thousandths by which tokens are charged."""
    read, made, flag = usage.input, usage.output, None
    if read is None:
        return None, NO_USAGE
    if made is None:
        if charge.output:
            return None, NO_USAGE
        made = 0  # nothing is generated: an embedding
    if charge.input is None or (charge.output is None and made):
        return None, NO_PRICE
    total = 0
    if usage.cached:
        cached = usage.cached
        total += cached * charge.cached
        read -= cached
    if usage.cache_write:
        written, long = usage.cache_write, usage.cache_write_long
        if long is None:
            long = 0
            flag = CACHE_TIME if charge.lasting else None
        total += (written - long) * charge.cache_write + long * charge.cache_long
        read -= written
    if usage.apart is not None:
        more, read, made = _of_kinds(charge, usage, read, made)
        total += more
    if charge.reasoning is not None and usage.reasoning:
        thought = min(usage.reasoning, made)
        total += thought * charge.reasoning
        made -= thought
    if read > 0:
        total += read * charge.input
    if made > 0:
        total += made * (charge.output or 0)
    fees = charge.request
    if usage.web_searches:
        if charge.web_search is None:
            return None, NO_PRICE
        fees += usage.web_searches * charge.web_search
    return _nano(total * times + fees * _WHOLE), flag


def _of_kinds(charge: Charge, usage: TokenUsage, read: int, made: int) -> tuple[int, int, int]:
    """(what audio and images come to, the other tokens of input, of output)."""
    apart = usage.apart
    assert apart is not None
    total = 0
    for count, price in ((apart.audio_input, charge.audio_input), (apart.image_input, charge.image_input)):
        part = min(count, max(0, read))
        total += part * price
        read -= part
    for count, price in (
        (apart.audio_output, charge.audio_output),
        (apart.image_output, charge.image_output),
    ):
        part = min(count, max(0, made))
        total += part * price
        made -= part
    return total, read, made


def _nano(thousandths: int) -> int:
    """Rounded once, at the end."""
    return (thousandths + 500_000) // 1_000_000


class PriceBook:
    """The prices of one backend's models. specs: the first whose name fits, and of which a period holds, counts."""

    __slots__ = ("_exact", "_kept", "_open", "specs")

    def __init__(self, specs: Sequence[PriceSpec]) -> None:
        self.specs = specs
        self._kept: dict[str, tuple[float, float, Rate | None]] = {}  # from when, until when
        self._exact: dict[str, list[int]] | None = (
            None  # by name, the places of specs; made when somebody asks
        )
        self._open: list[tuple[int, Callable[[str], bool]]] = []

    def rate(self, model: str, at: float) -> Rate | None:
        """What it costs at that time, unix seconds; None where nobody says."""
        kept = self._kept.get(model)
        if kept is not None and kept[0] <= at < kept[1]:
            return kept[2]
        return self._look_up(model, at)

    def _look_up(self, model: str, at: float) -> Rate | None:
        until, rate = self._found(model, at)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[model] = (at, until, rate)
        return rate

    def _found(self, model: str, at: float) -> tuple[float, Rate | None]:
        """(until when that holds, the rate)."""
        name = model.lower()
        ends = inf
        for spelled in dict.fromkeys((name, _dashed(name), name.removeprefix("models/"))):
            for spec in self.matching(spelled):
                period, until = period_at(spec.periods, at)
                ends = min(ends, until)
                if period is not None:
                    return ends, Rate(spec, period, ends)
        return ends, None

    def matching(self, name: str) -> list[PriceSpec]:
        """Those whose clauses it fits, in their order. name: in small letters."""
        if self._exact is None:
            self._exact = {}
            for place, spec in enumerate(self.specs):
                self._file(self._exact, place, spec)
        places = set(self._exact.get(name, ()))
        places.update(place for place, fits in self._open if fits(name))
        return [self.specs[place] for place in sorted(places)]

    def _file(self, exact: dict[str, list[int]], place: int, spec: PriceSpec) -> None:
        for clause in spec.match:
            if clause.startswith("="):
                exact.setdefault(clause[1:], []).append(place)
            else:
                self._open.append((place, _test(clause)))


def _test(clause: str) -> Callable[[str], bool]:
    sign, text = clause[:1], clause[1:]
    if sign == "/":
        search = re.compile(text).search
        return lambda name: search(name) is not None
    kind = _SIGNS.get(sign, 0)
    if kind == 1:
        return lambda name: name.startswith(text)
    if kind == 2:
        return lambda name: name.endswith(text)
    if kind == 3:
        return lambda name: text in name
    return lambda name: name == text


def _dashed(name: str) -> str:
    """`-20251211`, as routers write it, the way vendors do."""

    def day(found: re.Match[str]) -> str:
        try:
            return f"-{date(*map(int, found.groups())).isoformat()}"
        except ValueError:
            return found.group()

    return _DATED.sub(day, name)


def period_at(periods: Sequence[Period], at: float) -> tuple[Period | None, float]:
    """(the last that holds at that time, until when that is so)."""
    found, until = None, inf
    midnight = at // _DAY * _DAY
    for period in periods:
        if period.since > at:
            until = min(until, float(period.since))
        elif period.window is None:
            found = period
        else:
            start, end = period.window
            minute = (at - midnight) / 60
            inside = start <= minute < end if start <= end else minute >= start or minute < end
            found = period if inside else found
            later = [midnight + 60 * edge + _DAY * (60 * edge <= at - midnight) for edge in (start, end)]
            until = min(until, *later)
    return found, until
