"""What has been spent, for data planes that ask, and the accounts of several of them. Not here: what it cost (usage)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from ...kinds import Limit
from ...ledger.records import NANO
from ...link.messages import Reached, SpentFound, SpentQuestion
from ...link.spending import Asked, Cashier, CashierServer
from ..store.database import Store
from ..store.limits import reached_text, spent_of
from ..store.usage import UsageStore
from .watch import Tell

log = logging.getLogger("pointsman.control")


class Accountant:
    """cashier, server: of the accounts that this process holds while several data-plane processes serve."""

    def __init__(self, store: Store, usage: UsageStore, tell: Tell) -> None:
        self._store = store
        self._usage = usage
        self._tell = tell
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
