"""How much of a limit one of several gateways gets to use by itself, for a while: the questions, the answers, the decision.

Each node's part is told as a whole number that the node may come to, never as a difference: an answer that is lost changes
nothing. Pure. Not here: the node's side (leased.py), and where the parts stand (admin/store/leases.py).
"""

from __future__ import annotations

import math

import msgspec

from ..kinds import Limit
from .accounts import RATE_SECONDS, LimitSpec

LEASE_SECONDS = 10.0
"""How long places are a node's after it has asked; renewed at half of it."""
RENEW_SECONDS = LEASE_SECONDS / 2
SCARCE_SECONDS = 1.0
"""Renewed so often where little is free for others: what a node does not need goes back."""
KEPT_SECONDS = 86_400.0
"""What a node holds of a budget is its own for so long after its last question; then it is taken for lost, with what it has
not told of. Until then a node that is away may go on within it, and what it told last of is counted whole."""


class LeaseAsk(msgspec.Struct, frozen=True):
    """turn: grows from question to question of a node; one that comes late is not answered. since, ends: the period's, unix
    seconds; None of all time and of what is no budget. fresh: this process knows nothing of before. used: by this node in
    that period, settled. hold: what it has of it beyond, and keeps: reserved, or open. back: of a rate, what it gives back,
    or owes where it is less than nothing. least: without so much more it lets nothing in; 0 = it could. want: it would like
    so much more."""

    limit: LimitSpec
    turn: int = 0
    since: float | None = None
    ends: float | None = None
    fresh: bool = False
    used: int = 0
    hold: int = 0
    back: int = 0
    least: int = 0
    want: int = 0


class LeaseGiven(msgspec.Struct, frozen=True):
    """share: of a budget, what this node may have used in the period; of places, how many it may have; of a rate, what it
    may take besides. more: what of it is new. own: what counts as used by this node. elsewhere: of a budget
    and of places, what others have used; of a rate, what is left for all. sole: no other node that lives holds any of what
    is left. scarce: little is free."""

    share: int
    more: int = 0
    own: int = 0
    elsewhere: int = 0
    beyond: int = 0
    scarce: bool = False


class Others(msgspec.Struct, frozen=True):
    """What is not this node's of an account. shares: all that counts as others'. used: of it, what they have told of. idle:
    of it, what those that live hold and have not told of. full_at: of a rate, unix seconds by the database's clock."""

    shares: int = 0
    used: int = 0
    idle: int = 0
    full_at: float = -math.inf


def begun(
    ask: LeaseAsk, logged: int, base: int | None, own: tuple[int, int] | None, others: int, *, quiet: bool
) -> tuple[int, int]:
    """(what counts as used by this node, what counts as used by nobody), of a budget whose node knows nothing of before.

    logged: by all, in the log. base: of it, what was there before there were parts; None = there are none. own: (used,
    share) of this node's last process. others: what the others have told of. quiet: none of them has asked for so long
    that all they used is in the log: then what nobody has told of was the last process's. Else all that it held counts, for
    nobody can tell what it used."""
    if base is None:
        return ask.used, max(0, logged - ask.used)
    if own is None:
        return ask.used, base
    used, share = own
    most = max(used, share)
    if quiet:
        most = min(most, used + max(0, logged - base - others - used))
    return max(ask.used, most), base


def slice_of(free: int, nodes: int, ask: LeaseAsk) -> int:
    """What the node gets of what is free, where `least` of it is: half of an equal part at most, but what it needs."""
    return max(ask.least, min(ask.want, free // (2 * max(1, nodes))))


def of_budget(ask: LeaseAsk, others: Others, nodes: int) -> LeaseGiven:
    """A node that cannot be given enough gets what is left where nobody else holds any, and nothing where somebody does."""
    free = max(0, ask.limit.most - others.shares - ask.used - ask.hold)
    given, beyond = min(slice_of(free, nodes, ask), free), 0
    if given < ask.least:
        given = given if others.idle <= 0 else 0
        beyond = ask.least - given if given else 0
    scarce = free - given <= nodes * max(ask.least, ask.want)
    return LeaseGiven(ask.used + ask.hold + given, given, ask.used, others.used, beyond, scarce)


def of_places(ask: LeaseAsk, others: Others, nodes: int) -> LeaseGiven:
    """What it has open stays its own, also where that is too much."""
    free = ask.limit.most - others.shares - ask.hold
    given = max(0, min(free, slice_of(free, nodes, ask)))
    return LeaseGiven(ask.hold + given, given, 0, others.shares, scarce=free - given < nodes)


def of_rate(ask: LeaseAsk, others: Others, nodes: int, now: float) -> tuple[LeaseGiven, float]:
    """now: unix seconds by the database's clock. Also when all of it is there again."""
    each = RATE_SECONDS / ask.limit.most
    full_at = others.full_at - ask.back * each
    behind = max(0.0, full_at - now)
    room = max(0, int((RATE_SECONDS - behind) / each + 1e-6))
    given = slice_of(room, nodes, ask)
    if given > room and behind:  # what is more than a minute's needs a full minute, or would never be let in
        given = 0
    if given:
        full_at = max(full_at, now) + given * each
    left = max(0, room - given)
    return LeaseGiven(given, given, 0, left, scarce=left * 4 < ask.limit.most), full_at


def of(ask: LeaseAsk, others: Others, nodes: int, now: float) -> tuple[LeaseGiven, float]:
    """Whatever it is of."""
    if ask.limit.is_budget:
        return of_budget(ask, others, nodes), others.full_at
    if ask.limit.kind is Limit.PARALLEL:
        return of_places(ask, others, nodes), others.full_at
    return of_rate(ask, others, nodes, now)
