"""Places at one backend: so many requests at once, a bounded queue before it, fair between callers. Pure.

Fair: callers take turns, a caller's own requests keep their order, so that one caller's hundred requests do not stand
before another's first. Not here: how long someone waits (the caller of this does), and what is told meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Ticket:
    """A place, or a wait for one. wake: called once, when the place is there; it must not raise."""

    caller: Hashable
    wake: Callable[[], None] | None
    held: bool = False


@dataclass
class Places:
    """limit: how many hold a place at once. queue: how many may wait."""

    limit: int
    queue: int
    in_use: int = 0
    queued: int = 0
    _waiting: OrderedDict[Hashable, deque[Ticket]] = field(default_factory=OrderedDict)

    @property
    def full(self) -> bool:
        """Would a request have to wait?"""
        return self.in_use >= self.limit or self.queued > 0

    def take(self, caller: Hashable) -> Ticket | None:
        """A place that is free now, and nobody waits for."""
        return Ticket(caller, None, True) if self.claim() else None

    def claim(self) -> bool:
        """Take such a place, without a ticket. Then release() is due, or a Ticket that holds it."""
        if self.in_use >= self.limit or self.queued:
            return False
        self.in_use += 1
        return True

    def release(self) -> None:
        """Give back what claim() took."""
        self.in_use -= 1
        if self.queued:
            self.admit()

    def enter(self, caller: Hashable, wake: Callable[[], None]) -> Ticket | None:
        """A ticket that holds a place already, or one that waits; None when the queue is full."""
        ticket = self.take(caller)
        if ticket is not None:
            return ticket
        if self.queued >= self.queue:
            return None
        ticket = Ticket(caller, wake)
        self._waiting.setdefault(caller, deque()).append(ticket)
        self.queued += 1
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place back, or stop waiting. A second time does nothing."""
        if ticket.held:
            ticket.held = False
            ticket.wake = None
            self.release()
        elif ticket.wake is not None:
            ticket.wake = None
            line = self._waiting[ticket.caller]
            line.remove(ticket)
            self.queued -= 1
            if not line:
                del self._waiting[ticket.caller]

    def position(self, ticket: Ticket) -> int:
        """How many are served before this one, at least: 0 is next. Of a ticket that waits."""
        own = self._waiting[ticket.caller].index(ticket)
        before = 0
        seen = False
        for caller, line in self._waiting.items():
            if caller == ticket.caller:
                seen = True
                before += own
            else:
                before += min(len(line), own + (0 if seen else 1))
        return before

    def admit(self) -> None:
        """Let in who may; also after `limit` grew."""
        while self.queued and self.in_use < self.limit:
            caller, line = next(iter(self._waiting.items()))
            ticket = line.popleft()
            if line:
                self._waiting.move_to_end(caller)  # the others' turn
            else:
                del self._waiting[caller]
            self.queued -= 1
            self.in_use += 1
            ticket.held = True
            wake, ticket.wake = ticket.wake, None
            if wake is not None:
                wake()
