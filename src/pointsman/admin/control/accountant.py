"""What has been spent, for data planes that ask, and the accounts of several of them; where gateways share the limits, each
one's part. Not here: what it cost (usage), how much a gateway gets (store/leases.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from typing import Protocol as TypingProtocol

from ...config import limits_without_database
from ...kinds import Limit
from ...ledger.records import NANO
from ...ledger.slices import LeaseAsk, LeaseGiven
from ...link.lease_messages import LeaseFound, LeaseQuestion
from ...link.messages import Reached, SpentFound, SpentQuestion
from ...link.spending import Asked, Cashier, CashierServer
from ..store.database import Store
from ..store.limits import charged_to, reached_text
from ..store.usage import UsageStore
from .watch import Tell

if TYPE_CHECKING:
    from ..store.leases import LeaseBook

log = logging.getLogger("pointsman.control")


class Sharing(TypingProtocol):
    """A gateway among others on one database; see nodes.Nodes."""

    name: str
    incarnation: str

    def live(self) -> int: ...


class Accountant:
    """cashier, server: of the accounts that this process holds while several data-plane processes serve. nodes: the gateways
    that share the limits, None where this one is alone. leases: see Snapshot."""

    def __init__(self, store: Store, usage: UsageStore, tell: Tell, nodes: Sharing | None = None) -> None:
        self._store = store
        self._usage = usage
        self._tell = tell
        self._nodes = nodes
        self._book: LeaseBook | None = None
        self.leases: str | None = None
        self.cashier = self._cashier(nodes)
        self.server = CashierServer(self.cashier)

    def _cashier(self, nodes: Sharing | None) -> Cashier:
        if nodes is None:
            return Cashier(self._ask, self.reached)
        from ...link.leasing import ALLOW, LeasingCashier
        from ..store.leases import LeaseBook
        from ..store.postgres_backing import PostgresBacking

        assert isinstance(self._store.backing, PostgresBacking)
        self._book = LeaseBook(self._store.backing.server)
        self.leases = limits_without_database()
        return LeasingCashier(self._ask_leases, allow=self.leases == ALLOW)

    def find(self, question: SpentQuestion) -> SpentFound:
        """What the usage log holds of budgets. Blocks."""
        return SpentFound(question.number, self._sums(question.of))

    def _sums(self, of: Asked) -> tuple[int, ...]:
        with self._store.read() as session:
            charged = [charged_to(session, whose) for whose, _, _ in of]
        found = (
            self._usage.spent(keys, backend=backend, since=since)[kind is Limit.MONEY]
            for (keys, backend), (_, kind, since) in zip(charged, of, strict=True)
        )
        return tuple(found)

    def lend(self, question: LeaseQuestion) -> LeaseFound:
        """Parts of limits for this node. Of budgets that are new to it the log is read, which all share. Blocks; raises
        PointsmanError."""
        assert self._book is not None
        assert self._nodes is not None
        new = [one for one in question.of if one.fresh and one.limit.is_budget]
        sums = self._sums(tuple((*one.limit.name, one.since) for one in new)) if new else ()
        logged = {one.limit.name: spent for one, spent in zip(new, sums, strict=True)}
        nodes = self._nodes
        lent = self._book.take(question.of, nodes.name, nodes.incarnation, nodes.live(), logged)
        for told in lent.reached:
            self.reached(told)
        return LeaseFound(question.number, tuple(lent.given))

    def reached(self, told: Reached) -> None:
        """So much of a budget is spent: in the log, and told to webhooks."""
        text = reached_text(told)
        log.warning("%s", text)
        limit, money = told.limit, told.limit.kind is Limit.MONEY
        facts = {
            "whose": limit.whose,
            "percent": told.percent,
            "spent": told.spent / NANO if money else told.spent,
            "most": limit.most / NANO if money else limit.most,
            "unit": "usd" if money else "tokens",
            "per": limit.per.value,
            "ends": None if told.ends is None else datetime.fromtimestamp(told.ends, UTC).isoformat(),
            "text": text,
        }
        self._tell("budget.reached" if told.percent >= 100 else "budget.warned", facts)

    async def _ask(self, of: Asked, marked: Callable[[], None]) -> tuple[int, ...]:
        marked()
        found = await asyncio.to_thread(self.find, SpentQuestion(0, of))
        return found.spent or ()

    async def _ask_leases(
        self, asks: tuple[LeaseAsk, ...], marked: Callable[[], None]
    ) -> Sequence[LeaseGiven | None]:
        marked()
        return (await asyncio.to_thread(self.lend, LeaseQuestion(0, asks))).given
