"""Sums of the usage log by day, model, backend, key, client or session: one row a group, as the API gives them; and what
left this machine, by day and target.

Not here: how they are added up (usage_sums.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from ...kinds import Per
from ...ledger.periods import period_at, zone_of
from .usage_adding import HOUR, Values, hour_of
from .usage_facts import VALUES, has_left
from .usage_query import Totals, UsageFilter, bounds, in_dollars
from .usage_sums import NOTHING, Found, Span, Sum, SumsReader


class By(StrEnum):
    """What records are put together by. A member here is a word of the API and of `--by`."""

    DAY = "day"
    MODEL = "model"
    BACKEND = "backend"
    KEY = "key"
    CLIENT = "client"
    MAPPING = "mapping"
    SESSION = "session"


class OfDay(BaseModel):
    day: date


class OfModel(BaseModel):
    model: str


class OfBackend(BaseModel):
    """Null: no target was tried."""

    backend: str | None


class OfKey(BaseModel):
    """Null: no client key was needed. key: its name, null where it has none, or is deleted."""

    key_id: int | None
    key: str | None = None


class OfClient(BaseModel):
    """The program, by its user agent; empty: it did not say."""

    client: str


class OfMapping(BaseModel):
    """Null: no rule was needed, or none matched."""

    mapping_id: int | None


class OfSession(BaseModel):
    """Of an agent. first_at, last_at: of its first and last request among those that are counted."""

    session: str
    client: str
    key_id: int | None
    first_at: datetime
    last_at: datetime


class DayTotals(Totals, OfDay):
    """A day's, by the calendar of the zone that was asked for."""


class ModelTotals(Totals, OfModel):
    """A model's, by the name that clients asked for."""


class BackendTotals(Totals, OfBackend):
    """A backend's: `openai`, `local/NAME`."""


class KeyTotals(Totals, OfKey):
    """A client key's."""


class ClientTotals(Totals, OfClient):
    """A program's."""


class MappingTotals(Totals, OfMapping):
    """A rule's, also of one that is deleted."""


class SessionTotals(Totals, OfSession):
    """An agent session's, the latest first; requests that name no session are not among them."""


class LeftTotals(Totals, OfDay):
    """What a backend that is not `local` was given for one of its models on one day, by the calendar of the zone that was
    asked for. backend, model: of the target, so the model is called as there. attempts: how often it was asked."""

    backend: str
    model: str


Group = DayTotals | ModelTotals | BackendTotals | KeyTotals | ClientTotals | MappingTotals | SessionTotals
_SHAPES: Mapping[By, type[Group]] = {
    By.DAY: DayTotals,
    By.MODEL: ModelTotals,
    By.BACKEND: BackendTotals,
    By.KEY: KeyTotals,
    By.CLIENT: ClientTotals,
    By.MAPPING: MappingTotals,
    By.SESSION: SessionTotals,
}
NAMES = {
    By.MODEL: ("model",),
    By.BACKEND: ("backend",),
    By.KEY: ("key_id",),
    By.CLIENT: ("client",),
    By.MAPPING: ("mapping_id",),
    By.SESSION: ("session", "client", "key_id"),
}
"""Of the values of usage_sums.GROUPS."""


def together(sums: SumsReader, filters: UsageFilter) -> Values:
    """Of all that passes: each of COUNTS and of SUMS. Raises Damaged."""
    found = sums.grouped(filters, "all", [bounds(filters)])
    return found.get((0, ()), NOTHING).values


def groups(sums: SumsReader, filters: UsageFilter, by: By, zone: str, most: int | None = None) -> list[Group]:
    """Days in order, sessions by their last request, the latest first; all else by cost, then by tokens, the most first.
    zone: an IANA name, for days. most: so many sessions, None: all. Raises ValueError for a zone that nobody knows, and
    Damaged."""
    if by is By.DAY:
        return _days(sums, filters, zone)
    sessions = None
    named = filters.session is not None or filters.request is not None  # it may be none of the latest
    if by is By.SESSION and most is not None and not named:
        sessions = sums.latest_sessions(filters, most)
    found = sums.grouped(filters, by.value, [bounds(filters)], sessions)
    rows = [_row(by, dict(zip(NAMES[by], group, strict=True)), one) for (_, group), one in found.items()]
    if by is By.SESSION:
        return sorted(rows, key=lambda row: row.last_at, reverse=True)[:most]  # type: ignore[union-attr]
    return sorted(rows, key=_weight, reverse=True)


def left_machine(sums: SumsReader, filters: UsageFilter, zone: str) -> list[LeftTotals]:
    """By day, backend and model: days in order, of each what was given the most first. Raises ValueError for a zone that
    nobody knows, and Damaged."""
    days, found = _by_day(sums, filters, zone, "target")
    rows = []
    for (number, (target,)), one in found.items():
        if has_left(target):
            backend, _, model = target.partition(":")
            rows.append(LeftTotals(day=days[number], backend=backend, model=model, **totals_of(one.values)))
    return sorted(rows, key=_left_weight)


def totals_of(values: Values) -> dict[str, Any]:
    """The fields of Totals."""
    return in_dollars(dict(zip(VALUES, values, strict=True)))


def _days(sums: SumsReader, filters: UsageFilter, zone: str) -> list[Group]:
    days, found = _by_day(sums, filters, zone, "all")
    return [_row(By.DAY, {"day": days[number]}, one) for (number, _), one in sorted(found.items())]


def _by_day(sums: SumsReader, filters: UsageFilter, zone: str, by: str) -> tuple[list[date], Found]:
    """The days that may have a record, and the sums of each by what more is told (usage_sums.GROUPS)."""
    spans = list(_spans(sums, bounds(filters), zone))
    place = zone_of(zone)
    days = [datetime.fromtimestamp(since, place).date() for since, _ in spans]
    return days, sums.grouped(filters, by, spans)


def _spans(sums: SumsReader, within: Span, zone: str) -> Iterator[Span]:
    """Of the days that may have a record."""
    zone_of(zone)
    done, until = within
    while done < until:
        hour = sums.next_hour(-(2**62) if math.isinf(done) else hour_of(done))
        at = until if hour is None else max(float(hour * HOUR), done)
        if at >= until:
            return
        day = period_at(Per.DAY, zone, at)
        yield max(day.start, within[0]), min(day.end, until)
        done = day.end


def _row(by: By, names: dict[str, Any], one: Sum) -> Group:
    if by is By.SESSION:
        names |= {name: datetime.fromtimestamp(getattr(one, name), UTC) for name in ("first_at", "last_at")}
    return _SHAPES[by](**names, **totals_of(one.values))


def _weight(row: Group) -> tuple[float, int, int]:
    return row.cost or 0.0, (row.input_tokens or 0) + (row.output_tokens or 0), row.requests


def _left_weight(row: LeftTotals) -> tuple[date, int, int, str, str]:
    return row.day, -(row.sent_bytes or 0), -row.attempts, row.backend, row.model
