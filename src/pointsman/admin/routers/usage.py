"""`/api/usage`: what was asked, who answered, how much it took. Never a prompt or an answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import MILLISECONDS, MONEY
from ...ledger.periods import own_zone
from ...ledger.records import UsageRecord
from ..control.control_plane import ControlPlane
from ..store import client_keys
from ..store.shapes import with_fields
from ..store.usage import COLUMNS, MAX_LIMIT, Deleted
from ..store.usage_groups import By, Group, KeyTotals, LeftTotals
from ..store.usage_query import RowFilter, Totals, UsageFilter, in_dollars
from .base import Run, errors

router = APIRouter(prefix="/api/usage", tags=["usage"])

T = TypeVar("T")

_ZONE = "Whose calendar makes the days: an IANA name such as Europe/Berlin; left out, this computer's."
_BEFORE = Query(description="ISO 8601 with a time zone, or unix seconds.")
_MOMENT = WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]})
_COLUMNS = {
    field.name: (field.type, ...) for field in msgspec.structs.fields(UsageRecord) if field.name in COLUMNS
}


@with_fields(_COLUMNS | {"at": (datetime, ...)} | dict.fromkeys(MONEY, (float | None, ...)))
class UsageRow(BaseModel):
    """One attempt; the one whose id is its request's stands for it. Token counts are null where the backend reported
    none; durations are milliseconds; sent_bytes: head and body of the request, as the backend was given them, null of what
    an earlier version recorded. Money is USD, null where it is not known, and `flag` says why."""


class Page(RowFilter):
    """Filters, and which piece of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100
    cursor: Annotated[str | None, Query(max_length=512, description="Where an earlier page ended.")] = None


class KeepDays(BaseModel):
    """days: null: for ever."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int | None, Field(ge=1, le=36500)]


class KeepDone(Deleted, KeepDays):
    """What was older and is deleted."""


@router.get("", responses=errors())
def show_list(
    control: Run, request: Request, response: Response, page: Annotated[Page, Query()]
) -> list[UsageRow]:
    """Requests, newest first. When there is more, `x-next-cursor` and `Link: <...>; rel="next"` say where."""
    rows, cursor = control.usage.page(page.knowing(key_names(control, page)), page.cursor, page.limit)
    if cursor is not None:
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        response.headers["x-next-cursor"] = cursor
        response.headers["link"] = f'<{router.prefix}?{urlencode([*pairs, ("cursor", cursor)])}>; rel="next"'
    return [row_of(record) for record in rows]


def key_names(control: ControlPlane, filters: UsageFilter) -> dict[int, str]:
    """Of all client keys, where a text is looked for."""
    if not filters.text:
        return {}
    with control.read() as session:
        return client_keys.names(session)


@router.get("/totals", responses=errors())
def totals(control: Run, filters: Annotated[UsageFilter, Query()]) -> Totals:
    """Sums over the filtered requests."""
    return control.usage.totals(filters.knowing(key_names(control, filters)))


@router.delete("", responses=errors())
def delete(control: Run, before: Annotated[AwareDatetime, _BEFORE, _MOMENT]) -> Deleted:
    """Delete what is older, for good; the file becomes smaller. What budgets have counted of it stays counted."""
    return control.usage.delete_before(before.timestamp())


@router.get("/keep", responses=errors())
def show_kept(control: Run) -> KeepDays:
    """How long records are kept."""
    return KeepDays(days=control.retention.days)


@router.put("/keep", responses=errors())
def keep(control: Run, body: KeepDays) -> KeepDone:
    """Keep records for so long from now on. What is older is deleted before this answers, and from then on each hour."""
    done = control.retention.keep(body.days)
    return KeepDone(days=body.days, **done.model_dump())


@router.get("/left-machine", responses=errors())
def left_machine(
    control: Run,
    filters: Annotated[UsageFilter, Query()],
    zone: Annotated[str | None, Query(max_length=64, description=_ZONE)] = None,
) -> list[LeftTotals]:
    """What went where: sums over what backends that are not `local` were asked, by day, backend and model; days in order,
    of each what was given the most bytes first."""
    return _in_zone(control.usage.left_machine, filters.knowing(key_names(control, filters)), zone)


@router.get("/by/{by}", responses=errors(404))
def by_group(
    control: Run,
    by: By,
    filters: Annotated[UsageFilter, Query()],
    zone: Annotated[str | None, Query(max_length=64, description=_ZONE)] = None,
) -> list[Group]:
    """Sums over the filtered requests, a row a group: days in order, sessions the latest first, all else by cost."""
    rows = _in_zone(partial(control.usage.by, by), filters.knowing(key_names(control, filters)), zone)
    if by is By.KEY:
        with control.read() as session:
            names = client_keys.names(session)
        for row in rows:
            if isinstance(row, KeyTotals):
                row.key = names.get(row.key_id or 0) or None
    return rows


def _in_zone(
    summed: Callable[[UsageFilter, str], list[T]], filters: UsageFilter, zone: str | None
) -> list[T]:
    """By the calendar of that zone, or this computer's. Raises INVALID for one that nobody knows."""
    try:
        return summed(filters, own_zone() if zone is None else zone)
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"{error}.", param="zone") from None


def row_of(record: UsageRecord) -> UsageRow:
    """As the API says it."""
    at = datetime.fromtimestamp(record.at, UTC)
    values = {name: getattr(record, name) for name in COLUMNS}
    values |= {name: _hundredths(values[name]) for name in MILLISECONDS}
    return UsageRow(**in_dollars(values) | {"at": at})


def _hundredths(value: float | None) -> float | None:
    return None if value is None else int(value * 100) / 100
