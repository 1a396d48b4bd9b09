"""`/ui/settings/prices`: prices of the user's own beside what the list says, and the model by which savings are measured."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ....ledger.price_spec import QUANTITIES
from ...routers import prices
from ...routers.base import RowId
from ...routers.prices import ReferencePrice
from ...store import rows
from ...store.asking import last_entry
from ...store.schemas import PriceCreate
from ..price_form import PRICES, USUAL, WORDS, PriceForm, form_for, form_of, own_prices, read, unit, usd
from ..view import Seen, Sent, View

router = APIRouter(include_in_schema=False)

Name = Annotated[str, Query(max_length=256)]


@router.get(PRICES)
def show(view: Seen, where: Name = "", model: Name = "") -> HTMLResponse:
    """All of one's own; the form is filled for that model."""
    return _page(view, form_for(view.control, where, model))


@router.get(f"{PRICES}/{{price_id}}")
def show_one(view: Seen, price_id: RowId) -> HTMLResponse:
    """The same, with one of them in the form."""
    return _page(view, form_of(view.control, prices.show(view.control, price_id)))


@router.post(PRICES)
def put(view: Seen, form: Sent) -> RedirectResponse:
    """Sets one, or changes it, unless it was changed after it was shown."""
    body = rows.valid(PriceCreate, read(form))
    made = prices.put(view.control, body, Response(), form.text("version"))
    text = f"{made.model} of {made.where} has your price from now on."
    for one in made.warnings:
        text += f" Look: {one}."
    return view.done(text, PRICES, undo=last_entry())


@router.post(f"{PRICES}/reference")
def set_reference(view: Seen, form: Sent) -> RedirectResponse:
    """By which model's price local answers are measured."""
    target = form.text("target") or None
    prices.set_reference(view.control, rows.valid(ReferencePrice, {"target": target}))
    text = (
        f"Local answers are measured by {target}." if target else "What local answers save is not measured."
    )
    return view.done(text, PRICES, undo=last_entry())


@router.post(f"{PRICES}/{{price_id}}/remove")
def remove(view: Seen, price_id: RowId) -> RedirectResponse:
    """Removes one: the list's holds again."""
    gone = prices.show(view.control, price_id)
    prices.remove(view.control, price_id)
    return view.done(f"Your price of {gone.model} at {gone.where} is removed.", PRICES, undo=last_entry())


def _page(view: View, form: PriceForm) -> HTMLResponse:
    return view.page(
        "settings/prices.html",
        form=form,
        own=own_prices(view.control),
        reference=prices.reference(view.control).target,
        places=sorted(
            {
                one.key
                for one in view.control.snapshot.backends
                if not one.login_only and one.recording is None
            }
        ),
        words=WORDS,
        usual=USUAL,
        others=[name for name in QUANTITIES if name not in USUAL],
        unit=unit,
        usd=usd,
    )
