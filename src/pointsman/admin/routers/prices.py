"""`/api/prices`, `/api/price-lists`, `/api/price-reference`: what models cost, by the list and by what the user has set, and
the model that saved money is measured by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlmodel import Session

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.price_files import read
from ...ledger.price_spec import QUANTITIES, Period, PriceSpec, Tariff, dollars, in_usd
from ...ledger.prices import PriceBook
from ..control.control_plane import ControlPlane
from ..store import credentials, prices, rows
from ..store.price_lists import built_in
from ..store.schemas import PriceCreate, PriceResponse
from ..store.sealing import base_url_of, key_of
from ..store.shapes import Input
from ..store.tables import Price
from .base import IfMatch, RowId, Run, errors

router = APIRouter(prefix="/api/prices", tags=["prices"])
lists_router = APIRouter(prefix="/api/price-lists", tags=["prices"])
reference_router = APIRouter(prefix="/api/price-reference", tags=["prices"])


class PriceFilter(BaseModel):
    """Which prices. Without a provider: yours, and those of the providers that you have a key for."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str | None, Query(max_length=512, description="A model's name, or a part of it.")] = None
    provider: Annotated[str | None, Query(max_length=64, description="Of the list, such as groq.")] = None
    own: Annotated[bool, Query(description="Only those that were set here.")] = False


_OWN_PRICE: dict[str, JsonValue] = {
    "where": "openai",
    "model": "gpt-4o",
    "source": prices.OWN,
    "input": 2.5,
    "output": 10.0,
}


class PriceFile(Input):
    """A list of prices, decoded: genai-prices' data.json, LiteLLM's model_prices_and_context_window.json, or what
    `GET /api/prices` answers, of which the user's own prices are set. Providers that are in it replace what the list says of
    them; others stay.
    """

    source: str = Field("a file", max_length=100)
    data: JsonValue = Field(examples=[[_OWN_PRICE]])


class PricesRead(BaseModel):
    """What a file had. models: by provider. own: prices of the user's own that were set."""

    models: dict[str, int] = {}
    own: int = 0


class ReferencePrice(Input):
    """target: BACKEND:MODEL, or PROVIDER:MODEL of the list; null for none."""

    target: str | None = Field(None, max_length=330)


@router.get("", responses=errors())
def show_list(control: Run, which: Annotated[PriceFilter, Query()]) -> list[PriceResponse]:
    """Prices: the user's own first."""
    with control.read() as session:
        stored = prices.list_all(session)
        found = [
            _own(row)
            for row in stored
            if which.provider in (None, row.where) and _named(row.model, which.model)
        ]
        if which.own:
            return found
        lists = prices.Lists(session, built_in())
        for provider in _providers(session, lists, which.provider):
            specs = lists.specs(provider)
            found += _listed(provider, lists.source(provider), _chosen(specs, which.model))
    return found


@router.post("", status_code=201, responses=errors(409, 412))
def put(control: Run, body: PriceCreate, response: Response, version: IfMatch = None) -> PriceResponse:
    """Set a price, or change the one of the same model, tier, tokens and day. It holds for answers from now on."""
    with control.change() as session:
        answer = _own(prices.put(session, body, version))
        answer.warnings = list(_cautions(session, body))
    response.headers["location"] = f"{router.prefix}/{answer.id}"
    return answer


@lists_router.post("", responses=errors())
def update(control: Run, body: PriceFile) -> PricesRead:
    """Read a list of prices."""
    own = body.data if isinstance(body.data, list) else []
    if own and all(isinstance(one, dict) and "where" in one for one in own):
        given = [_again(one) for one in own if isinstance(one, dict) and one.get("source") == prices.OWN]
        with control.change() as session:
            for one in sorted(given, key=lambda one: (bool(one.tier), one.above)):
                prices.put(session, one)
        return PricesRead(own=len(given))
    found = [one for one in read(body.data, body.source) if one.models]
    if not found:
        raise PointsmanError(
            ErrorKind.INVALID, "Nothing in the file is a price that can be used.", param="data"
        )
    with control.change() as session:
        for provider in found:
            prices.keep_list(session, provider, body.source)
    return PricesRead(models={one.id: len(one.models) for one in found})


@lists_router.delete("", status_code=204, responses=errors())
def forget(control: Run) -> None:
    """Go back to the list that came with the gateway. Prices of the user's own stay."""
    with control.change() as session:
        prices.forget_lists(session)


@reference_router.get("", responses=errors())
def reference(control: Run) -> ReferencePrice:
    """The model by whose price local answers are measured."""
    with control.read() as session:
        return ReferencePrice(target=prices.reference(session))


@reference_router.put("", responses=errors())
def set_reference(control: Run, body: ReferencePrice) -> ReferencePrice:
    """Say by which model's price local answers are measured: `saved` of a record is what it would have cost there."""
    with control.change() as session:
        if body.target is not None:
            check_reference(session, body.target)
        prices.set_reference(session, body.target)
    return body


class ListedBeside(BaseModel):
    """What the list says of a model there, as usual. source: who says so, None where nobody does. prices: in USD by
    quantity."""

    source: str | None = None
    prices: dict[str, float] = {}


def beside(control: ControlPlane, of: Sequence[tuple[str, str]]) -> list[ListedBeside]:
    """For pages: of each (where, model) what the list says, beside which a price of the user's own stands."""
    with control.read() as session:
        lists = prices.Lists(session, built_in())
        backends = credentials.list_all(session)
        return [_beside(lists, prices.provider_of(lists, backends, where), model) for where, model in of]


def _beside(lists: prices.Lists, provider: str | None, model: str) -> ListedBeside:
    found = {} if provider is None else _listed_now(lists, provider, model)
    return ListedBeside(source=lists.source(provider), prices=found) if provider and found else ListedBeside()


@router.get("/{price_id}", responses=errors(404))
def show(control: Run, price_id: RowId) -> PriceResponse:
    """One price of the user's own."""
    with control.read() as session:
        return _own(prices.get(session, price_id))


@router.delete("/{price_id}", status_code=204, responses=errors(404))
def remove(control: Run, price_id: RowId) -> None:
    """Remove a price: the list's holds again."""
    with control.change() as session:
        prices.remove(session, price_id)


def _providers(session: Session, lists: prices.Lists, asked: str | None) -> list[str]:
    if asked is not None:
        return [asked] if lists.knows(asked) else []
    found = (lists.provider_at(base_url_of(row)) for row in credentials.list_all(session))
    return list(dict.fromkeys(one for one in found if one is not None))


def _named(model: str, asked: str | None) -> bool:
    return asked is None or asked.lower() in model.lower()


def _chosen(specs: tuple[PriceSpec, ...], asked: str | None) -> Iterable[PriceSpec]:
    if asked is None:
        return specs
    fits = set(map(id, PriceBook(specs).matching(asked.lower())))
    return [spec for spec in specs if id(spec) in fits or _named(spec.model, asked)]


def _own(row: Price) -> PriceResponse:
    told: dict[str, Any] = {
        name: dollars(price, name) for name, price in row.prices.items() if name in QUANTITIES
    }
    named = {
        name: getattr(row, name) for name in ("id", "version", "where", "model", "tier", "above", "since")
    }
    return PriceResponse(source=prices.OWN, **named, **told)


def _listed(provider: str, source: str, specs: Iterable[PriceSpec]) -> Iterator[PriceResponse]:
    for spec in specs:
        for period in spec.periods:
            for tier, tariff in (("", period.tariff), *period.services.items()):
                told = PriceResponse(where=provider, model=spec.model, tier=tier, source=source)
                yield from _rows(told, period, tariff)


def _rows(told: PriceResponse, period: Period, tariff: Tariff) -> Iterator[PriceResponse]:
    since = datetime.fromtimestamp(period.since, UTC).date().isoformat() if period.since else ""
    edges = None if period.window is None else [f"{one // 60:02}:{one % 60:02}" for one in period.window]
    window = "-".join(edges) if edges is not None else None
    for above, charged in ((0, tariff.prices), *tariff.above):
        yield told.model_copy(update={"above": above, "since": since, "window": window} | in_usd(charged))


def _again(row: dict[str, Any]) -> PriceCreate:
    """As `GET` answered it."""
    return rows.valid(PriceCreate, {name: row[name] for name in PriceCreate.model_fields if name in row})


def _cautions(session: Session, body: PriceCreate) -> Iterator[str]:
    """What of the list's price no longer holds."""
    lists = prices.Lists(session, built_in())
    backends = credentials.list_all(session)
    provider = prices.provider_of(lists, backends, body.where)
    if provider is None:
        if not body.where.startswith("local/") and all(key_of(row) != body.where for row in backends):
            yield f"nothing is called {body.where} yet: no backend, and no provider of the list"
        return
    listed = {} if body.tier else _listed_now(lists, provider, body.model)
    lost = [name for name in listed if getattr(body, name) is None]
    if lost:
        yield f"the list also has a price for {', '.join(lost)}; yours has none, and holds instead of all of it"


def _listed_now(lists: prices.Lists, provider: str, model: str) -> dict[str, float]:
    """What the list says now, in USD by quantity; nothing where it says nothing."""
    rate = PriceBook(lists.specs(provider)).rate(model, datetime.now(UTC).timestamp())
    return {} if rate is None else in_usd(rate.prices)


def check_reference(session: Session, target: str) -> None:
    where, _, model = target.partition(":")
    if not where or not model:
        raise PointsmanError(
            ErrorKind.INVALID, "Write it as BACKEND:MODEL, such as openai:gpt-5.4.", param="target"
        )
    lists = prices.Lists(session, built_in())
    found = prices.reference_specs(lists, prices.list_all(session), credentials.list_all(session), target)
    if PriceBook(found[1]).rate(model, datetime.now(UTC).timestamp()) is None:
        raise PointsmanError(
            ErrorKind.INVALID,
            f"No price is known for {model} there; see: pointsman prices list --provider {where}",
            param="target",
        )
