"""Prices: those that the user has set come first, then the list's. Functions take a Session and raise PointsmanError.

Not here: the list that comes with the gateway (price_lists.py), and what an answer comes to (ledger/prices.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, parse_backend_key
from ...ledger.price_spec import QUANTITIES, Period, Prices, PriceSpec, Tariff, pico
from ...providers.catalog import CATALOG
from . import rows, settings
from .price_lists import PriceList, models_of
from .sealing import SealedRow, base_url_of, key_of
from .tables import Price, ProviderList
from .versions import expect

if TYPE_CHECKING:
    from ...ledger.price_files import ProviderPrices
    from .schemas import PriceCreate

REFERENCE = "price_reference"
"""`BACKEND:MODEL`, whose price tells what local answers have saved: `pointsman prices reference`."""
OWN = "own"


def list_all(session: Session) -> list[Price]:
    return list(session.exec(select(Price).order_by(col(Price.id))))


def get(session: Session, price_id: int) -> Price:
    row = session.get(Price, price_id)
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND,
            f"There is no price {price_id}; list yours with: pointsman prices list --own.",
        )
    return row


def _pico(dollars: float, name: str) -> int:
    try:
        return pico(dollars, name)
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"The price of {name} {error}.", param=name) from None


def put(session: Session, data: PriceCreate, version: str | None = None) -> Price:
    """Adds a price, or changes the one of the same model, tier, tokens and day. version: of the one that was read, where it
    must be there; raises ChangedMeanwhile, or CONFLICT where it is gone."""
    told = data.model_dump()
    prices = {name: _pico(told[name], name) for name in QUANTITIES if told[name] is not None}
    named = {name: told[name] for name in ("where", "model", "tier", "above", "since")}
    same = [row for row in _of(session, data.where) if row.model == data.model]
    if (data.tier or data.above) and not any(not row.tier and not row.above for row in same):
        raise PointsmanError(
            ErrorKind.INVALID,
            f"{data.model} has no price of yours yet for answers that are as usual: set that first,"
            " without a tier and without a number of tokens.",
            param="tier" if data.tier else "above",
        )
    row = next(
        (row for row in same if all(getattr(row, name) == value for name, value in named.items())), None
    )
    if row is not None:
        expect(session, row, version)
        row.prices = prices
        session.flush()
        return row
    if version:
        raise PointsmanError(ErrorKind.CONFLICT, "Not saved: this price was removed since you read it.")
    row = Price(**named, prices=prices)
    rows.add(session, row, "There is such a price already.")
    return row


def remove(session: Session, price_id: int) -> None:
    session.delete(get(session, price_id))
    session.flush()


def _of(session: Session, where: str) -> list[Price]:
    return list(session.exec(select(Price).where(col(Price.where) == where)))


# -- as the data plane has them


def own_specs(stored: Iterable[Price], where: str) -> list[PriceSpec]:
    """Of one backend or provider: exact names first, then the pattern that says more."""
    found = sorted(
        (row for row in stored if row.where == where), key=lambda row: (_rank(row.model), row.id or 0)
    )
    return [_spec(model, list(same)) for model, same in groupby(found, key=lambda row: row.model)]


def _rank(model: str) -> tuple[bool, int, str]:
    wild = "*" in model or "?" in model
    return wild, -len(re.sub(r"[*?]", "", model)), model


def _spec(model: str, same: Sequence[Price]) -> PriceSpec:
    """From each of its days on, what was set until then. Before the first there is none of the user's own."""
    periods = []
    usual = [row for row in same if not row.tier and not row.above]
    for day in sorted({row.since for row in same}):
        if all(row.since > day for row in usual):
            continue
        tiers = {row.tier for row in same if row.since <= day}
        tariffs = {
            tier: _tariff([row for row in same if row.tier == tier and row.since <= day]) for tier in tiers
        }
        periods.append(Period(tariffs.pop(""), _second(day), tariffs))
    return PriceSpec(model, (clause(model),), tuple(periods), {}, OWN)


def _tariff(same: Iterable[Price]) -> Tariff:
    newest: dict[int, Price] = {}
    for row in sorted(same, key=lambda row: row.since):
        newest[row.above] = row
    steps = {above: Prices(**_known(row.prices)) for above, row in newest.items()}
    base = steps.pop(0, Prices())
    return Tariff(base, tuple(sorted(steps.items())))


def _known(prices: Mapping[str, Any]) -> dict[str, int]:
    """A row that was edited by hand may name more."""
    return {
        name: value
        for name, value in prices.items()
        if name in QUANTITIES and isinstance(value, int) and value >= 0
    }


def clause(pattern: str) -> str:
    """A pattern of names as a price has it; capital letters count for nothing here."""
    name = pattern.lower()
    literal, star, rest = name.partition("*")
    if "?" in name or rest:
        pieces = [re.escape(piece).replace(r"\?", ".") for piece in name.split("*")]
        middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
        return f"/^(?s:{pieces[0]}{middle}{'.*' + pieces[-1] if len(pieces) > 1 else ''})$"
    return f"^{literal}" if star else f"={name}"


def _second(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) if day else 0


class Lists:
    """What the list says, of whoever is asked for; read when it is first needed, and forgotten with this object."""

    def __init__(self, session: Session, built_in: PriceList) -> None:
        self._session = session
        self._built_in = built_in

    def provider_at(self, base_url: str) -> str | None:
        """Whose address that is."""
        found = self._built_in.at(base_url)
        if found is not None:
            return found.id
        read = self._session.execute(select(col(ProviderList.provider), col(ProviderList.hosts)))
        return next((name for name, hosts in read if hosts and re.match(hosts, base_url)), None)

    def knows(self, provider: str) -> bool:
        return (
            self._built_in.named(provider) is not None
            or self._session.get(ProviderList, provider) is not None
        )

    def source(self, provider: str) -> str:
        """Who says what its models cost."""
        read = self._session.get(ProviderList, provider)
        return read.source if read is not None else f"{self._built_in.source}, {self._built_in.day}"

    def specs(self, provider: str) -> tuple[PriceSpec, ...]:
        """Its own prices, then those of the providers whose models it offers too."""
        listed, read = self._built_in.named(provider), self._session.get(ProviderList, provider)
        others = (read.others if read is not None else ()) or (listed.others if listed is not None else ())
        return tuple(spec for name in (provider, *others) for spec in self._own(name))

    def _own(self, provider: str) -> tuple[PriceSpec, ...]:
        read = self._session.get(ProviderList, provider)
        if read is not None:
            return models_of(read.models.encode())
        listed = self._built_in.named(provider)
        return models_of(listed.models) if listed is not None else ()


def provider_of(lists: Lists, backends: Iterable[SealedRow], where: str) -> str | None:
    """Whose list holds for what is set there: of the backend of that name, else the provider of it."""
    provider = next((lists.provider_at(base_url_of(row)) for row in backends if key_of(row) == where), None)
    return provider or (where if lists.knows(where) else None)


def of_backend(lists: Lists, stored: Sequence[Price], row: SealedRow) -> tuple[PriceSpec, ...]:
    """Its own first. A local server has only those that were set for it."""
    key, own = key_of(row), own_specs(stored, key_of(row))
    if key.partition("/")[0] == BackendType.LOCAL.value:
        return tuple(own)
    provider = lists.provider_at(base_url_of(row))
    if provider is None:
        return tuple(own)
    return (*own, *(own_specs(stored, provider) if provider != key else ()), *lists.specs(provider))


def keep_list(session: Session, found: ProviderPrices, source: str) -> None:
    """In place of what came with the gateway."""
    row = session.get(ProviderList, found.id)
    if row is None:
        row = ProviderList(provider=found.id, source=source, models="[]")
        session.add(row)
    row.source, row.hosts, row.others = source, found.hosts, list(found.others)
    row.models, row.read_at = msgspec.json.encode(found.models).decode(), datetime.now(UTC)
    session.flush()


def forget_lists(session: Session) -> None:
    """Back to what came with the gateway."""
    for row in session.exec(select(ProviderList)):
        session.delete(row)
    session.flush()


# -- what local answers are measured by


def reference(session: Session) -> str | None:
    return settings.get(session, REFERENCE) or None


def set_reference(session: Session, text: str | None) -> None:
    settings.put(session, REFERENCE, text or "")


def reference_specs(
    lists: Lists, stored: Sequence[Price], backends: Iterable[SealedRow], named: str
) -> tuple[str, tuple[PriceSpec, ...]]:
    """(model, prices of that backend or provider). Raises PointsmanError where nobody knows it."""
    where, _, model = named.partition(":")
    row = next((one for one in backends if key_of(one) == where), None)
    if row is not None:
        return model, of_backend(lists, stored, row)
    provider = where if lists.knows(where) else lists.provider_at(_default_url(where) or "")
    if provider is None:
        raise PointsmanError(
            ErrorKind.INVALID,
            f"{where!r} is neither a backend nor a provider of the list of prices.",
            param="target",
        )
    return model, (*own_specs(stored, provider), *lists.specs(provider))


def _default_url(where: str) -> str | None:
    try:
        return CATALOG[parse_backend_key(where)[0]].base_url
    except ValueError:
        return None
