"""Lets requests in against the limits of the gateway's accounts, wherever those are held.

One process alone holds them itself (Cashier), having asked the control plane what was spent before: then a request is let in
from memory, also while the control plane is away. Where several serve, the control plane has the Cashier and each process
asks it (RemoteCashier). Not here: which limits a request has (gateway/spending), the arithmetic (ledger/accounts.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from typing import Protocol as TypingProtocol

from ..errors import PointsmanError
from ..kinds import Limit
from ..ledger.accounts import (
    Account,
    Accounts,
    BudgetAccount,
    Level,
    LimitSpec,
    Reservation,
    Shortfall,
    Want,
    reserved,
)
from .client import LinkClient, cannot_tell_spent
from .messages import Reached, Reserve, Reserved, Settle

Asked = tuple[tuple[str, Limit, float | None], ...]
AskSpent = Callable[[Asked, Callable[[], None]], Awaitable[tuple[int, ...]]]
"""See LinkClient.spent."""
Wanted = Sequence[tuple[LimitSpec, int]]
"""Limits, and how much of each."""


class Decided(NamedTuple):
    """receipt: what is settled later, None where it was refused. seen: how the limits stand now."""

    receipt: Reservation | int | None
    refused: Shortfall | None
    seen: Sequence[Level]


class Spending(TypingProtocol):
    """What a data-plane process asks. Raises PointsmanError 503 while it cannot be told what was spent."""

    def follow(self, limits: Iterable[LimitSpec]) -> None:
        """There are these limits now."""

    async def look(self, wanted: Wanted) -> Decided:
        """Would it be let in now? Nothing is taken."""

    async def admit(self, wanted: Wanted) -> Decided:
        """All or none."""

    def settle(self, receipt: Reservation | int, used: Mapping[Limit, int | None]) -> None:
        """It took so much, by kind; None = nobody knows, and what was reserved counts. Settled again it changes nothing."""


class Cashier:
    """ask: who knows what was spent before. reached: told of budgets of which so much is spent that it is to be told."""

    def __init__(self, ask: AskSpent, reached: Callable[[Reached], object]) -> None:
        self._ask = ask
        self._reached = reached
        self._accounts = self._made()
        self._asking: asyncio.Task[None] | None = None

    @staticmethod
    def _made() -> Accounts:
        return Accounts()

    def follow(self, limits: Iterable[LimitSpec]) -> None:
        """See Spending."""
        self._accounts.follow(limits, time.time())

    def budgets(self) -> list[BudgetAccount]:
        """All of them."""
        return self._accounts.budgets()

    async def look(self, wanted: Wanted) -> Decided:
        """See Spending."""
        wants = await self._known(wanted)
        now, wall = time.monotonic(), time.time()
        refused = self._accounts.refusal(wants, now, wall)
        return Decided(None, refused, [account.seen(now, wall) for account, _ in wants])

    def accounts(self, limits: Iterable[LimitSpec]) -> list[Account]:
        """Of those limits that there are."""
        found = (self._accounts.of(limit) for limit in limits)
        return [one for one in found if one is not None]

    def at_once(
        self, first: Sequence[Want], second: Sequence[Want]
    ) -> tuple[Reservation, Reservation] | None:
        """Both or none, without a wait; None where something must be asked first, or it is refused."""
        now, wall = time.monotonic(), time.time()
        for account, amount in (*first, *second):
            account.look(now, wall)
            if isinstance(account, BudgetAccount) and not account.known:
                return None
            if account.refusal(amount, now, wall) is not None:
                return None
        return reserved(first, now), reserved(second, now)

    async def admit(self, wanted: Wanted) -> Decided:
        """See Spending."""
        return self._decided(await self._known(wanted))

    def _decided(self, wants: list[Want]) -> Decided:
        now, wall = time.monotonic(), time.time()
        found = self._accounts.admit(wants, now, wall)
        seen = [account.seen(now, wall) for account, _ in wants]
        return Decided(None, found, seen) if isinstance(found, Shortfall) else Decided(found, None, seen)

    def settle(self, receipt: Reservation | int, used: Mapping[Limit, int | None]) -> None:
        """See Spending."""
        assert isinstance(receipt, Reservation)
        for account in receipt.settle(used, time.monotonic()):
            if isinstance(account, BudgetAccount) and account.known and (percent := account.due) is not None:
                self._reached(Reached(account.limit, percent, account.spent, account.period.until))

    def forget(self, receipts: Iterable[Reservation]) -> None:
        """Of a process that is gone: what it took is in the log, or nowhere; so is what it let in by itself, if it was alone
        once. The log is asked again."""
        for one in receipts:
            one.settle({}, time.monotonic())
        for account in self._accounts.budgets():
            account.known = False

    def _wants(self, wanted: Wanted) -> list[Want]:
        found = ((self._accounts.of(limit), amount) for limit, amount in wanted)
        return [Want(account, amount) for account, amount in found if account is not None]

    async def _known(self, wanted: Wanted) -> list[Want]:
        """What was spent of them before is known when this returns."""
        wants = self._wants(wanted)
        while self._accounts.unknown(wants, time.monotonic(), time.time()):
            if self._asking is None or self._asking.done():
                self._asking = asyncio.get_running_loop().create_task(self._learn())
                self._asking.add_done_callback(
                    lambda done: done.cancelled() or done.exception()
                )  # all may have left
            await asyncio.shield(self._asking)
        return wants

    async def _learn(self) -> None:
        """Of all budgets whose past is not known; one question for whoever asks meanwhile."""
        budgets = [one for one in self._accounts.budgets() if not one.known]
        for one in budgets:
            one.look(time.monotonic(), time.time())
        periods = [one.period for one in budgets]
        asked = tuple((*one.limit.name, period.since) for one, period in zip(budgets, periods, strict=True))

        def marked() -> None:
            for one in budgets:
                one.count_from_now()

        for one, spent, period in zip(budgets, await self._ask(asked, marked), periods, strict=True):
            one.learn(spent, period)


class RemoteCashier:
    """See Spending; the accounts are the control plane's."""

    def __init__(self, link: LinkClient) -> None:
        self._link = link

    def follow(self, limits: Iterable[LimitSpec]) -> None:
        """The control plane knows."""

    async def look(self, wanted: Wanted) -> Decided:
        """See Spending."""
        return await self._told(wanted, hold=False)

    async def admit(self, wanted: Wanted) -> Decided:
        """See Spending."""
        return await self._told(wanted, hold=True)

    async def _told(self, wanted: Wanted, *, hold: bool) -> Decided:
        if not wanted:
            return Decided(None, None, ())
        found = await self._asked(wanted, hold=hold)
        seen = [Level(*one) for one in found.seen]
        if found.refused is not None:
            return Decided(None, Shortfall(*found.refused), seen)
        return Decided(found.number if hold else None, None, seen)

    def settle(self, receipt: Reservation | int, used: Mapping[Limit, int | None]) -> None:
        """See Spending. What cannot be said now is found in the log."""
        assert isinstance(receipt, int)
        self._link.say(Settle(receipt, {kind.value: count for kind, count in used.items()}))

    async def _asked(self, wanted: Wanted, *, hold: bool) -> Reserved:
        amounts = tuple((*limit.name, amount) for limit, amount in wanted)
        found = await self._link.questions.ask(
            self._link.say, lambda number: Reserve(number, amounts, hold), Reserved, cannot_tell_spent
        )
        if not found.able:
            raise cannot_tell_spent()
        return found


class CashierServer:
    """The control plane's side of RemoteCashier: whose receipt is which. Each process's numbers are its own.

    orphans_seconds: how long what a process had reserved counts after it is gone, until the next one has handed up what it
    left on disk."""

    def __init__(self, cashier: Cashier, orphans_seconds: float = 10.0) -> None:
        self._cashier = cashier
        self._orphans_seconds = orphans_seconds
        self._held: dict[int, dict[int, Reservation]] = {}  # by pid

    async def reserve(
        self, pid: int, asked: Reserve, limits: Mapping[tuple[str, Limit], LimitSpec]
    ) -> Reserved:
        """limits: all there are, by name; one that is gone is no limit."""
        wanted = [
            (limits[whose, kind], amount) for whose, kind, amount in asked.wanted if (whose, kind) in limits
        ]
        try:
            found = await (self._cashier.admit(wanted) if asked.hold else self._cashier.look(wanted))
        except PointsmanError:
            return Reserved(asked.number, able=False)
        if isinstance(found.receipt, Reservation):
            self._held.setdefault(pid, {})[asked.number] = found.receipt
        return Reserved(asked.number, found.refused, tuple(found.seen))

    def settle(self, pid: int, told: Settle) -> None:
        """Of what it has reserved."""
        receipt = self._held.get(pid, {}).pop(told.number, None)
        if receipt is not None:
            self._cashier.settle(receipt, {Limit(kind): count for kind, count in told.used.items()})

    def left(self, pid: int, connected: Callable[[], bool]) -> None:
        """A connection of that process has ended. connected: has it another by now?"""
        if pid:
            asyncio.get_running_loop().call_later(self._orphans_seconds, self._forget, pid, connected)

    def _forget(self, pid: int, connected: Callable[[], bool]) -> None:
        if not connected():
            self._cashier.forget(self._held.pop(pid, {}).values())
