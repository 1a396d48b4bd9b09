"""`/ui`: is it working? Each backend and how it is, today's figures, the last hour, and what failed last; at first the way
to a first answer.

Not here: the states of backends (control/backend_states.py) and of requests (request_lines.py), the sums (store/usage.py),
the words (sentence.py, trouble_words.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ....ledger.periods import zone_of
from ....ledger.records import UsageRecord
from ....programs.registry import BY_NAME
from ...control.backend_states import BackendShown, backend_states
from ...control.found import Named
from ...routers import programs
from ...routers.status import status_of
from ...store.usage import UsageStore
from ...store.usage_facts import VALUES
from ...store.usage_glance import Glance
from ...store.usage_groups import By, totals_of
from ...store.usage_query import Totals, UsageFilter
from ..asked_target import is_local
from ..links import requests_link
from ..minutes import HourDrawn, drawn
from ..request_lines import RequestState, state_of
from ..sentence import in_order, something_wrong, verdict_of
from ..trouble_words import story
from ..view import Seen, View

router = APIRouter(include_in_schema=False)

_TROUBLES = 4
_LATELY = 5
"""Minutes."""
_ALL = 10_000
_Since = Annotated[float | None, Query(ge=0, le=4e9)]


class Trouble(NamedTuple):
    """A request that failed or was rescued."""

    record: UsageRecord
    state: RequestState
    text: str


class Today(NamedTuple):
    """What the figures say. midnight: unix seconds, in the viewer's zone. cached: requests that were answered out of the
    cache. a_minute: requests, on average of the last five whole minutes. left: of what went elsewhere; its requests were
    answered, or failed, there. away: backends that are not local, and how often each was tried. since: totals since the
    worst backend is as it is."""

    midnight: float
    totals: Totals
    cached: int
    a_minute: float
    left: Totals
    away: list[tuple[str, int]]
    glance: Glance
    hour: HourDrawn
    troubles: list[Trouble]
    since: Totals | None


class FirstRun(NamedTuple):
    """since: when the page was opened. snippet: a request to copy. arrived: the first that came."""

    since: float
    snippet: str
    needs_key: bool
    found: list[Named]
    looked: bool
    arrived: UsageRecord | None


@router.api_route("/ui", methods=["GET", "HEAD"])
async def show(view: Seen) -> HTMLResponse:
    """The page."""
    return view.page("home.html", **await _facts(view, None))


@router.get("/ui/now")
async def show_now(view: Seen, first: _Since = None) -> HTMLResponse:
    """All of it again. first: the way to a first answer is shown, since then."""
    return view.fragment("home/now.html", **await _facts(view, first))


async def _facts(view: View, first: float | None) -> dict[str, Any]:
    every = await backend_states(view.control, view.request.app.state.routing)
    states = [one for one in every if not one.recording]
    verdict = verdict_of(states)
    since = None if verdict.worst is None else verdict.worst.since
    today = await asyncio.to_thread(_today, view, since)
    return {
        "gateway": status_of(view.control),
        "states": in_order(states) if something_wrong(states) else states,
        "verdict": verdict,
        "since": since,
        "lasted": None if since is None else time.time() - since.timestamp(),
        "today": today,
        "first_run": await asyncio.to_thread(_first_run, view, first),
        "hosts": {one.key: _host(one) for one in states},
        "link": requests_link,
        "now": time.time(),
    }


def _today(view: View, since: datetime | None) -> Today:
    usage, zone = view.control.usage, view.zone
    midnight = view.midnight
    chart = usage.chart(By.BACKEND, [(midnight, math.inf)], _ALL, UsageFilter(), zone)
    glance = usage.glance(midnight)
    attempts = VALUES.index("attempts")
    away = [
        (one.names[0], one.total[attempts] or 0)
        for one in chart.series
        if one.names and one.names[0] and not is_local(one.names[0])
    ]
    elsewhere = UsageFilter(since=datetime.fromtimestamp(midnight, UTC), left_machine=True)
    before = glance.minutes[-1 - _LATELY : -1]
    return Today(
        midnight=midnight,
        totals=Totals(**totals_of(chart.total.total)),
        cached=usage.totals(UsageFilter(since=elsewhere.since, cached=True)).requests,
        a_minute=sum(sum(counts.values()) for _, counts in before) / _LATELY,
        left=usage.totals(elsewhere),
        away=away,
        glance=glance,
        hour=drawn(glance.minutes, zone_of(zone)),
        troubles=_troubles(usage),
        since=None if since is None else usage.totals(UsageFilter(since=since)),
    )


def _troubles(usage: UsageStore) -> list[Trouble]:
    found = []
    for record in usage.troubles(_TROUBLES):
        tries: list[UsageRecord] = []
        if record.attempts > 1:
            tries, _ = usage.page(UsageFilter(request=record.request or record.id))
            tries.sort(key=lambda one: one.attempt)
        found.append(Trouble(record, state_of(record), story(record, tries)))
    return found


def _first_run(view: View, first: float | None) -> FirstRun | None:
    """None once there was a request, unless the page was opened before it."""
    control = view.control
    newest, _ = control.usage.page(limit=1)
    if newest and first is None:
        return None
    pointing = programs.Pointing.model_validate({"url": view.origin})
    shown = programs.snippets_of(control, BY_NAME["curl"], pointing)
    arrived = None
    if newest and first is not None:
        since = UsageFilter(since=datetime.fromtimestamp(first, UTC))
        arrived = (
            control.usage.page(since, limit=1)[0][0] if control.usage.totals(since).requests else newest[0]
        )
    return FirstRun(
        since=time.time() if first is None else first,
        snippet=shown.snippets[0].text,
        needs_key=shown.needs_key,
        found=list(control.found),
        looked=control.servers is not None or not control.options.discover,
        arrived=arrived,
    )


def _host(one: BackendShown) -> str:
    """`127.0.0.1:1234`, a socket's path, or whose engine it is."""
    if one.base_url is None:
        return f"engine {one.engine}" if one.engine else ""
    return one.base_url.partition("://")[2].partition("/")[0] or one.base_url
