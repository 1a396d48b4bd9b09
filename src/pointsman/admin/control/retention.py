"""How long usage records, and what came of shadows, are kept: the setting, and what is older taken out once an hour.

Not here: how (store/usage_deleting.py).
"""

from __future__ import annotations

import logging
import math
import time

from ...errors import PointsmanError
from ..store import settings
from ..store.database import Store
from ..store.shadows import ShadowStore
from ..store.usage import Deleted, UsageStore
from ..store.usage_adding import HOUR

log = logging.getLogger("pointsman.control")

_DAY = 86400
FOREVER = ""


class Retention:
    """Called from any thread. Raises PointsmanError UNAVAILABLE where a database cannot be used."""

    def __init__(self, store: Store, usage: UsageStore, shadows: ShadowStore) -> None:
        self._store = store
        self._usage = usage
        self._shadows = shadows
        self._due = time.monotonic()

    @property
    def days(self) -> int | None:
        """None: for ever."""
        with self._store.read() as session:
            kept = settings.get(session, settings.USAGE_DAYS) or FOREVER
        return int(kept) if kept.isdigit() else None

    def keep(self, days: int | None) -> Deleted:
        """From now on; what is older is taken out when this returns."""
        with self._store.write() as session:
            settings.put(session, settings.USAGE_DAYS, FOREVER if days is None else str(days))
        return self._forget(days)

    def tend(self) -> None:
        """Once a second: the log's own work, and once an hour what is too old."""
        self._usage.tend()
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + HOUR
        try:
            done = self._forget(self.days)
        except PointsmanError as error:
            log.warning("old usage is not taken out: %s", error.public)
            return
        if done.records:
            log.info("%s usage records were older than they are kept, and are deleted", done.records)

    def _forget(self, days: int | None) -> Deleted:
        """Whole hours or days, so that nothing has to be added up anew."""
        step = self._usage.step
        before = -math.inf if days is None else (time.time() - days * _DAY) // step * step
        self._shadows.delete_before(before)
        return self._usage.delete_before(before)
