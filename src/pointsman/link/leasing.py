"""A Cashier whose gateway shares its limits with others on one database: it asks for a part of what is free before it lets
requests in, renews while it is used, and gives back what is not.

Many accounts a question, one question at a time, nobody waits who has a part left. Not here: how accounts hold their part
(ledger/leased.py), who gets how much (ledger/slices.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from ..errors import PointsmanError
from ..ledger.accounts import Accounts, BudgetAccount, LimitSpec, Want
from ..ledger.leased import LeasedAccount, leased_account
from ..ledger.slices import LeaseAsk, LeaseGiven
from .client import LinkClient, cannot_tell_spent
from .lease_messages import LeaseFound, LeaseQuestion
from .messages import Reached
from .questions import SECONDS
from .spending import Cashier, Wanted

log = logging.getLogger("pointsman.link")

AskLeases = Callable[[tuple[LeaseAsk, ...], Callable[[], None]], Awaitable[Sequence[LeaseGiven | None]]]
"""Questions, what is called when the log is read for those that are fresh; answers in their order. Raises PointsmanError."""
TICK_SECONDS = 0.5
"""Between two looks at what is to be renewed."""
STARTING_SECONDS = 5.0
"""From its start on, in which a process that gets no answer asks again, and requests wait: a balancer sends them as soon as
it listens, and the first answer takes longest."""
ALLOW = "allow"
"""Of Snapshot.leases: go on as if alone where nobody can be asked."""


def by_link(link: LinkClient) -> AskLeases:
    """The control plane is asked; what it reads from the log for those that are fresh holds all that was recorded until
    marked() is called, and nothing after."""

    async def ask(asks: tuple[LeaseAsk, ...], marked: Callable[[], None]) -> Sequence[LeaseGiven | None]:
        deadline = time.monotonic() + SECONDS
        if any(one.fresh for one in asks):
            await link.all_sent(deadline)
            marked()
        left = deadline - time.monotonic()
        found = await link.questions.ask(
            link.say, lambda number: LeaseQuestion(number, asks), LeaseFound, cannot_tell_spent, left
        )
        return found.given

    return ask


class LeasingCashier(Cashier):
    """ask: who has the parts of all. allow: what becomes of requests while nobody answers: let in as if this gateway were
    the only one, or refused. settled_at: monotonic, see STARTING_SECONDS."""

    def __init__(self, ask: AskLeases, *, allow: bool) -> None:
        super().__init__(_nobody, _nobody_told)
        self.allow = allow
        self.settled_at = time.monotonic() + STARTING_SECONDS
        self._ask_leases = ask
        self._formed = True  # has the question under way been written?
        self._renewing: asyncio.Task[None] | None = None

    @staticmethod
    def _made() -> Accounts:
        return Accounts(leased_account)

    def follow(self, limits: Iterable[LimitSpec]) -> None:
        """See Spending."""
        super().follow(limits)
        for account in self._leased():
            account.lease.not_before = 0.0  # it may be another limit

    def _leased(self) -> list[LeasedAccount]:
        return [one for one in self._accounts.all() if isinstance(one, LeasedAccount)]

    async def _known(self, wanted: Wanted) -> list[Want]:
        """All is there that can be had."""
        wants = self._wants(wanted)
        while True:
            now, wall = time.monotonic(), time.time()
            short = [
                (one, amount)
                for one, amount in wants
                if isinstance(one, LeasedAccount) and one.lacks(amount, now, wall)
            ]
            paused = [one.lease for one, _ in short if now < one.lease.not_before]
            if any(lease.lost and not lease.adrift for lease in paused):
                if now < self.settled_at:
                    await asyncio.sleep(min(lease.not_before for lease in paused) - now)
                    continue
                raise cannot_tell_spent()
            if paused or not short:
                return wants
            await self._asked_with(short)

    async def _asked_with(self, short: Iterable[tuple[LeasedAccount, int]]) -> None:
        if self._asking is None or self._asking.done():
            self._formed = False
            self._asking = asyncio.get_running_loop().create_task(self._learn())
        if not self._formed:
            for account, amount in short:
                account.lease.waiting.append(amount)
        await asyncio.shield(self._asking)

    async def _learn(self) -> None:
        """One question for all that somebody waits for, and all that are to be renewed."""
        now, wall = time.monotonic(), time.time()
        accounts = [one for one in self._leased() if one.lease.waiting or one.is_due(now)]
        for one in accounts:
            one.look(now, wall)
        asks = [(one, one.ask(now), one.span) for one in accounts]
        self._formed = True
        if not asks:
            return
        fresh = [one for one, asked, _ in asks if asked.fresh and isinstance(one, BudgetAccount)]

        def marked() -> None:
            for one in fresh:
                one.count_from_now()

        found: Sequence[LeaseGiven | None] = ()
        try:
            found = await self._ask_leases(tuple(asked for _, asked, _ in asks), marked)
        except PointsmanError as error:
            log.debug("no part of the limits: %s", error.public)
        except Exception:
            log.exception("no part of the limits")
        for (account, asked, span), given in zip(asks, found or [None] * len(asks), strict=True):
            if given is None:
                account.drift(time.monotonic(), self.allow)
            else:
                account.learn_lease(given, asked, span, now)
        self._keep_renewing()

    def _keep_renewing(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        """While anything is held, or to be told."""
        while any(account.holds() for account in self._leased()):
            await asyncio.sleep(TICK_SECONDS)
            now, wall = time.monotonic(), time.time()
            for account in self._leased():
                account.look(now, wall)
            if any(account.is_due(now) for account in self._leased()):
                await self._asked_with(())

    async def give_back(self) -> None:
        """Tells what was used last, and lets go of the rest: nothing comes any more."""
        if self._renewing is not None:
            self._renewing.cancel()
        if self._asking is not None and not self._asking.done():
            await asyncio.shield(self._asking)
        for account in self._leased():
            account.lease.forget()
        await self._asked_with(())


async def _nobody(of: object, marked: object) -> tuple[int, ...]:
    raise cannot_tell_spent()


def _nobody_told(told: Reached) -> None:
    """Who has all parts tells."""
