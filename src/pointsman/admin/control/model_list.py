"""Every model that can be asked for, across backends: where its requests go, in which protocol, what it can do, what it
costs; and the same as one client sees it.

The names are those of the data plane's `/v1/models` (routing/listing.py), by what servers and providers list for us.
Bounded: a page of rows at a time, and a server that does not answer is not waited for. Not here: why a request goes where
it goes (explain.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field

from ...engines.engine import EngineModel
from ...errors import PointsmanError
from ...kinds import PRACTICE, ErrorKind, Protocol, is_local_backend, is_provider
from ...ledger.price_spec import in_usd
from ...ledger.prices import PriceBook
from ...link.bounds import Bounds, restricted
from ...providers.profiles import is_own, profile_for
from ...routing.listing import listed, names_in_turn
from ...routing.table import Plan, RoutingTable, Target
from ..store.values import MAX_ID
from .control_plane import ControlPlane
from .explain import running_engines
from .explain_target import protocols
from .routing_view import Listing, RoutingView

MOST = 200
"""Rows of one answer."""
USUAL = next(iter(Protocol))
"""What most clients speak."""
ABILITIES = ("vision", "tools", "thinking", "embedding")
"""By which a list can be narrowed."""
_CLIENTS = 32
"""Client keys whose names are kept."""
_SIDE_BY_SIDE = 50
"""Names that are looked for before others are served."""


class ModelsAsked(BaseModel):
    """Which of them. q: a part of the name, whatever case. can: vision, tools, thinking or embedding. backend: a key.
    loaded: in memory now. key_id: a client key, through whose eyes. protocol: that its client speaks. wait: seconds for
    servers that have not been asked lately."""

    q: Annotated[str, Field(max_length=512)] = ""
    can: Annotated[str, Field(pattern=f"^({'|'.join(ABILITIES)})?$")] = ""
    backend: Annotated[str, Field(max_length=80)] = ""
    loaded: bool = False
    key_id: Annotated[int | None, Field(ge=1, le=MAX_ID)] = None
    protocol: Protocol = USUAL
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Field(ge=1, le=MOST)] = 100
    wait: Annotated[float, Field(ge=0, le=2)] = 2.0


class ModelTarget(BaseModel):
    """One that a request for the model may go to. local: it stays with a local server. loaded: None where nobody says.
    price: USD a million tokens, as /api/prices has them; {} where it is free, None where nobody knows it. gets: what
    becomes of a request in the protocol that was asked for."""

    backend: str
    model: str
    usable: bool
    local: bool
    loaded: bool | None
    price: dict[str, float] | None
    gets: str


class ModelShown(BaseModel):
    """One model as clients name it. mapping_id, pattern: the rule that takes it, None where none is needed. window:
    tokens. vision, tools, thinking: None where nobody says. embeddings: it makes nothing else."""

    name: str
    mapping_id: int | None
    pattern: str | None
    targets: list[ModelTarget]
    window: int | None
    vision: bool | None
    tools: bool | None
    thinking: bool | None
    embeddings: bool
    loaded: bool | None


class ModelsShown(BaseModel):
    """A page of them. total: of all that this client may use; matched: that were asked for. silent: backends that have
    not told their models. as_client: the key's name, None where nobody was named."""

    total: int
    matched: int
    offset: int
    models: list[ModelShown]
    silent: list[str]
    asking: bool
    as_client: str | None = None


class NamedModel(NamedTuple):
    """target: the first that serves it."""

    name: str
    plan: Plan
    target: Target


async def list_models(
    control: ControlPlane, view: RoutingView, names: ModelNames, asked: ModelsAsked
) -> ModelsShown:
    """Raises PointsmanError 404 for a key that is none."""
    bounds, client = _bounds(control, asked.key_id)
    view.follow(control.snapshot, running_engines(control.snapshot, control.engines.standing))
    await view.look_around(asked.wait, lambda: control.live.changed("models"))
    every = await names.of(view, bounds, asked.key_id)
    fits = _filter(view, asked)
    found = [one for one in every if fits(one)]
    rows = found[asked.offset : asked.offset + asked.limit]
    told = _Told(control, view, asked.protocol)
    return ModelsShown(
        total=len(every),
        matched=len(found),
        offset=asked.offset,
        models=[told.model(one) for one in rows],
        silent=view.silent,
        asking=view.asking,
        as_client=client,
    )


def _bounds(control: ControlPlane, key_id: int | None) -> tuple[Bounds | None, str | None]:
    if key_id is None:
        return None, None
    spec = next((one for one in control.snapshot.client_keys if one.id == key_id), None)
    if spec is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no client key {key_id}, or it is revoked.", param="key_id"
        )
    return Bounds.of(spec, frozenset()), spec.name or f"key {key_id}"


class ModelNames:
    """All names that work, by client key; kept until something that they follow from has changed."""

    def __init__(self) -> None:
        self._listing: Listing | None = None
        self._kept: dict[int | None, list[NamedModel]] = {}

    async def of(self, view: RoutingView, bounds: Bounds | None, key_id: int | None) -> list[NamedModel]:
        """As the data plane finds them. bounds: of the key."""
        listing = view.listing
        if listing != self._listing or len(self._kept) > _CLIENTS:
            self._listing, self._kept = listing, {}
        kept = self._kept.get(key_id)
        if kept is None:
            kept = await _found(view, bounds, key_id, listing)
            if listing == self._listing:
                self._kept[key_id] = kept
        return kept


async def _found(
    view: RoutingView, bounds: Bounds | None, key_id: int | None, listing: Listing
) -> list[NamedModel]:
    found: dict[str, NamedModel] = {}
    table, (_, near, provided) = view.table, listing
    asked = names_in_turn(table.exact_names(), near, provided)
    for number, (name, key) in enumerate(asked, 1):
        if number % _SIDE_BY_SIDE == 0:
            await asyncio.sleep(0)
        if name not in found and (one := _one(table, near, bounds, name, key)) is not None:
            found[name] = one
    if PRACTICE not in found and (
        key_id is None or not found
    ):  # a client is shown it while nothing else is there
        one = _one(table, near, bounds, PRACTICE, None)
        return [*found.values(), *([one] if one else [])]
    return list(found.values())


def _one(
    table: RoutingTable, near: Mapping[str, frozenset[str]], bounds: Bounds | None, name: str, key: str | None
) -> NamedModel | None:
    try:
        found = listed(table.resolve(name, near), name, key, partial(restricted, bounds))
    except PointsmanError:
        return None
    return None if found is None else NamedModel(name, *found)


def _filter(view: RoutingView, asked: ModelsAsked) -> Callable[[NamedModel], bool]:
    text = asked.q.casefold().strip()

    def fits(one: NamedModel) -> bool:
        if text and text not in one.name.casefold():
            return False
        if asked.backend and not any(target.key == asked.backend for target in one.plan.targets):
            return False
        if asked.loaded and _facts(view, one.target).loaded is not True:
            return False
        return not asked.can or _abilities(view, one.target)[asked.can] is True

    return fits


def _facts(view: RoutingView, target: Target) -> EngineModel:
    backend = view.backends.get(target.key)
    return EngineModel(target.model) if backend is None else view.facts.of(backend, target.model)


def _abilities(view: RoutingView, target: Target) -> dict[str, bool | None]:
    """By what its server says; of a vendor's own model by our rows of it."""
    facts, backend = _facts(view, target), view.backends.get(target.key)
    thinking = None if facts.abilities is None else "thinking" in facts.abilities
    found = {
        "vision": facts.images,
        "tools": facts.tools,
        "thinking": thinking,
        "embedding": not facts.generates,
    }
    if backend is not None and not backend.local and is_own(backend.spec, target.model):
        profile = profile_for(backend.spec, next(iter(backend.spoken)), target.model)
        found["thinking"] = profile.reasoning != "none"
    return found


class _Told:
    """What is told of a model. Prices of a backend are read once."""

    def __init__(self, control: ControlPlane, view: RoutingView, protocol: Protocol) -> None:
        self._view = view
        self._protocol = protocol
        self._prices = control.snapshot.prices
        self._health = control.board.health(time.monotonic())
        self._books: dict[str, PriceBook] = {}
        self._now = time.time()

    def model(self, one: NamedModel) -> ModelShown:
        facts, backend = _facts(self._view, one.target), self._view.backends.get(one.target.key)
        able = _abilities(self._view, one.target)
        own_window = None if backend is None else backend.spec.context_window
        return ModelShown(
            name=one.name,
            mapping_id=one.plan.mapping_id,
            pattern=one.plan.pattern,
            targets=[self._target(target) for target in one.plan.targets],
            window=own_window or facts.at_most,
            vision=able["vision"],
            tools=able["tools"],
            thinking=able["thinking"],
            embeddings=bool(able["embedding"]),
            loaded=facts.loaded,
        )

    def _target(self, target: Target) -> ModelTarget:
        seen = self._health.get(target.key)
        unspoken = () if seen is None else seen.unspoken
        backend = self._view.backends.get(target.key)
        gets = protocols(target, backend, login=target.forwards, unspoken=unspoken)
        return ModelTarget(
            backend=target.key,
            model=target.model,
            usable=target.problem is None,
            local=is_local_backend(target.label),
            loaded=_facts(self._view, target).loaded,
            price=self._price(target),
            gets=gets.get(self._protocol.value, "not possible"),
        )

    def _price(self, target: Target) -> dict[str, float] | None:
        specs = self._prices.get(target.key)
        if specs is None:
            return None if is_provider(target.key) else {}
        book = self._books.get(target.key)
        if book is None:
            book = self._books[target.key] = PriceBook(specs)
        rate = book.rate(target.model, self._now)
        return None if rate is None else in_usd(rate.prices)
