"""What may be used, what is used, and what is promised to requests under way: budgets by period, rates, places at once.

One decision a request over all of its accounts, all or none, without a wait in between. A reservation is made for the
most that a request may take, and settled by what it took, in the period in which it was let in. Pure: time is given.
Not here: who has which accounts (gateway/spending), and what was spent before this process (admin/store/usage.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ..kinds import Limit, Per
from .periods import Span, period_at
from .records import NANO

_PER = {Per.HOUR: "an hour", Per.DAY: "a day", Per.WEEK: "a week", Per.MONTH: "a month", Per.TOTAL: "in all"}
RATE_SECONDS = 60.0
"""Rates are by the minute: so much may come at once, and as much comes back in a minute."""


class LimitSpec(msgspec.Struct, frozen=True):
    """One limit as the data plane uses it. whose: `key/5`, `group/2`, `backend/openai`. most: requests, tokens, or
    nano-dollars. per, zone: the period, of MONEY and TOKENS. warn: percent of `most` from which it is told of."""

    whose: str
    kind: Limit
    most: int
    per: Per = Per.TOTAL
    zone: str = "UTC"
    warn: int = 80

    @property
    def is_budget(self) -> bool:
        """Does it count what the usage log holds?"""
        return self.kind in (Limit.MONEY, Limit.TOKENS)

    @property
    def name(self) -> tuple[str, Limit]:
        """Of its account: a limit that is changed keeps what was spent."""
        return self.whose, self.kind

    @property
    def said(self) -> str:
        """`$20.00 a day`, `60 requests a minute`."""
        if self.kind is Limit.MONEY:
            return f"{dollars(self.most)} {_PER[self.per]}"
        if self.kind is Limit.TOKENS:
            return f"{self.most:,} tokens {_PER[self.per]}"
        if self.kind is Limit.PARALLEL:
            return f"{self.most} requests at once"
        return f"{self.most:,} {'requests' if self.kind is Limit.REQUESTS else 'tokens'} a minute"


def dollars(nano: int) -> str:
    """`$0.50`; small sums with as many digits as it takes to see them."""
    amount = nano / NANO
    digits = 2
    while digits < 9 and abs(amount) < 10 and nano % 10 ** (9 - digits) and amount * 10**digits < 100:
        digits += 1
    return f"${amount:.{digits}f}"


class Shortfall(NamedTuple):
    """Why a request was not let in. left: of the limit. wait: seconds until it may be, None = not by waiting."""

    limit: LimitSpec
    left: int
    wait: float | None


class Level(NamedTuple):
    """How an account stands, for a client's headers and for lists. reset: seconds until all of it is there again, inf =
    never."""

    limit: LimitSpec
    left: int
    reset: float


class Want(NamedTuple):
    """amount: what is reserved."""

    account: Account
    amount: int


class Reservation:
    """What one request, or one attempt, has reserved. Settled once; what is settled again changes nothing."""

    __slots__ = ("_held",)

    def __init__(self, held: Sequence[tuple[Account, int, Span]]) -> None:
        self._held = held

    def settle(self, used: Mapping[Limit, int | None], now: float) -> list[Account]:
        """used: by kind; a kind that is left out took nothing, one that nobody knows what was reserved. now: monotonic
        seconds. The accounts that it was of."""
        held, self._held = self._held, ()
        for account, reserved, period in held:
            took = used.get(account.limit.kind, 0)
            account.settle(reserved, reserved if took is None else max(0, took), period, now)
        return [account for account, _, _ in held]


class Account:
    """See BudgetAccount, RateAccount and PlacesAccount."""

    __slots__ = ("limit",)

    def __init__(self, limit: LimitSpec) -> None:
        self.limit = limit

    def look(self, now: float, wall: float) -> None:
        """It is this late: a period may be over. now: monotonic, wall: unix seconds."""

    def refusal(self, amount: int, now: float, wall: float) -> Shortfall | None:
        """Why so much cannot be had now."""
        raise NotImplementedError

    def take(self, amount: int, now: float) -> Span:
        """So much is promised; the period in which."""
        raise NotImplementedError

    def settle(self, reserved: int, used: int, period: Span, now: float) -> None:
        """In place of what was reserved stands what was used."""
        raise NotImplementedError

    def seen(self, now: float, wall: float) -> Level:
        raise NotImplementedError


class BudgetAccount(Account):
    """Of money or tokens, in a period. known: has somebody said what was spent before?

    A request that may take more than what is left is let in all the same where nobody else is under way: what it may take
    is the worst case, and a budget of which a part is left would be worth nothing."""

    __slots__ = ("known", "open", "period", "reserved", "since", "spent", "told")

    def __init__(self, limit: LimitSpec, period: Span) -> None:
        super().__init__(limit)
        self.period = period
        self.known = False
        self.spent = 0
        self.reserved = 0
        self.open = 0
        self.since = 0  # spent after the moment that an answer to come will count up to
        self.told = 0  # percent that somebody has been told of

    def look(self, now: float, wall: float) -> None:
        if wall >= self.period.end or wall < self.period.start:
            self.period = period_at(self.limit.per, self.limit.zone, wall)
            self.spent = self.reserved = self.open = self.since = self.told = 0
            self.known = False  # a clock may have been set back into a period that had begun

    def count_from_now(self) -> None:
        """What is asked of the log now holds all that was settled until now."""
        self.since = 0

    def learn(self, spent: int, period: Span) -> None:
        """What the log holds of that period, as it was at count_from_now()."""
        if period == self.period:  # what was settled before and is not stored yet is in `spent` alone
            self.spent, self.known = max(self.spent, spent + self.since), True

    @property
    def left(self) -> int:
        return max(0, self.limit.most - self.spent - self.reserved)

    def refusal(self, amount: int, now: float, wall: float) -> Shortfall | None:
        most = self.limit.most
        if self.spent < most and (amount <= most - self.spent - self.reserved or not self.open):
            return None
        # While others are under way, what they do not use comes back.
        wait = self.period.end - wall if self.spent >= most else 1.0
        return Shortfall(self.limit, self.left, None if math.isinf(wait) else max(0.0, wait))

    def take(self, amount: int, now: float) -> Span:
        self.reserved += amount
        self.open += 1
        return self.period

    def settle(self, reserved: int, used: int, period: Span, now: float) -> None:
        if period != self.period:
            return  # it counts where it was let in, which is over
        self.reserved -= reserved
        self.open -= 1
        self.spent += used
        self.since += used

    def seen(self, now: float, wall: float) -> Level:
        return Level(self.limit, self.left, self.period.end - wall)

    @property
    def due(self) -> int | None:
        """The percentage that is to be told of now, once: the limit's warning, or 100; None of nothing new."""
        used = self.spent * 100 // self.limit.most if self.limit.most else 100
        reached = 100 if used >= 100 else self.limit.warn if used >= self.limit.warn else 0
        if reached <= self.told:
            return None
        self.told = reached
        return reached


class RateAccount(Account):
    """Requests or tokens a minute, by GCRA (the virtual scheduling algorithm of ITU-T I.371, with a burst of a minute)."""

    __slots__ = ("_full_at",)

    def __init__(self, limit: LimitSpec) -> None:
        super().__init__(limit)
        self._full_at = -math.inf  # monotonic: when all of it is there again; its theoretical arrival time

    def _after(self, amount: int, now: float) -> float:
        return max(self._full_at, now) + amount * RATE_SECONDS / self.limit.most

    def refusal(self, amount: int, now: float, wall: float) -> Shortfall | None:
        if self._full_at <= now:
            return None  # also of what is more than a minute's: it would never be let in
        wait = self._after(min(amount, self.limit.most), now) - now - RATE_SECONDS
        return None if wait <= 1e-9 else Shortfall(self.limit, self._left(now), wait)

    def take(self, amount: int, now: float) -> Span:
        self._full_at = self._after(amount, now)
        return Span(now, now)

    def settle(self, reserved: int, used: int, period: Span, now: float) -> None:
        if self.limit.kind is not Limit.REQUESTS:  # one request is one request
            self._full_at += (used - reserved) * RATE_SECONDS / self.limit.most

    def _left(self, now: float) -> int:
        behind = max(0.0, self._full_at - now)
        return max(0, int((RATE_SECONDS - behind) * self.limit.most / RATE_SECONDS + 1e-6))

    def seen(self, now: float, wall: float) -> Level:
        return Level(self.limit, self._left(now), max(0.0, self._full_at - now))


class PlacesAccount(Account):
    """Requests at once."""

    __slots__ = ("open",)

    def __init__(self, limit: LimitSpec) -> None:
        super().__init__(limit)
        self.open = 0

    def refusal(self, amount: int, now: float, wall: float) -> Shortfall | None:
        return None if self.open < self.limit.most else Shortfall(self.limit, 0, 1.0)

    def take(self, amount: int, now: float) -> Span:
        self.open += 1
        return Span(now, now)

    def settle(self, reserved: int, used: int, period: Span, now: float) -> None:
        self.open -= 1

    def seen(self, now: float, wall: float) -> Level:
        return Level(self.limit, max(0, self.limit.most - self.open), 0.0)


@dataclass(slots=True)
class Accounts:
    """All of one gateway, or of one process where there is only one. follow() before use. make: a new one, at that moment
    (unix seconds)."""

    make: Callable[[LimitSpec, float], Account] = field(default_factory=lambda: _account)
    _by_name: dict[tuple[str, Limit], Account] = field(default_factory=dict)

    def follow(self, limits: Iterable[LimitSpec], wall: float) -> None:
        """There are these limits now. What an account holds stays where its limit is changed, but for a budget whose
        period is another."""
        before, self._by_name = self._by_name, {}
        for limit in limits:
            known = before.get(limit.name)
            if isinstance(known, BudgetAccount) and (known.limit.per, known.limit.zone) != (
                limit.per,
                limit.zone,
            ):
                known = None
            if known is None:
                known = self.make(limit, wall)
            if known.limit.most != limit.most and isinstance(known, BudgetAccount):
                known.told = 0  # of another limit
            known.limit = limit
            self._by_name[limit.name] = known

    def of(self, limit: LimitSpec) -> Account | None:
        """None where the limit is gone."""
        return self._by_name.get(limit.name)

    def all(self) -> list[Account]:
        return list(self._by_name.values())

    def budgets(self) -> list[BudgetAccount]:
        return [one for one in self._by_name.values() if isinstance(one, BudgetAccount)]

    @staticmethod
    def unknown(wants: Iterable[Want], now: float, wall: float) -> list[BudgetAccount]:
        """Those of whose past nothing is known yet."""
        found = []
        for account, _ in wants:
            account.look(now, wall)
            if isinstance(account, BudgetAccount) and not account.known:
                found.append(account)
        return found

    @staticmethod
    def refusal(wants: Iterable[Want], now: float, wall: float) -> Shortfall | None:
        """Why they would not be let in; of several the one that waiting helps least."""
        worst: Shortfall | None = None
        for account, amount in wants:
            account.look(now, wall)
            refused = account.refusal(amount, now, wall)
            if refused is not None and (worst is None or _rank(refused) > _rank(worst)):
                worst = refused
        return worst

    @classmethod
    def admit(cls, wants: Sequence[Want], now: float, wall: float) -> Reservation | Shortfall:
        """All or none."""
        refused = cls.refusal(wants, now, wall)
        if refused is not None:
            return refused
        return reserved(wants, now)


def reserved(wants: Sequence[Want], now: float) -> Reservation:
    """All of it is taken: none of it would be refused."""
    return Reservation([(account, amount, account.take(amount, now)) for account, amount in wants])


def _rank(refused: Shortfall) -> float:
    return math.inf if refused.wait is None else refused.wait + (1e9 if refused.limit.is_budget else 0.0)


def _account(limit: LimitSpec, wall: float) -> Account:
    if limit.is_budget:
        return BudgetAccount(limit, period_at(limit.per, limit.zone, wall))
    return PlacesAccount(limit) if limit.kind is Limit.PARALLEL else RateAccount(limit)
