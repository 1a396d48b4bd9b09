"""`/ui/requests`: what runs and what has run, newest first; one row opens to its attempts. Filters, open rows and the time
stand in the address.

Not here: what passes a filter (store/usage_query.py), what a row says (request_lines.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ....ledger import csv_rows
from ....ledger.cost import NO_PRICE
from ....ledger.records import NANO, UsageRecord
from ...control.control_plane import ControlPlane
from ...control.last_request import prompt_told
from ...routers import requests as running
from ...routers.usage import row_of
from ...store import client_keys
from ...store.schemas import CapturedBodies
from ...store.usage import COLUMNS, MAX_LIMIT
from ...store.usage_query import Totals, UsageFilter
from ..asked_target import backend_of
from ..links import REQUESTS
from ..price_form import price_link
from ..request_filter import LASTS, SEGMENTS, RequestQuery
from ..request_lines import (
    LossSaid,
    RequestLine,
    RunningLine,
    TimelineRow,
    curl_of,
    line_of,
    losses,
    running_line,
    timeline,
)
from ..trouble_words import story
from ..view import Seen, Sent, View

router = APIRouter(include_in_schema=False)

ROWS = 50
"""Of one page; 200 at most are ever in it."""
MOST_CSV = 100_000
SHOWN = 256 * 1024
"""Characters of a body that a page shows; what is longer can be downloaded."""

Asked = Annotated[RequestQuery, Query()]
RequestId = Annotated[str, Path(max_length=80)]


class BodyShown(NamedTuple):
    """One that was kept. size: bytes that it had; cut: only its beginning was kept. more: and not all of that is shown."""

    name: str
    title: str
    text: str
    size: int
    cut: bool
    more: bool


class RequestShown(NamedTuple):
    """An open row. rule: its pattern, where there is one and it is still there. unpriced: where a price can be set, where
    one is not known. prompt: where it began to change, as far as that is known."""

    line: RequestLine
    prompt: str | None
    story: str
    rule: str | None
    timeline: list[TimelineRow]
    ticks: list[float]
    losses: list[LossSaid]
    curl: str
    bodies: list[BodyShown]
    cost: float | None
    unpriced: str | None


@router.api_route(REQUESTS, methods=["GET", "HEAD"])
async def show(view: Seen, asked: Asked) -> HTMLResponse:
    """The page. 404 where it is asked for one request alone, which is not there."""
    facts = await _facts(view, asked)
    facts |= {"today": await asyncio.to_thread(_today, view), "lasts": LASTS, "segments": SEGMENTS}
    alone = asked.request is not None and asked.state == RequestQuery().state
    there = not alone or facts["rows"] or facts["running"]
    return view.page("requests.html", status=200 if there else 404, **facts)


@router.get(f"{REQUESTS}/rows")
async def show_rows(view: Seen, asked: Asked) -> HTMLResponse:
    """The table alone."""
    return view.fragment("requests/list.html", **await _facts(view, asked))


@router.get(f"{REQUESTS}/running")
async def show_running(view: Seen, asked: Asked) -> HTMLResponse:
    """What runs, of it."""
    keys = await asyncio.to_thread(_key_names, view.control)
    lines, more = await _running(view, asked, keys)
    return view.fragment("requests/running.html", running=lines, more=more, asked=asked)


@router.get(f"{REQUESTS}.csv")
def export(view: Seen, asked: Asked) -> StreamingResponse:
    """All that pass, newest first, as `pointsman usage --csv` writes them."""
    passing = asked.rows(datetime.now(UTC)).knowing(_key_names(view.control))
    usage = view.control.usage

    def lines() -> Iterator[str]:
        yield csv_rows.head(COLUMNS)
        cursor, left = asked.cursor, MOST_CSV
        while left > 0:
            rows, cursor = usage.page(passing, cursor, min(MAX_LIMIT, left))
            left -= len(rows)
            yield "".join(csv_rows.line(COLUMNS, row_of(one).model_dump(mode="json")) for one in rows)
            if cursor is None:
                return

    return StreamingResponse(
        lines(), media_type="text/csv", headers={"content-disposition": 'attachment; filename="requests.csv"'}
    )


@router.get(f"{REQUESTS}/{{request_id}}")
async def show_one(view: Seen, request_id: RequestId) -> Response:
    """One request: by htmx or the page's own script what its row opens to, else a page of its own."""
    asked = RequestQuery(request=request_id, open=[request_id])
    if view.htmx:
        keys = await asyncio.to_thread(_key_names, view.control)
        shown = await asyncio.to_thread(_shown, view, request_id, keys)
        if shown is None:
            raise PointsmanError(
                ErrorKind.NOT_FOUND, "No request with this id is recorded; it may still run."
            )
        return view.fragment("requests/detail.html", one=shown)
    return await show(view, asked)


@router.post(f"{REQUESTS}/{{request_id}}/cancel")
async def cancel(view: Seen, request_id: RequestId, form: Sent) -> Response:
    """End one that runs."""
    await running.cancel(view.control, request_id)
    back = form.text("back")
    return view.done(f"Cancelled {request_id}.", back=back if back.startswith(REQUESTS) else REQUESTS)


@router.get(f"{REQUESTS}/{{request_id}}/{{which}}.txt")
def download(view: Seen, request_id: RequestId, which: Literal["asked", "answered"]) -> Response:
    """A body that was kept, as far as it was, without what looks like a key."""
    found = CapturedBodies.model_validate(view.control.captured.show(request_id))
    return Response(
        getattr(found, which),
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{which}.txt"'},
    )


async def _facts(view: View, asked: RequestQuery) -> dict[str, Any]:
    keys = await asyncio.to_thread(_key_names, view.control)
    rows, cursor = await asyncio.to_thread(_rows, view.control, asked, keys)
    lines, more = ([], 0) if asked.cursor else await _running(view, asked, keys)
    shown = {name: await asyncio.to_thread(_shown, view, name, keys) for name in asked.open}
    rules = {one.id: one.pattern for one in view.control.snapshot.mappings}
    return {
        "asked": asked,
        "rows": [line_of(row, keys) for row in rows],
        "older": None if cursor is None else asked.to(cursor=cursor),
        "running": lines,
        "more": more,
        "shown": {name: one for name, one in shown.items() if one is not None},
        "chips": asked.chips(keys, rules),
        "text": asked.text or "",
    }


def _rows(
    control: ControlPlane, asked: RequestQuery, keys: dict[int, str]
) -> tuple[list[UsageRecord], str | None]:
    passing = asked.rows(datetime.now(UTC)).knowing(keys)
    if asked.request is None:
        return control.usage.page(passing, asked.cursor, ROWS)
    rows, _ = control.usage.page(passing, None, MAX_LIMIT)
    return [row for row in rows if row.id == (row.request or row.id)], None


async def _running(view: View, asked: RequestQuery, keys: dict[int, str]) -> tuple[list[RunningLine], int]:
    """Those that pass, and how many there are that are not told."""
    found, now = await view.control.running.now(), time.time()
    lines = [running_line(one, keys, now) for one in found.requests if asked.lets_run(one, keys)]
    return lines, found.count - len(found.requests)


def _shown(view: View, request_id: str, keys: dict[int, str]) -> RequestShown | None:
    control = view.control
    rows, _ = control.usage.page(UsageFilter(request=request_id), None, MAX_LIMIT)
    own = next((row for row in rows if row.id == (row.request or row.id)), None)
    if own is None:
        return None
    attempts = sorted(rows, key=lambda one: one.attempt)
    spoken = {one.key: one.dialects for one in control.snapshot.backends if one.dialects is not None}
    costs = [row.cost for row in rows]
    whole = own.total_ms or 0.0
    return RequestShown(
        line=line_of(own, keys),
        prompt=prompt_told(own),
        story=_story(own, attempts),
        rule=next((one.pattern for one in control.snapshot.mappings if one.id == own.mapping_id), None),
        timeline=timeline(own, attempts, spoken),
        ticks=[whole / 3, whole * 2 / 3, whole],
        losses=losses(own.warnings),
        curl=curl_of(own, view.origin, needs_key=control.snapshot.keys_required),
        bodies=_bodies(control, request_id),
        cost=None if None in costs else sum(one or 0 for one in costs) / NANO,
        unpriced=next(filter(None, map(_price_of, attempts)), None),
    )


def _story(own: UsageRecord, attempts: list[UsageRecord]) -> str:
    if own.outcome == "ok" and own.fallback is None:
        return f"by {backend_of(own.target)}" if own.target else ""
    return story(own, attempts)


def _price_of(row: UsageRecord) -> str | None:
    where, _, model = (row.target or "").partition(":")
    return price_link(where, model) if row.flag == NO_PRICE and where and model else None


def _bodies(control: ControlPlane, request_id: str) -> list[BodyShown]:
    try:
        found = CapturedBodies.model_validate(control.captured.show(request_id))
    except PointsmanError:
        return []
    return [
        BodyShown(name, title, text[:SHOWN], size, cut, len(text) > SHOWN)
        for name, title, text, size, cut in (
            ("asked", "What was asked", found.asked, found.asked_size, found.asked_cut),
            ("answered", "What was answered", found.answered, found.answered_size, found.answered_cut),
        )
    ]


def _today(view: View) -> Totals:
    since = datetime.fromtimestamp(view.midnight, UTC)
    return view.control.usage.totals(UsageFilter(since=since))


def _key_names(control: ControlPlane) -> dict[int, str]:
    with control.read() as session:
        return client_keys.names(session)
