"""Who is healthy: what this process remembers of backends and their models from one request to the next. Pure.

Kept by name, not by snapshot, so that a change of the rules forgets nothing; an edited key or address does begin anew.
Not here: I/O (gateway/probes.py asks a server that is down), what a status means (verdict.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from ..kinds import FallbackReason
from . import backoff
from .admission import Places
from .breaker import Breaker, BreakerState
from .verdict import against_health
from .walk import Closed, Held

MOST_TARGETS = 4096
"""Models remembered: clients choose names, and a wild rule lets every name through."""


@dataclass
class TargetState:
    """One model at one backend. account: whose throttling it is."""

    breaker: Breaker = field(default_factory=Breaker)
    account: Hashable = None
    throttled_until: float = 0.0
    throttles: int = 0
    last_reason: FallbackReason = FallbackReason.UPSTREAM_ERROR


@dataclass
class BackendState:
    """One backend. down: it is local and unreachable; only a probe, or an answer, changes that.
    benched: the account whose key was refused, and why. last_success and last_failure: unix
    seconds, since they are shown to people."""

    places: Places
    down: bool = False
    benched: tuple[Hashable, str] | None = None
    in_flight: int = 0
    last_success: float | None = None
    last_failure: float | None = None
    last_reason: str | None = None


@dataclass
class Try:
    """One try of a target, from begin() to one of the ends. own_login: it carries the client's own
    login."""

    backend: BackendState
    target: TargetState
    account: Hashable
    probe: bool
    own_login: bool


class Board:
    """clock: monotonic seconds. chance: 0 <= chance < 1. limit: places a backend has when its row names none; queue:
    how many may wait for one."""

    def __init__(
        self, clock: Callable[[], float], chance: Callable[[], float], *, limit: int = 1000, queue: int = 100
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._limit = limit
        self._queue = queue
        self.backends: dict[str, BackendState] = {}
        self.targets: dict[tuple[str, str], TargetState] = {}

    def backend(self, key: str) -> BackendState:
        """What is known of a backend; made at first use."""
        health = self.backends.get(key)
        if health is None:
            health = self.backends[key] = BackendState(Places(self._limit, self._queue))
        return health

    def target(self, key: str, model: str) -> TargetState:
        """What is known of a model at a backend; made at first use."""
        health = self.targets.get((key, model))
        if health is None:
            if len(self.targets) >= MOST_TARGETS:
                self._forget_some()
            health = self.targets[key, model] = TargetState()
        return health

    def allow(self, key: str, most: int | None) -> None:
        """So many requests at once, from now on; None = the board's own limit."""
        places = self.backend(key).places
        places.limit = most if most is not None else self._limit
        places.admit()

    def forget(self, key: str) -> None:
        """Its address was edited: what was seen there says nothing any more. Who is being served keeps the place."""
        found = self.backends.get(key)
        if found is not None:
            found.down = False
            found.benched = None
        for pair in [pair for pair in self.targets if pair[0] == key]:
            del self.targets[pair]

    def closed(self, key: str, model: str, account: Hashable) -> Closed | None:
        """Why this target is passed over now, None when it may be tried. account: which key it would get."""
        backend = self.backends.get(key)
        if backend is not None:
            if backend.benched is not None and backend.benched[0] == account:
                return Closed(FallbackReason.AUTH, None, key=True)
            if backend.down:
                return Closed(FallbackReason.CONNECT, None)
        target = self.targets.get((key, model))
        if target is None:
            return None
        now = self._clock()
        if target.throttled_until > now and target.account == account:
            return Closed(FallbackReason.THROTTLED, target.throttled_until - now)
        if not target.breaker.allows(now):
            return Closed(target.last_reason, max(0.0, target.breaker.until - now))
        return None

    def begin(self, key: str, model: str, account: Hashable, *, own_login: bool = False) -> Try:
        """A try starts."""
        target = self.target(key, model)
        return Try(self.backend(key), target, account, target.breaker.begin(self._clock()), own_login)

    def succeeded(self, one: Try) -> None:
        """It answered."""
        if one.own_login:
            one.target.breaker.succeeded(self._clock(), one.probe)
            one.backend.down = False
        else:
            self.answered(one.backend, one.target, one.account, self._clock(), one.probe)

    def answered(
        self, backend: BackendState, target: TargetState, account: Hashable, now: float, probe: bool = False
    ) -> None:
        """The same of a try that is no more than this. now: by the board's clock."""
        target.breaker.succeeded(now, probe)
        backend.down = False
        target.throttled_until = 0.0
        target.throttles = 0
        if backend.benched is not None and backend.benched[0] == account:
            backend.benched = None

    def forgotten(self, one: Try) -> None:
        """The try says nothing: the client left, or what came back was the client's own mistake."""
        one.target.breaker.forgotten(self._clock(), one.probe)

    def failed(self, one: Try, held: Held[Any], *, unreachable: bool, local: bool = False) -> bool:
        """It did not answer. unreachable: it is local and takes no connection, so that a probe will tell when it is back.
        local: it can be asked how it is. True when that is due before its breaker opens; then judged()."""
        now = self._clock()
        target, backend = one.target, one.backend
        said = held.retry_after
        if held.reason is FallbackReason.THROTTLED or (said is not None and not held.loading):
            self._throttled(one, held, now)
        if held.reason is FallbackReason.AUTH and not one.own_login:
            backend.benched = (one.account, held.error.public)
        if unreachable:
            backend.down = True
        if unreachable or held.loading or held.clients or held.certain or not against_health(held.reason):
            target.breaker.forgotten(now, one.probe)
        else:
            target.last_reason = held.reason
            said_so = held.reason is FallbackReason.UPSTREAM_ERROR  # silence and nonsense say it themselves
            return target.breaker.failed(now, one.probe, self._chance(), asks=local and said_so)
        return False

    def judged(self, one: Try, alive: bool) -> None:
        """What a local server said of itself before its breaker would open."""
        one.target.breaker.judged(self._clock(), alive, self._chance())

    def _throttled(self, one: Try, held: Held[Any], now: float) -> None:
        """The key is busy, not the backend (openclaw#49834); a client's own login is its own affair."""
        if one.own_login:
            return
        target = one.target
        if target.account != one.account:
            target.account, target.throttles = one.account, 0
        seconds = backoff.cooldown(held.retry_after, target.throttles, held.spent)
        target.throttled_until = max(target.throttled_until, now + seconds)
        target.throttles += 1

    def _forget_some(self) -> None:
        now = self._clock()
        quiet = [k for k, t in self.targets.items() if t.breaker.quiet() and t.throttled_until <= now]
        for pair in quiet or list(self.targets)[: MOST_TARGETS // 4]:
            del self.targets[pair]

    def opened(self) -> list[tuple[str, str]]:
        """(backend, model) of every breaker that is not closed."""
        return [pair for pair, t in self.targets.items() if t.breaker.state is not BreakerState.CLOSED]
