"""A price of the user's own as a form has it: amounts in US dollars by quantity, beside what the list says. What was typed
is read back as the API takes it. Not here: what is valid (store/schemas.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.price_spec import BY_PIECE, QUANTITIES
from ..control.control_plane import ControlPlane
from ..routers import prices
from ..routers.prices import ListedBeside, PriceFilter
from ..store.prices import OWN
from ..store.schemas import PriceResponse
from .limit_forms import amount
from .view import FormFields

PRICES = "/ui/settings/prices"
WORDS = {
    "input": "Input",
    "output": "Output",
    "cached": "Read from a cache",
    "cache_write": "Written to a cache",
    "cache_write_long": "Written to a cache for an hour",
    "reasoning": "Reasoning",
    "audio_input": "Sound in the input",
    "audio_output": "Sound in the output",
    "image_input": "Images in the input",
    "image_output": "Images in the output",
    "web_search": "One search of the web",
    "request": "One request",
}
USUAL = ("input", "output", "cached", "cache_write")
"""What nearly every price has; the others are folded away."""


class OwnPrice(NamedTuple):
    """One as the list has it. said: its amounts; listed: those of the list. which: for which answers it holds."""

    price: PriceResponse
    which: str
    said: str
    listed: str


@dataclass(slots=True)
class PriceForm:
    """id: None of one to set; its place cannot be changed where it is set. values: amounts as text by quantity. beside:
    what the list says. warnings: of a price that was not saved."""

    id: int | None = None
    version: str = ""
    where: str = ""
    model: str = ""
    tier: str = ""
    above: int = 0
    since: str = ""
    values: dict[str, str] = field(default_factory=dict)
    beside: ListedBeside = field(default_factory=ListedBeside)

    @property
    def more(self) -> bool:
        """Whether something of what is folded away is said."""
        return any(self.values.get(name) for name in QUANTITIES if name not in USUAL) or bool(
            self.tier or self.above or self.since
        )


def own_prices(control: ControlPlane) -> list[OwnPrice]:
    """All, beside the list."""
    found = prices.show_list(control, PriceFilter(own=True))
    listed = prices.beside(control, [(one.where, one.model) for one in found])
    return [
        OwnPrice(one, which(one), said(_amounts(one)), said(other.prices))
        for one, other in zip(found, listed, strict=True)
    ]


def form_for(control: ControlPlane, where: str, model: str) -> PriceForm:
    """Of a model whose price somebody wants to set: the one that is set for it as usual, else filled with what the list
    says."""
    for one in prices.show_list(control, PriceFilter(own=True)):
        if (one.where, one.model, one.tier, one.above, one.since) == (where, model, "", 0, ""):
            return form_of(control, one)
    beside = prices.beside(control, [(where, model)])[0] if where and model else ListedBeside()
    values = {name: f"{price:.10g}" for name, price in beside.prices.items()}
    return PriceForm(where=where, model=model, values=values, beside=beside)


def form_of(control: ControlPlane, own: PriceResponse) -> PriceForm:
    """Of one that is set."""
    return PriceForm(
        id=own.id,
        version=own.version or "",
        where=own.where,
        model=own.model,
        tier=own.tier,
        above=own.above,
        since=own.since,
        values={name: f"{price:.10g}" for name, price in _amounts(own).items()},
        beside=prices.beside(control, [(own.where, own.model)])[0],
    )


def read(form: FormFields) -> dict[str, Any]:
    """As the API takes it. Raises INVALID naming the field."""
    found: dict[str, Any] = {name: form.text(name) for name in ("where", "model", "tier", "since")}
    try:
        found["above"] = int(form.text("above") or 0)
    except ValueError:
        raise PointsmanError(
            ErrorKind.INVALID, "Tokens of input: write a whole number.", param="above"
        ) from None
    return found | {name: amount(form, name, WORDS[name]) for name in QUANTITIES}


def which(price: PriceResponse) -> str:
    """For which answers it holds; "" for all."""
    above = f"above {price.above:,} tokens of input" if price.above else ""
    since = f"from {price.since} (UTC)" if price.since else ""
    return ", ".join(filter(None, [price.tier, above, since]))


def said(amounts: dict[str, float]) -> str:
    """`input $2.50, output $10.00`."""
    return ", ".join(f"{WORDS[name].lower()} {usd(value)}" for name, value in amounts.items())


def price_link(where: str, model: str) -> str:
    """To the form, with the model filled in."""
    return f"{PRICES}?{urlencode({'where': where, 'model': model})}#set"


def _amounts(price: PriceResponse) -> dict[str, float]:
    assert price.source == OWN
    return {name: value for name in QUANTITIES if (value := getattr(price, name)) is not None}


def usd(value: float) -> str:
    """A price whole, with as many digits as it has, and two at least: `$2.50`, `$0.075`."""
    short = f"{value:,.2f}"
    return f"${short}" if float(short.replace(",", "")) == value else f"${value:.10g}"


def unit(name: str) -> str:
    """What an amount is for."""
    return "$ each" if name in BY_PIECE else "$ for a million tokens"
