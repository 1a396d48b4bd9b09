"""What each of several nodes may use of a limit by itself, and what of it is used, in the PostgreSQL that they share.

Many limits a transaction: their rows are locked in one order, so that nobody waits in a circle; the parts are read after
that, decided (ledger/slices.py) and written. Not here: when a node asks (link/leasing.py), what its log holds
(control/accountant.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import psycopg
from msgspec.structs import replace

from ...kinds import Limit
from ...ledger import slices
from ...ledger.accounts import LimitSpec
from ...ledger.slices import KEPT_SECONDS, LEASE_SECONDS, LeaseAsk, LeaseGiven, Others
from ...link.messages import Reached
from .postgres import PostgresServer, driver_of

ASK_SECONDS = 3.0
"""For one transaction. Whoever asked has given up by then."""
_OVER_SECONDS = 86_400.0
"""After its end a period's rows are kept so long."""
_CLEAN_EVERY = 1_000
"""Transactions of this process."""
_MANY = 1_000

_THESE = "unnest(%(whose)s::text[], %(kind)s::text[], %(start)s::int8[]) AS a (whose, kind, start)"
_MAKE = (
    "INSERT INTO spending (whose, kind, start, most, told, full_at) SELECT whose, kind, start, 0, 0, '-Infinity'"
    " FROM {these} ORDER BY whose, kind, start ON CONFLICT DO NOTHING"
).replace("{these}", _THESE)
_LOCK = (
    "SELECT s.* FROM {these} CROSS JOIN LATERAL (SELECT s.whose, s.kind, s.start, s.most, s.told, s.base, s.full_at,"
    " extract(epoch FROM clock_timestamp())::float8 FROM spending s"
    " WHERE s.whose = a.whose AND s.kind = a.kind AND s.start = a.start FOR UPDATE) s"
).replace("{these}", _THESE)
"""One by one in the order of the names, which is the same for all nodes; by the index, whatever the planner knows."""
_PARTS = (
    "SELECT l.* FROM {these} CROSS JOIN LATERAL (SELECT l.whose, l.kind, l.start, l.node, l.incarnation, l.turn, l.used,"
    " l.share, l.until FROM leases l WHERE l.whose = a.whose AND l.kind = a.kind AND l.start = a.start OFFSET 0) l"
).replace("{these}", _THESE)
_KEEP = (
    "UPDATE spending s SET most = a.most, told = a.told, base = a.base, full_at = a.full_at, ends = a.ends"
    " FROM unnest(%(whose)s::text[], %(kind)s::text[], %(start)s::int8[], %(most)s::int8[], %(told)s::int8[],"
    " %(base)s::int8[], %(full_at)s::float8[], %(ends)s::float8[])"
    " AS a (whose, kind, start, most, told, base, full_at, ends)"
    " WHERE s.whose = a.whose AND s.kind = a.kind AND s.start = a.start"
)
_LEND = (
    "INSERT INTO leases AS l (whose, kind, start, node, incarnation, turn, used, share, until)"
    " SELECT whose, kind, start, %(node)s, %(incarnation)s, turn, used, share, until"
    " FROM unnest(%(whose)s::text[], %(kind)s::text[], %(start)s::int8[], %(turn)s::int8[], %(used)s::int8[],"
    " %(share)s::int8[], %(until)s::float8[]) AS a (whose, kind, start, turn, used, share, until)"
    " ON CONFLICT (whose, kind, start, node) DO UPDATE SET incarnation = excluded.incarnation, turn = excluded.turn,"
    " used = excluded.used, share = excluded.share, until = excluded.until"
)
_CLEAN = (
    "WITH old AS (DELETE FROM spending WHERE (whose, kind, start) IN (SELECT whose, kind, start FROM spending"
    " WHERE ends < extract(epoch FROM clock_timestamp()) - %(seconds)s LIMIT %(many)s FOR UPDATE SKIP LOCKED)"
    " RETURNING whose, kind, start) DELETE FROM leases l USING old"
    " WHERE l.whose = old.whose AND l.kind = old.kind AND l.start = old.start"
)

_Name = tuple[str, str, int]


class _Row(NamedTuple):
    """One limit. base: of a budget, what was spent before nodes had parts of it, None = they have none. now: when it was
    read."""

    whose: str
    kind: str
    start: int
    most: int
    told: int
    base: int | None
    full_at: float
    now: float


class _Part(NamedTuple):
    """A node's row of one limit."""

    whose: str
    kind: str
    start: int
    node: str
    incarnation: str
    turn: int
    used: int
    share: int
    until: float


class Lent(NamedTuple):
    """given: in the order of the questions; None of a question that came too late. reached: budgets of which so much is
    spent now that it is to be told, once for all nodes."""

    given: list[LeaseGiven | None]
    reached: list[Reached]


class LeaseBook:
    """Any thread may use it."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._made: set[_Name] = set()
        self._count = 0

    def take(
        self,
        asks: Sequence[LeaseAsk],
        node: str,
        incarnation: str,
        nodes: int,
        logged: Mapping[tuple[str, Limit], int] = MappingProxyType({}),
    ) -> Lent:
        """Answers one node, as one change. nodes: how many live. logged: what the log holds of budgets that are fresh, by
        the limit's name. Raises PointsmanError; the same question may come again."""
        names = sorted({_name(one) for one in asks})
        fresh = [one for one in names if one not in self._made]
        if fresh:
            with self._server.raw(ASK_SECONDS) as link:
                link.execute(_MAKE, _columns(fresh))
            self._made.update(fresh)
        self._count += 1
        if self._count % _CLEAN_EVERY == 1:
            self.clean()
        with self._server.transaction(write=True, seconds=ASK_SECONDS) as connection:
            change = _Change(driver_of(connection), names, node, incarnation)
            given = [change.answered(one, nodes, logged.get(one.limit.name)) for one in asks]
            change.keep()
        if change.missing:
            self._made.difference_update(change.missing)
        return Lent(given, change.reached)

    def clean(self) -> None:
        """Takes out what belongs to periods that have been over for long."""
        with self._server.raw(ASK_SECONDS) as link:
            link.execute(_CLEAN, {"seconds": _OVER_SECONDS, "many": _MANY})


class _Change:
    """Limits that are locked, with all nodes' parts of them. missing: which are not there any more."""

    def __init__(
        self, driver: psycopg.Connection[Any], names: Sequence[_Name], node: str, incarnation: str
    ) -> None:
        self._driver = driver
        self._node, self._incarnation = node, incarnation
        columns = _columns(names)
        locked = [_Row(*row) for row in driver.execute(_LOCK, columns)]
        # A statement of its own: what the lock was waited for is seen only by one that begins after it.
        self._parts: dict[_Name, list[_Part]] = {}
        for row in driver.execute(_PARTS, columns):
            self._parts.setdefault(row[:3], []).append(_Part(*row))
        self._rows = {(row.whose, row.kind, row.start): row for row in locked}
        self.missing = [one for one in names if one not in self._rows]
        self.reached: list[Reached] = []
        self._limits: list[tuple[object, ...]] = []
        self._lent: list[tuple[object, ...]] = []

    def answered(self, ask: LeaseAsk, nodes: int, logged: int | None) -> LeaseGiven | None:
        name = _name(ask)
        row = self._rows.get(name)
        if row is None:
            return None
        parts = self._parts.get(name, [])
        own = next((one for one in parts if one.node == self._node), None)
        if own is not None and own.incarnation == self._incarnation and own.turn > ask.turn:
            return None
        rest, base = [one for one in parts if one is not own], row.base
        if logged is not None:
            known = None if own is None else (own.used, own.share)
            quiet = all(one.until < row.now for one in rest)
            used, base = slices.begun(ask, logged, base, known, sum(one.used for one in rest), quiet=quiet)
            ask = replace(ask, used=used)
        others = _others(ask.limit, rest, base or 0, row)
        given, full_at = slices.of(ask, others, nodes, row.now)
        told = self._told(ask, others, row) if ask.limit.is_budget else 0
        if (ask.limit.most, told, base, full_at) != (row.most, row.told, row.base, row.full_at):
            self._limits.append((*name, ask.limit.most, told, base, full_at, ask.ends))
        if ask.limit.is_budget or ask.limit.kind is Limit.PARALLEL:
            until = row.now + LEASE_SECONDS
            self._lent.append((*name, ask.turn, ask.used, given.share + given.beyond, until))
        return given

    def _told(self, ask: LeaseAsk, others: Others, row: _Row) -> int:
        """Percent that somebody has been told of, now with what this answer comes to."""
        limit, spent = ask.limit, ask.used + others.used
        told = int(row.told) if row.most == limit.most else 0
        percent = spent * 100 // limit.most if limit.most else 100
        reached = 100 if percent >= 100 else limit.warn if percent >= limit.warn else 0
        if reached <= told:
            return told
        self.reached.append(Reached(limit, reached, spent, ask.ends))
        return reached

    def keep(self) -> None:
        who = {"node": self._node, "incarnation": self._incarnation}
        if self._limits:
            fields = ("whose", "kind", "start", "most", "told", "base", "full_at", "ends")
            self._driver.execute(_KEEP, _listed(fields, self._limits))
        if self._lent:
            lent = ("whose", "kind", "start", "turn", "used", "share", "until")
            self._driver.execute(_LEND, who | _listed(lent, self._lent))


def _others(limit: LimitSpec, parts: Sequence[_Part], base: int, row: _Row) -> Others:
    """A node that is not heard of: what it held of a budget counts whole for a day, its places no longer than its lease."""
    if not limit.is_budget:
        return Others(sum(one.share for one in parts if one.until > row.now), full_at=row.full_at)
    lost = row.now - KEPT_SECONDS
    return Others(
        base + sum(one.share if one.until > lost else one.used for one in parts),
        base + sum(one.used for one in parts),
        sum(max(0, one.share - one.used) for one in parts if one.until > row.now),
    )


def _name(ask: LeaseAsk) -> _Name:
    since = ask.since or 0.0
    return ask.limit.whose, ask.limit.kind.value, 0 if math.isinf(since) else int(since)


def _columns(names: Sequence[_Name]) -> dict[str, object]:
    return _listed(("whose", "kind", "start"), names)


def _listed(fields: Sequence[str], rows: Sequence[tuple[object, ...]]) -> dict[str, object]:
    return {name: [row[place] for row in rows] for place, name in enumerate(fields)}
