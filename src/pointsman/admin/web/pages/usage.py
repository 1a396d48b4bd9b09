"""`/ui/usage`: what it cost, by day and by model, backend, client key, program or session: a chart, its table, and CSV; and
what left this machine.

Not here: the sums (store/usage.py), the days (usage_range.py), the rows (usage_rows.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, StreamingResponse

from ....ledger import csv_rows
from ...control.control_plane import ControlPlane
from ...routers.usage import by_group
from ...store import client_keys, mappings
from ...store.usage_facts import VALUES
from ...store.usage_groups import NAMES, By, Group, LeftTotals
from ...store.usage_query import UsageFilter
from ..links import requests_link
from ..usage_range import RANGES, UsageRange, range_of, utc
from ..usage_rows import MEASURES, drawn_of, left_of, lines_of, measure_of, of_all, session_lines
from ..view import Seen, View

router = APIRouter(include_in_schema=False)

PATH = "/ui/usage"
MOST_ROWS = 50
MOST_SESSIONS = 100
MOST_LEFT = 60
_LINES = 500
"""Of a piece of CSV: each piece is a turn of a thread."""
BY = {
    By.MODEL: "Model", By.BACKEND: "Backend", By.KEY: "Client key", By.CLIENT: "Program", By.MAPPING: "Rule",
    By.SESSION: "Session", By.DAY: "Day",
}  # fmt: skip
"""As they are called."""

_Range = Annotated[str, Query(alias="range", max_length=20)]
_From = Annotated[date | None, Query(alias="from")]
_To = Annotated[date | None, Query(alias="to")]
_Zone = Annotated[str, Query(max_length=64)]
_Show = Literal["", "cost", "tokens", "requests"]


@router.api_route(PATH, methods=["GET", "HEAD"])
async def show(
    view: Seen,
    by: By = By.MODEL,
    name: _Range = "30d",
    first: _From = None,
    last: _To = None,
    zone: _Zone = "",
    show: _Show = "",
) -> HTMLResponse:
    """The page. by: what is apart. from, to: days, the last one included, before `range`. show: what the chart measures."""
    within = range_of(name, first, last, zone or view.zone)
    return view.page("usage.html", **await asyncio.to_thread(_facts, view, by, within, zone, show))


@router.get(f"{PATH}.csv")
def export(
    view: Seen,
    by: By = By.MODEL,
    name: _Range = "30d",
    first: _From = None,
    last: _To = None,
    zone: _Zone = "",
) -> StreamingResponse:
    """All groups of the range as `pointsman usage --by ... --csv` writes them."""
    within = range_of(name, first, last, zone or view.zone)
    columns = ("key_id", "key") if by is By.KEY else ("day",) if by is By.DAY else NAMES[by]
    if by is By.SESSION:
        columns = (*columns, "first_at", "last_at")
    rows = by_group(view.control, by, _filter(within), within.zone)
    return _csv(f"usage-by-{by.value}", within, columns, rows)


@router.get(f"{PATH}/left-machine.csv")
def export_left(
    view: Seen, name: _Range = "30d", first: _From = None, last: _To = None, zone: _Zone = ""
) -> StreamingResponse:
    """What left this machine, as `pointsman usage --left-machine --csv` writes it."""
    within = range_of(name, first, last, zone or view.zone)
    rows = view.control.usage.left_machine(_filter(within), within.zone)
    return _csv("left-machine", within, ("day", "backend", "model"), rows)


def _csv(
    name: str, within: UsageRange, columns: tuple[str, ...], rows: Sequence[Group | LeftTotals]
) -> StreamingResponse:
    file = f"{name}-{within.first}-{within.last}.csv"

    def lines() -> Iterator[str]:
        yield csv_rows.head((*columns, *VALUES))
        for at in range(0, len(rows), _LINES):
            some = (row.model_dump(mode="json") for row in rows[at : at + _LINES])
            yield "".join(csv_rows.line((*columns, *VALUES), row) for row in some)

    disposition = {"content-disposition": f'attachment; filename="{file}"'}
    return StreamingResponse(lines(), media_type="text/csv", headers=disposition)


def _facts(view: View, by: By, within: UsageRange, zone: str, show: str) -> dict[str, Any]:
    usage = view.control.usage
    spans = [(slot.since, slot.until) for slot in within.slots]
    chart = usage.chart(by, spans, MOST_ROWS, UsageFilter(), within.zone)
    keys = _names(view.control, by)
    measure = measure_of(chart, show)
    if by is By.SESSION:
        latest = usage.by(By.SESSION, _filter(within), within.zone, MOST_SESSIONS)
        lines = session_lines(latest, within, keys)
    else:
        lines = lines_of(chart, by, within, keys)
    left = usage.left_machine(_filter(within), within.zone)
    asked = {"by": by.value, "range": within.name, "zone": zone, "show": show}
    if not within.name:
        asked |= {"from": str(within.first), "to": str(within.last)}

    def to(path: str = PATH, **over: str) -> str:
        """The same page, but for that."""
        some = asked | over
        if over.get("range"):
            some |= {"from": "", "to": ""}
        return f"{path}?{urlencode({name: value for name, value in some.items() if value})}"

    return {
        "by": by,
        "kinds": BY,
        "within": within,
        "ranges": RANGES,
        "measure": measure,
        "measures": MEASURES,
        "lines": lines,
        "drawn": drawn_of(chart, by, measure, keys),
        "totals": of_all(chart),
        "left": left_of(left, MOST_LEFT, within.zone),
        "cached": usage.totals(_filter(within).model_copy(update={"cached": True})),
        "to": to,
        "shown": show,
        "all_link": requests_link(within.since, within.until),
        "cached_link": requests_link(within.since, within.until, cached=True),
        "most_sessions": MOST_SESSIONS,
        "clock_changes": _clock_changes(within),
        "shadowed": sum(rule.shadow is not None for rule in view.control.snapshot.mappings),
    }


def _filter(within: UsageRange) -> UsageFilter:
    return UsageFilter(since=utc(within.since), until=utc(within.until))


def _names(control: ControlPlane, by: By) -> dict[int, str]:
    """Of client keys, or the patterns of rules."""
    if by not in (By.KEY, By.SESSION, By.MAPPING):
        return {}
    with control.read() as session:
        if by is By.MAPPING:
            return {row.id: row.model_pattern for row in mappings.list_all(session) if row.id is not None}
        return client_keys.names(session)


def _clock_changes(within: UsageRange) -> list[str]:
    """Days that have not 24 hours, in words."""
    if within.per != "day":
        return []
    odd = [slot for slot in within.slots if abs(slot.until - slot.since - 86400) > 1]
    return [f"{slot.text} has {(slot.until - slot.since) / 3600:g} hours" for slot in odd]
