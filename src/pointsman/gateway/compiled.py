"""One snapshot of the rules, compiled for this process. Not here: what outlives a change of the rules (data_plane.py)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ..dialects.capsule import Capsules
from ..errors import PointsmanError
from ..kinds import ErrorKind, Protocol
from ..ledger.accounts import LimitSpec
from ..ledger.cost import Bill
from ..link.messages import Snapshot
from ..routing.captures import Captures
from ..routing.specs import practice_spec
from ..routing.table import NAME_LENGTH, Fork, Listed, Plan, RoutingTable, Target
from ..upstream.backend import NOBODY, Backend, compile_backends
from .client.access import KeyRing

if TYPE_CHECKING:
    from ..customs.inspection import Inspection
    from ..ledger.price_spec import PriceSpec
    from ..ledger.prices import PriceBook

_FALLBACK_KEY = os.urandom(32)
"""Of capsules while the control plane has sent no pepper: they then open in this process only."""

_MAX_PLANS = 2048
"""Names whose plan is kept, and as many that have none."""

PlanKey = tuple[str, int]
"""A model's name, and the version of the local backends' lists."""


class CompiledRules:
    """One snapshot, compiled. Immutable but for its caches of plans."""

    __slots__ = (
        "_bills",
        "_books",
        "_misses",
        "_reference",
        "_turn",
        "_under_way",
        "backends",
        "capsules",
        "captures",
        "charged",
        "customs",
        "keys",
        "limits",
        "plans",
        "snapshot",
        "table",
        "tracks",
    )

    def __init__(
        self,
        snapshot: Snapshot,
        practice_path: str,
        before: Mapping[str, Backend],
        running: Mapping[str, str] = NOBODY,
    ) -> None:
        """running: see compile_backends."""
        self.snapshot = snapshot
        practice = practice_spec(practice_path)
        specs, self.backends = compile_backends((*snapshot.backends, practice), before, running)
        self.table = RoutingTable(snapshot.mappings, specs)
        self.keys = KeyRing(snapshot)
        self.captures = Captures(snapshot.captures) if snapshot.captures else None
        self.customs = _customs(snapshot)
        self.limits: dict[str, list[LimitSpec]] = {}  # by whose they are
        for limit in snapshot.limits:
            self.limits.setdefault(limit.whose, []).append(limit)
        self.capsules = Capsules(snapshot.pepper or _FALLBACK_KEY)
        self.plans: dict[PlanKey, Plan | Fork] = {}
        self.charged: dict[tuple[int | None, str], Any] = {}  # see gateway/spending/at_once.py
        self.tracks: dict[tuple[str, int, Protocol], Any] = {}  # see gateway/lane/facts.py
        self._books: dict[str, PriceBook] = {}  # by backend
        told = snapshot.reference
        self._reference = None if told is None else Bill(told.model, _book(told.prices), False, None)
        self._bills: dict[tuple[str, str], Bill | None] = {}  # by backend and model
        self._turn = asyncio.Lock()
        self._under_way: dict[PlanKey, asyncio.Event] = {}  # names that are being looked for
        self._misses: dict[PlanKey, str] = {}  # apart: names that nobody knows must not push plans out

    def prices(self, backend: str) -> PriceBook | None:
        """Of a backend's models; None where nothing at all is known of it: a local one is free then."""
        found = self._books.get(backend)
        if found is None and (specs := self.snapshot.prices.get(backend)) is not None:
            found = self._books[backend] = _book(specs)
        return found

    def bill(self, target: Target) -> Bill | None:
        """What its answers come to; None where that is always nothing."""
        key = (target.key, target.model)
        if key not in self._bills:
            _make_room(self._bills)
            self._bills[key] = self._made(target)
        return self._bills[key]

    def _made(self, target: Target) -> Bill | None:
        backend = self.backends.get(target.key)
        if backend is not None and backend.spec.recording is not None:
            return None  # it costs nothing, and saves nothing that was not paid once
        local = backend is not None and backend.local
        prices = self.prices(target.key)
        if local and prices is None and self._reference is None:
            return None
        return Bill(target.model, prices, local, self._reference if local else None)

    def keep_track(self, key: tuple[str, int, Protocol], track: Any) -> None:
        """Of a plan that is known; None where it has none."""
        _make_room(self.tracks)
        self.tracks[key] = track

    async def resolve(self, key: PlanKey, lists: Listed) -> Plan | Fork:
        """The plan of a name that is not among `plans`, which has it afterwards. A name that has none is looked for once.
        Where that takes long it pauses, so that others are served. Raises PointsmanError MODEL_NOT_FOUND."""
        while (under_way := self._under_way.get(key)) is not None:
            await under_way.wait()
        known = self.plans.get(key)
        if known is not None:
            return known
        missed = self._misses.get(key)
        if missed is not None:
            raise PointsmanError(ErrorKind.MODEL_NOT_FOUND, missed, param="model")
        try:
            plan = await self._searched(key, lists)
        except PointsmanError as error:
            if len(key[0]) <= NAME_LENGTH:
                _make_room(self._misses)
                self._misses[key] = error.public
            raise
        _make_room(self.plans)
        self.plans[key] = plan
        return plan

    async def _searched(self, key: PlanKey, lists: Listed) -> Plan | Fork:
        """One slice a turn of the loop, whose ever it is: names side by side take turns."""
        done = self._under_way[key] = asyncio.Event()
        try:
            with closing(self.table.search(key[0], lists)) as work:
                while True:
                    try:
                        next(work)
                    except StopIteration as end:
                        found: Plan | Fork = end.value
                        return found
                    async with self._turn:
                        await asyncio.sleep(0)
        finally:
            del self._under_way[key]
            done.set()  # who waits wakes later than what was found is kept


def _customs(snapshot: Snapshot) -> Inspection | None:
    """Where nothing is looked through, none of it is loaded."""
    rules = any(one.customs for one in snapshot.mappings)
    if not (snapshot.customs or rules or any(one.customs for one in snapshot.client_keys)):
        return None
    from ..customs.inspection import Inspection

    stored = [spec.api_key for spec in snapshot.backends]
    return Inspection(snapshot.customs, snapshot.pepper or _FALLBACK_KEY, stored, snapshot.own_patterns)


def _book(specs: tuple[PriceSpec, ...]) -> PriceBook:
    """Who has only local models, and no prices for them, never loads this."""
    from ..ledger.prices import PriceBook

    return PriceBook(specs)


def _make_room(kept: dict[Any, Any]) -> None:
    """The oldest goes."""
    if len(kept) >= _MAX_PLANS:
        del kept[next(iter(kept))]
