"""What a plain request is counted as, and what is remembered of it, when it is told and when it is over.

Not here: when that is (lane.py).
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from ...dialects.base import Seen
from ...dialects.recall import Recalled, References
from ...ledger.cost import Charged
from ..request.charging import FREE
from ..request.meter import GONE, record, told_warnings
from ..request.recall import keeping
from ..request.stored import noting
from .state import Underway


class Accounted(Underway):
    """See Underway for what it holds."""

    __slots__ = ()

    def remember(self, asks: References, straight: bool) -> None:
        """What the body asks to be remembered of its answer. straight: it goes as it is."""
        self.recalled = Recalled(asks)
        if not asks.keeps:
            return
        plane, track, request = self.plane, self.track, self.request()
        self.keep = keeping(
            plane, self.asker.rules, request, asks, track.plan, track.target, straight=straight
        )
        self.note = noting(plane, request, track.target) if straight else None
        if self.keep is not None or self.note is not None:
            self.again = None  # all of it is read

    def _noted(self, seen: Seen | None) -> None:
        """Its backend is asked for the answer by the id that was read. Called when the answer is the client's, and when it
        is over."""
        told = seen.answer_id if seen is not None else None
        if told is not None and self.answer_id is None and self.note is not None:
            self.answer_id = told
            self.note(told)

    def _charged(self, used: tuple[Any, ...]) -> Charged:
        """What an answer with this usage costs."""
        bill = self.track.bill
        return FREE if bill is None else bill.of(used, self.wall)

    def _claim(self, now: float) -> None:
        """Its target is the one."""
        self.first_output = now
        self.ours += now - self.judge.heard
        track = self.track
        self.plane.board.answered(track.health, self.target_state, track.account, now)
        track.health.last_success = self.wall + (now - self.start)

    def _settle(self, used: tuple[Any, ...], charged: Charged, aborted: bool = False) -> None:
        self.over = True
        if self.note is not None and self.first_output and self.relay is not None:
            self._noted(self.relay.seen)
        plane, track = self.plane, self.track
        plane.ticking.discard(self)
        plane.jobs -= 1
        track.health.in_flight -= 1
        track.places.release()
        first, now, asker, across = self.first_output or None, monotonic(), self.asker, self.across
        ours = self.ours if aborted or self.relay is not None else self.ours + (now - self.judge.heard)
        one = record(
            self.id, self.wall, asker.protocol, asker.route.path, self.model, track.label, 200 if first else GONE,
            "aborted" if aborted else "ok", self.stream, used, self.start, first, now, asker.key_id, track.mapping_id,
            self.answer_id, asker.client, asker.session, charged, ours, self.went,
            None if across is None else told_warnings(across[3]), self.changed,
        )  # fmt: skip
        plane.record(one)
        if self.taken is not None:
            self.taken.settle(one)
        if asker.traced and plane.trace is not None:
            plane.trace(self.id, self.head.get(b"traceparent") or b"")
        if not aborted:
            track.ok.n += 1
            track.overhead.observe(ours)
