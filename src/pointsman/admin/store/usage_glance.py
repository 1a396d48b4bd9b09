"""What somebody who looks at the gateway sees at once: what became of the requests of each minute of the last hour, and how
long it took to the first output since a time.

Kept in memory while somebody looks: read from the log's newest blocks at the first look, from older ones by and by, and from
each batch that comes in from then on, so that nobody who does not look pays for it. Each function is called within a
transaction. Not here: sums (usage_sums.py), which the file keeps.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from ...ledger.blocks import DIMENSIONS, UsageBlock, full
from .usage_columns import Block, Damaged
from .usage_log import dims_of

MINUTE = 60
MINUTES = 60
QUARTER = 900
"""Seconds. Every zone's day begins at one of them."""
DAY_SECONDS = 25 * 3600
"""Of the longest day."""
AT_ONCE = 8_192
"""Records that are read at the first look, and each second after it."""
MOST = 16 * AT_ONCE
"""Records that are read in all. What is older of a day is not counted then."""
FORGOTTEN_SECONDS = 600.0
"""After the last look."""

_decode_kind = msgspec.msgpack.Decoder(tuple[Any, ...]).decode
_FACTS = ("own", "outcome", "fallback")
_PLACES = [DIMENSIONS.index(name) for name in _FACTS]


_OLDER = (
    "SELECT records, last_at, dims, body FROM block WHERE last_at >= ? AND first_at < ? ORDER BY last_at DESC"
)


class Became(StrEnum):
    """What became of a request."""

    FIRST = "first"  # the first target answered
    RESCUED = "rescued"
    FAILED = "failed"
    ABORTED = "aborted"  # the client left


class Glance(NamedTuple):
    """minutes: the unix minute, and how many became what, the last of them now. median, slow: milliseconds to the first
    output, in three digits that half of the requests, and 95 of 100, did not exceed; None where there was none. since:
    unix seconds from which on they are counted, which may be later than was asked for."""

    minutes: list[tuple[int, dict[Became, int]]]
    median: float | None
    slow: float | None
    since: float


class Glances:
    """What is remembered."""

    def __init__(self) -> None:
        self._since = math.inf  # from then on all are counted
        self._wanted = math.inf  # from then on they are to be
        self._read = 0  # records of the log
        self._looked = -FORGOTTEN_SECONDS  # monotonic
        self._minutes: Counter[tuple[int, Became]] = Counter()
        self._firsts: dict[int, Counter[float]] = {}  # by quarter of an hour

    def forget(self) -> None:
        """It is read anew at the next look."""
        self._since = self._wanted = math.inf
        self._read = 0
        self._minutes.clear()
        self._firsts.clear()

    def take(self, given: UsageBlock) -> None:
        """A batch that is stored now."""
        if math.isinf(self._since):
            return
        if time.monotonic() - self._looked > FORGOTTEN_SECONDS:
            self.forget()
            return
        facts = map(_decode_kind, given.kinds)
        kinds = [_became(*(kind[place] for place in _PLACES)) for kind in facts]
        reader = given.reader()
        which = full(given.which, given.records)
        self._count(reader.at, reader.milliseconds("first_output_ms"), [kinds[one] for one in which])

    def look(self, connection: sqlite3.Connection, since: float, now: float) -> Glance:
        """since: of the first outputs, unix seconds, cut to the quarter of an hour. Raises Damaged."""
        self._looked = time.monotonic()
        begin = math.floor(min(since, now - MINUTES * MINUTE) / QUARTER) * QUARTER
        if begin < self._wanted:
            self._wanted, self._read = begin, 0
            self.more(connection)
        minute = int(now // MINUTE)
        for old in [key for key in self._minutes if key[0] <= minute - 2 * MINUTES]:
            del self._minutes[old]
        oldest = math.floor((now - DAY_SECONDS) / QUARTER) * QUARTER
        for quarter in [one for one in self._firsts if one * QUARTER < oldest]:
            del self._firsts[quarter]
        self._since, self._wanted = max(self._since, oldest), max(self._wanted, oldest)
        firsts: Counter[float] = Counter()
        for quarter, counted in self._firsts.items():
            if quarter >= since // QUARTER:
                firsts.update(counted)
        minutes = [
            (one, {became: self._minutes.get((one, became), 0) for became in Became})
            for one in range(minute - MINUTES + 1, minute + 1)
        ]
        return Glance(minutes, share_of(firsts, 0.5), share_of(firsts, 0.95), max(since, self._since))

    @property
    def lacks(self) -> bool:
        """Somebody looks, and there is more to read."""
        looked = time.monotonic() - self._looked < FORGOTTEN_SECONDS
        return looked and self._wanted < self._since and self._read < MOST

    def more(self, connection: sqlite3.Connection) -> None:
        """Reads older blocks, as many as are read at once. Raises Damaged."""
        begin, rows, many = self._wanted, [], 0
        for records, last_at, dims, body in connection.execute(_OLDER, (self._wanted, self._since)):
            if many >= AT_ONCE:
                begin = math.nextafter(last_at, math.inf)
                break
            rows.append((records, dims, body))
            many += records
        self._read = self._read + many if begin < self._since else MOST
        since, self._since = self._since, min(begin, self._since)
        became = _became_of(connection, {one for _, dims, _ in rows for one in dims_of(dims)})
        for records, _, body in rows:
            block = Block(body, records)
            times = block.milliseconds("first_output_ms")
            self._count(block.at, times, [became[one] for one in block.dims], since)

    def _count(
        self,
        ats: Sequence[float],
        times: Sequence[float | None],
        becames: Iterable[Became | None],
        until: float = math.inf,
    ) -> None:
        since, first = self._since, time.time() - 2 * MINUTES * MINUTE
        for at, took, became in zip(ats, times, becames, strict=True):
            if became is None or not since <= at < until:
                continue
            if at >= first:
                self._minutes[int(at // MINUTE), became] += 1
            if took is not None:
                quarter = int(at // QUARTER)
                counted = self._firsts.get(quarter)
                if counted is None:
                    counted = self._firsts[quarter] = Counter()
                counted[three_digits(took)] += 1


def three_digits(milliseconds: float) -> float:
    """As it is shown: tenths below ten, and three digits from a hundred on."""
    if milliseconds < 10:
        return round(milliseconds, 1)
    return (
        round(milliseconds, 2 - int(math.log10(milliseconds)))
        if milliseconds >= 1000
        else round(milliseconds)
    )


def share_of(counted: Mapping[float, int], share: float) -> float | None:
    """The least value that so great a part of them does not exceed; None of none."""
    rest = math.ceil(share * sum(counted.values()))
    for value in sorted(counted):
        rest -= counted[value]
        if rest <= 0:
            return value
    return None


def _became_of(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Became | None]:
    """Of each dimension. Raises Damaged."""
    wanted = set(numbers)
    some = ", ".join(map(str, wanted))
    rows = connection.execute(f"SELECT id, {', '.join(_FACTS)} FROM dimension WHERE id IN ({some})")  # noqa: S608
    found = {number: _became(*facts) for number, *facts in rows}
    if len(found) < len(wanted):
        raise Damaged
    return found


def _became(own: object, outcome: object, fallback: object) -> Became | None:
    """None: it does not stand for its request."""
    if not own:
        return None
    if outcome == "ok":
        return Became.FIRST if fallback is None else Became.RESCUED
    return Became.ABORTED if outcome == "aborted" else Became.FAILED
