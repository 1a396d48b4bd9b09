"""What has been spent, for data planes that ask, and the accounts of several of them. Not here: what it cost (usage)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ...kinds import Limit
from ...link.messages import Reached, SpentFound, SpentQuestion
from ...link.spending import Asked, Cashier, CashierServer
from ..store.database import Store
from ..store.limits import reached_text, spent_of
from ..store.usage import UsageStore

log = logging.getLogger("pointsman.control")


class Accountant:
    """cashier, server: of the accounts that this process holds while several data-plane processes serve."""

    def __init__(self, store: Store, usage: UsageStore) -> None:
        self._store = store
        self._usage = usage
        self.cashier = Cashier(self._ask, self.reached)
        self.server = CashierServer(self.cashier)

    def find(self, question: SpentQuestion) -> SpentFound:
        """What the usage log holds of budgets. Blocks."""
        with self._store.read() as session:
            sums = [
                spent_of(session, self._usage, whose, since)[kind is not Limit.MONEY]
                for whose, kind, since in question.of
            ]
        return SpentFound(question.number, tuple(sums))

    def reached(self, told: Reached) -> None:
        """So much of a budget is spent: in the log."""
        log.warning("%s", reached_text(told))

    async def _ask(self, of: Asked, marked: Callable[[], None]) -> tuple[int, ...]:
        marked()
        found = await asyncio.to_thread(self.find, SpentQuestion(0, of))
        return found.spent or ()
