"""`/ui/settings/cache`: answers that rules and client keys keep for equal requests, how often they were told again, and
their end. No answer is shown."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from ...routers import cache
from ...routers.base import RowId
from ..model_names import live_keys
from ..view import Seen

router = APIRouter(include_in_schema=False)

PATH = "/ui/settings/cache"


@router.get(PATH)
def show(view: Seen) -> HTMLResponse:
    """What is kept of which rules, and what it saved."""
    control = view.control
    return view.page(
        "settings/cache.html",
        found=cache.standing(control),
        keeping=[rule.pattern for rule in control.snapshot.mappings if rule.cache_seconds is not None],
        keys=[key for key in live_keys(control) if key.cache_seconds is not None],
        folder=str(control.answers.folder),
        problem=control.vault.problem,
    )


@router.post(f"{PATH}/clear")
def clear(view: Seen) -> RedirectResponse:
    """Deletes all answers."""
    cache.clear(view.control)
    return view.done("Every kept answer is deleted.", PATH)


@router.post(f"{PATH}/{{mapping_id}}/clear")
def clear_one(view: Seen, mapping_id: RowId) -> RedirectResponse:
    """Deletes those of one rule."""
    cache.clear(view.control, mapping_id)
    found = (rule.pattern for rule in view.control.snapshot.mappings if rule.id == mapping_id)
    return view.done(f"Every kept answer of {next(found, 'a rule that is gone')} is deleted.", PATH)
