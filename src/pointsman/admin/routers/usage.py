"""`/api/usage`: what was asked, who answered, how much it took. Never a prompt or an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel

from ...ledger.records import UsageRecord
from ..store.shapes import with_fields
from ..store.usage import MAX_LIMIT, Totals, UsageFilter
from .base import Run, errors

router = APIRouter(prefix="/api/usage", tags=["usage"])

Text = Annotated[str | None, Query(max_length=512)]
Time = Annotated[AwareDatetime | None, Query(description="ISO 8601 with a time zone, or unix seconds.")]


_COLUMNS = {field.name: (field.type, ...) for field in msgspec.structs.fields(UsageRecord)}


@with_fields(_COLUMNS | {"at": (datetime, ...)})
class UsageRow(BaseModel):
    """One attempt; the one whose id is its request's stands for it. Token counts are null where the backend reported
    none; durations are milliseconds."""


class Filters(BaseModel):
    """Which requests; what is left out lets everything through."""

    model: Text = None
    target: Text = None
    protocol: Text = None
    outcome: Text = None
    status: Annotated[int | None, Query(ge=100, le=599)] = None
    key_id: int | None = None
    mapping_id: int | None = None
    request: Text = None
    since: Time = None
    until: Time = None

    def compiled(self) -> UsageFilter:
        """As the store takes them."""
        values = self.model_dump(include=set(Filters.model_fields))
        for name in ("since", "until"):
            values[name] = values[name].timestamp() if values[name] is not None else None
        return UsageFilter(**values)


class Page(Filters):
    """Filters, and which piece of the list."""

    model_config = {"extra": "forbid"}

    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100
    cursor: Annotated[str | None, Query(max_length=512, description="Where an earlier page ended.")] = None


@router.get("", responses=errors())
def show_list(
    control: Run, request: Request, response: Response, page: Annotated[Page, Query()]
) -> list[UsageRow]:
    """Requests, newest first. When there is more, `x-next-cursor` and `Link: <...>; rel="next"` say where."""
    rows, cursor = control.usage.page(page.compiled(), page.cursor, page.limit)
    if cursor is not None:
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        response.headers["x-next-cursor"] = cursor
        response.headers["link"] = f'<{router.prefix}?{urlencode([*pairs, ("cursor", cursor)])}>; rel="next"'
    return [_row(record) for record in rows]


@router.get("/totals", responses=errors())
def totals(control: Run, filters: Annotated[Filters, Query()]) -> Totals:
    """Sums over the filtered requests."""
    return control.usage.totals(filters.compiled())


def _row(record: UsageRecord) -> UsageRow:
    at = datetime.fromtimestamp(record.at, UTC)
    return UsageRow(**msgspec.structs.asdict(record) | {"at": at})
