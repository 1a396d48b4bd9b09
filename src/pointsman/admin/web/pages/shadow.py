"""`/ui/usage/shadow`: what came of asking local targets what clouds had answered: how often they agreed, how much slower
they were, what it would have saved, and the rule that would use them. No answer is shown.

Not here: the numbers (control/shadow_report.py).
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from ...control.shadow_report import FEWEST, RuleShadow, Share
from ...routers import shadow
from ...routers.base import RowId
from ..usage_range import range_of
from ..view import Seen

router = APIRouter(include_in_schema=False)

PATH = "/ui/usage/shadow"
SPANS = {"7d": "7 days", "30d": "30 days", "365d": "12 months"}


def agreed(one: RuleShadow) -> list[tuple[str, str, Share]]:
    """(what is alike, in which answers that can be, the share), where there are any."""
    rows = [
        ("Answered at all", "of what was asked", one.asked),
        ("Same tools", "where either called one", one.tools),
        ("Same tools and arguments", "where either called one", one.arguments),
        ("Same JSON value", "where JSON was asked for", one.structured),
        ("Refusals alike", "", one.refusals),
        ("Ends alike", "", one.stops),
    ]
    return [row for row in rows if row[2].of]


@router.api_route(PATH, methods=["GET", "HEAD"])
def show(view: Seen, range: str = "") -> HTMLResponse:
    """The page. range: how far back, all where it is none of these."""
    name = range if range in SPANS else ""
    since = range_of(name, None, None, view.zone).slots[0].since if name else None
    return view.page(
        "usage/shadow.html",
        found=shadow.shadows(view.control, since),
        rules=[rule for rule in view.control.snapshot.mappings if rule.shadow is not None],
        agreed=agreed,
        spans=SPANS,
        span=name,
        fewest=FEWEST,
    )


@router.post(f"{PATH}/{{mapping_id}}/clear")
def clear(view: Seen, mapping_id: RowId) -> RedirectResponse:
    """Begins anew with a rule."""
    shadow.clear(view.control, mapping_id)
    return view.done(f"What was compared for rule {mapping_id} is deleted.", PATH)
