"""Accounts of a gateway that shares its limits with others: each holds a part, and asks for more before it lets more in.

The part of a budget lasts until it is used, places until their time is over. Where nobody can be asked, an account goes on
within its part, and then refuses, or counts as if this gateway were alone (`adrift`). Pure: time is given. Not here: how
much a node gets (slices.py), who asks and when (link/leasing.py).
"""

from __future__ import annotations

import math

from ..kinds import Limit
from .accounts import (
    RATE_SECONDS,
    Account,
    BudgetAccount,
    Level,
    LimitSpec,
    PlacesAccount,
    RateAccount,
    Shortfall,
)
from .periods import ALL_TIME, Span, period_at
from .slices import KEPT_SECONDS, LEASE_SECONDS, RENEW_SECONDS, SCARCE_SECONDS, LeaseAsk, LeaseGiven

PAUSE_SECONDS = 0.5
"""Before more is asked for where there was not enough."""
LOST_SECONDS = 1.0
"""Before it is asked again where nobody answered."""
_AGAIN = 1.0
"""Seconds after which a client may try again: others may have given something back."""
_UNDER_WAY = 4.0
"""Seconds that a question takes at most until it is read, or it is not."""


def _turn(now: float) -> int:
    return int(now * 1e9)


class Lease:
    """What a leased account knows of its part. asked_at: when it last was, monotonic; until: how long the answer is good.
    not_before: it is not asked again sooner. lost: nobody has answered the last time. waiting: what requests need that wait
    for an answer. peak, taken: the most that was promised at once, and what was taken or used, since it was asked."""

    __slots__ = (
        "adrift", "asked_at", "beyond", "elsewhere", "last", "lost", "not_before", "peak", "scarce", "share", "taken",
        "until", "waiting",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clear()
        self.adrift = self.lost = False
        self.asked_at = self.not_before = -math.inf
        self.waiting: list[int] = []

    def clear(self) -> None:
        """Of another period: nothing of it is known."""
        self.share = self.beyond = self.elsewhere = self.peak = self.taken = self.last = 0
        self.scarce = False
        self.until = -math.inf

    def wish(self, now: float, promised: int) -> int:
        """What it will use until it asks again, by what it has used lately, and for requests under way as many as there
        were. promised: to those under way."""
        rate = self.taken / max(1.0, now - self.asked_at) if self.asked_at > -math.inf else 0.0
        return math.ceil(rate * RENEW_SECONDS) + max(0, self.peak - promised)

    def wants(self, wish: int, has: int) -> tuple[int, int]:
        """(least, want) of an ask; those who wait are taken care of. Who comes again and again gets twice as much each
        time."""
        least, many = min(self.waiting, default=0), sum(self.waiting)
        if self.waiting:
            wish = max(wish, 2 * self.last)
        self.waiting.clear()
        return least, max(many, wish - has)

    def asked(self, now: float, promised: int) -> None:
        """A new stretch begins."""
        self.asked_at, self.peak, self.taken = now, promised, 0

    def told(self, given: LeaseGiven, asked: LeaseAsk, sent_at: float, seconds: float) -> None:
        """An answer to what was sent then."""
        self.elsewhere, self.beyond, self.scarce = given.elsewhere, given.beyond, given.scarce
        self.until, self.adrift, self.lost = sent_at + seconds, False, False
        self.last = given.more
        self.not_before = sent_at + PAUSE_SECONDS if given.more < asked.least else -math.inf

    def unanswered(self, now: float, adrift: bool) -> None:
        """adrift: what is not known no longer holds requests up."""
        self.lost, self.adrift = True, self.adrift or adrift
        self.not_before = now + LOST_SECONDS

    def forget(self) -> None:
        """Nothing is wanted any more."""
        self.peak = self.taken = self.last = 0
        self.asked_at = self.not_before = -math.inf

    def is_due(self, now: float) -> bool:
        """Of an account that has something to tell or to give back."""
        return now >= self.not_before and now - self.asked_at >= (
            SCARCE_SECONDS if self.scarce else RENEW_SECONDS
        )


class LeasedAccount(Account):
    """What each of the three below has besides. span: its period."""

    __slots__ = ()
    lease: Lease
    is_fresh = False

    @property
    def span(self) -> Span:
        return ALL_TIME

    def lacks(self, amount: int, now: float, wall: float) -> bool:
        """Would asking help?"""
        return self.refusal(amount, now, wall) is not None

    def holds(self) -> bool:
        """Is there anything to tell, to keep, or to give back?"""
        raise NotImplementedError

    def is_due(self, now: float) -> bool:
        """Is it to be renewed without anybody waiting?"""
        return self.lease.is_due(now) and self.holds()

    def ask(self, now: float) -> LeaseAsk:
        """The question; from now on no more is used than it says."""
        raise NotImplementedError

    def learn_lease(self, given: LeaseGiven, asked: LeaseAsk, span: Span, sent_at: float) -> None:
        """The answer. span: its own when it was asked; sent_at: monotonic, before it was."""
        raise NotImplementedError

    def drift(self, now: float, adrift: bool) -> None:
        """Nobody has answered."""
        self.lease.unanswered(now, adrift)


class LeasedBudget(BudgetAccount, LeasedAccount):
    """lease.share: so much may be used in the period by this node; spent: was. Who passes which part of the budget is told
    where all of it is known (admin/store/leases.py)."""

    __slots__ = ("_told", "lease")

    def __init__(self, limit: LimitSpec, period: Span) -> None:
        super().__init__(limit, period)
        self.lease = Lease()
        self._told = 0  # of `spent`

    @property
    def span(self) -> Span:
        return self.period

    @property
    def is_fresh(self) -> bool:  # type: ignore[override]
        return not self.known or self.lease.until == -math.inf

    def look(self, now: float, wall: float) -> None:
        period = self.period
        super().look(now, wall)
        if self.period is not period:
            self.lease.clear()
            self._told = 0

    @property
    def left(self) -> int:
        return max(0, self.limit.most - self.lease.elsewhere - self.spent - self.reserved)

    @property
    def due(self) -> None:
        """Told of by who knows what the others have spent."""

    def refusal(self, amount: int, now: float, wall: float) -> Shortfall | None:
        lease, most = self.lease, self.limit.most
        gone = lease.elsewhere + self.spent >= most
        if lease.adrift:
            room, has = most - lease.elsewhere - self.spent - self.reserved, not gone
        else:
            room = lease.share - self.spent - self.reserved
            has = not gone and self.spent < lease.share and now < lease.until
        if has and (amount <= room or (not self.open and (lease.adrift or amount <= room + lease.beyond))):
            return None
        if not gone:
            return Shortfall(self.limit, max(1, self.left), _AGAIN)
        wait = self.period.end - wall
        return Shortfall(self.limit, 0, None if math.isinf(wait) else max(0.0, wait))

    def lacks(self, amount: int, now: float, wall: float) -> bool:
        self.look(now, wall)
        return not self.known or self.refusal(amount, now, wall) is not None

    def take(self, amount: int, now: float) -> Span:
        period = super().take(amount, now)
        self.lease.peak = max(self.lease.peak, self.reserved)
        return period

    def settle(self, reserved: int, used: int, period: Span, now: float) -> None:
        super().settle(reserved, used, period, now)
        if period == self.period:
            self.lease.taken += used

    def holds(self) -> bool:
        held = self.lease.share > self.spent or self.reserved > 0 or self.lease.adrift
        return held or (self.known and self.spent != self._told)

    def ask(self, now: float) -> LeaseAsk:
        lease = self.lease
        fresh, idle = self.is_fresh, max(0, lease.share - self.spent - self.reserved)
        wish = lease.wish(now, self.reserved)
        keep = 0 if lease.waiting or fresh else min(idle, wish)
        lease.share, lease.beyond = min(lease.share, self.spent + self.reserved + keep), 0
        least, want = lease.wants(wish, keep)
        lease.asked(now, self.reserved)
        period = (self.period.since, self.period.until)
        return LeaseAsk(
            self.limit, _turn(now), *period, fresh, self.spent, self.reserved + keep, 0, least, want
        )

    def learn_lease(self, given: LeaseGiven, asked: LeaseAsk, span: Span, sent_at: float) -> None:
        if span != self.period:
            return
        if asked.fresh:
            self.learn(given.own, span)
        self.known = True
        self.lease.share = given.share
        self.lease.told(given, asked, sent_at, KEPT_SECONDS)
        self._told = given.own if asked.fresh else asked.used

    def drift(self, now: float, adrift: bool) -> None:
        super().drift(now, adrift)
        self.known = self.known or adrift


class LeasedRate(RateAccount, LeasedAccount):
    """lease.share: so much may be taken before more is asked for; less than nothing where requests have used more than they
    had reserved."""

    __slots__ = ("lease",)

    def __init__(self, limit: LimitSpec) -> None:
        super().__init__(limit)
        self.lease = Lease()

    def _room(self, now: float) -> int:
        """What is there for all, by the last answer."""
        lease = self.lease
        passed = max(0.0, now - lease.asked_at) if lease.until > -math.inf else 0.0
        return min(self.limit.most, lease.elsewhere + int(passed * self.limit.most / RATE_SECONDS))

    def refusal(self, amount: int, now: float, wall: float) -> Shortfall | None:
        if self.lease.adrift:
            return super().refusal(amount, now, wall)
        if amount <= self.lease.share and now < self.lease.until:
            return None
        short = min(amount, self.limit.most) - self.lease.share - self._room(now)
        return Shortfall(
            self.limit, self._left(now), max(PAUSE_SECONDS, short * RATE_SECONDS / self.limit.most)
        )

    def take(self, amount: int, now: float) -> Span:
        self.lease.taken += amount
        if self.lease.adrift:
            return super().take(amount, now)
        self.lease.share -= amount
        return Span(now, now)

    def settle(self, reserved: int, used: int, period: Span, now: float) -> None:
        if self.lease.adrift:
            super().settle(reserved, used, period, now)
        elif self.limit.kind is not Limit.REQUESTS:
            self.lease.share += reserved - used
            self.lease.taken += used - reserved

    def _left(self, now: float) -> int:
        if self.lease.adrift:
            return super()._left(now)
        return max(0, min(self.limit.most, self.lease.share + self._room(now)))

    def seen(self, now: float, wall: float) -> Level:
        if self.lease.adrift:
            return super().seen(now, wall)
        left = self._left(now)
        return Level(self.limit, left, (self.limit.most - left) * RATE_SECONDS / self.limit.most)

    def holds(self) -> bool:
        return self.lease.share != 0 or self.lease.adrift

    def ask(self, now: float) -> LeaseAsk:
        lease = self.lease
        wish = max(0, lease.wish(now, 0))
        back = min(0, lease.share) if lease.waiting else min(0, lease.share) or max(0, lease.share - wish)
        lease.share -= back
        lease.waiting = [max(1, one - lease.share) for one in lease.waiting]
        least, want = lease.wants(wish, lease.share)
        lease.asked(now, 0)
        return LeaseAsk(self.limit, _turn(now), back=back, least=least, want=want)

    def learn_lease(self, given: LeaseGiven, asked: LeaseAsk, span: Span, sent_at: float) -> None:
        self.lease.share += given.share
        self.lease.told(given, asked, sent_at, LEASE_SECONDS)


class LeasedPlaces(PlacesAccount, LeasedAccount):
    """lease.share: so many may be open here."""

    __slots__ = ("lease",)

    def __init__(self, limit: LimitSpec) -> None:
        super().__init__(limit)
        self.lease = Lease()

    def refusal(self, amount: int, now: float, wall: float) -> Shortfall | None:
        if self.lease.adrift:
            return super().refusal(amount, now, wall)
        if self.open < self.lease.share and now < self.lease.until:
            return None
        return Shortfall(self.limit, 0, _AGAIN)

    def take(self, amount: int, now: float) -> Span:
        span = super().take(amount, now)
        self.lease.peak = max(self.lease.peak, self.open)
        return span

    def seen(self, now: float, wall: float) -> Level:
        return Level(self.limit, max(0, self.limit.most - self.lease.elsewhere - self.open), 0.0)

    def holds(self) -> bool:
        return self.lease.share > 0 or self.open > 0 or self.lease.adrift

    def ask(self, now: float) -> LeaseAsk:
        lease = self.lease
        idle = max(0, lease.share - self.open)
        wish = 0 if lease.scarce else max(0, lease.peak - self.open)
        keep = idle if lease.waiting else min(idle, wish)
        if now > lease.until - _UNDER_WAY:
            keep = 0  # when the question is read they may be somebody else's
        lease.share = min(lease.share, self.open + keep)
        least, want = lease.wants(wish, keep)
        lease.asked(now, self.open)
        return LeaseAsk(self.limit, _turn(now), hold=self.open + keep, least=least, want=want)

    def learn_lease(self, given: LeaseGiven, asked: LeaseAsk, span: Span, sent_at: float) -> None:
        self.lease.share = given.share
        self.lease.told(given, asked, sent_at, LEASE_SECONDS)


def leased_account(limit: LimitSpec, wall: float) -> LeasedAccount:
    """See accounts.Accounts."""
    if limit.is_budget:
        return LeasedBudget(limit, period_at(limit.per, limit.zone, wall))
    return LeasedPlaces(limit) if limit.kind is Limit.PARALLEL else LeasedRate(limit)
