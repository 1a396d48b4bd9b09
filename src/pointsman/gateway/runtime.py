"""What a data-plane process holds: the current snapshot compiled, backends, pool, counters. One object, passed along.

A request reads `state` once and keeps it; a new snapshot is one assignment.
"""

from __future__ import annotations

import os
import time

from ..config import Limits
from ..conversation.capsule import Capsules
from ..dialects.registry import DIALECTS
from ..kinds import BackendType, FallbackReason
from ..link.messages import BackendHealth, BackendSpec, Snapshot, Status
from ..routing.table import PRACTICE_KEY, Plan, RoutingTable
from ..upstream.backend import UNIX, Backend
from ..upstream.pool import Pool
from .access import HostGuard, KeyRing
from .exchange import Exchange
from .model_lists import ModelLists
from .stash import Shelf

_FALLBACK_KEY = os.urandom(32)
"""Of capsules while the control plane has sent no pepper: they then open in this process only."""


class Health:
    """What this process last saw of a backend."""

    __slots__ = ("in_flight", "last_failure", "last_reason", "last_success")

    def __init__(self) -> None:
        self.in_flight = 0
        self.last_success: float | None = None
        self.last_failure: float | None = None
        self.last_reason: str | None = None

    def saw(self, reason: FallbackReason | None) -> None:
        """An attempt ended: with success (None) or for that reason."""
        if reason is None:
            self.last_success = time.time()
        else:
            self.last_failure = time.time()
            self.last_reason = reason.value


class State:
    """One snapshot, compiled. Immutable but for its cache of plans."""

    __slots__ = ("backends", "capsules", "keys", "plans", "snapshot", "table")

    def __init__(self, snapshot: Snapshot, practice_path: str, known: dict[BackendSpec, Backend]) -> None:
        self.snapshot = snapshot
        practice = BackendSpec(
            key=PRACTICE_KEY,
            type=BackendType.LOCAL.value,
            name=PRACTICE_KEY.partition("/")[2],
            base_url=UNIX + practice_path,
            dialects=("openai_chat", "openai_responses", "anthropic_messages", "completions", "embeddings"),
            stream_usage=True,
        )
        specs: list[BackendSpec] = []
        self.backends: dict[str, Backend] = {}
        for spec in (*snapshot.backends, practice):
            try:
                backend = known.get(spec) or Backend(spec)
            except ValueError as error:
                specs.append(_broken(spec, str(error)))
                continue
            specs.append(spec)
            self.backends[spec.key] = backend
        self.table = RoutingTable(snapshot.mappings, specs)
        self.keys = KeyRing(snapshot)
        self.capsules = Capsules(snapshot.pepper or _FALLBACK_KEY)
        self.plans: dict[tuple[str, int], Plan] = {}


def _broken(spec: BackendSpec, problem: str) -> BackendSpec:
    return BackendSpec(key=spec.key, type=spec.type, name=spec.name, base_url=spec.base_url, problem=problem)


class Runtime:
    """worker: index of this process, of `workers`. practice_path: socket of its own practice backend."""

    def __init__(
        self,
        *,
        worker: int,
        workers: int = 1,
        limits: Limits,
        guard: HostGuard,
        pool: Pool,
        practice_path: str,
        control_path: str,
    ) -> None:
        self.worker = worker
        self.workers = workers
        self.limits = limits
        self.guard = guard
        self.pool = pool
        self.control = Backend(
            BackendSpec(
                key="control", type=BackendType.LOCAL.value, name="control", base_url=UNIX + control_path
            )
        )
        self._practice_path = practice_path
        self.state: State | None = None
        self.lists = ModelLists(pool)
        self.shelf = Shelf()
        self.dialects = DIALECTS
        self.exchanges: set[Exchange] = set()
        self.jobs = 0
        self.draining = False
        self.counters: dict[str, float] = {}
        self._health: dict[str, Health] = {}
        self._id_prefix = os.urandom(5).hex()
        self._id_count = 0
        self.usage_dropped = 0

    @property
    def backends(self) -> dict[str, Backend]:
        """Of the current snapshot."""
        return self.state.backends if self.state is not None else {}

    def apply(self, snapshot: Snapshot) -> None:
        """Serve by this snapshot from the next request on."""
        known = {b.spec: b for b in self.backends.values()}
        self.state = State(snapshot, self._practice_path, known)
        self.lists.follow(self.state.backends)

    def plan(self, state: State, model: str) -> Plan:
        """The plan for a model, from the cache where it stands. Raises PointsmanError MODEL_NOT_FOUND."""
        key = (model, self.lists.version)
        plan = state.plans.get(key)
        if plan is None:
            plan = state.table.resolve(model, self.lists.known)
            if len(state.plans) >= 2048:
                state.plans.clear()
            state.plans[key] = plan
        return plan

    def next_id(self) -> str:
        """A request id: unique across processes and restarts."""
        self._id_count += 1
        return f"req_{self._id_prefix}{self._id_count:08x}"

    def count(self, sample: str, by: float = 1.0) -> None:
        """Add to a counter; `sample` is the metric's name with its labels."""
        self.counters[sample] = self.counters.get(sample, 0.0) + by

    def health_of(self, key: str) -> Health:
        """What is known of a backend; made at first use."""
        health = self._health.get(key)
        if health is None:
            health = self._health[key] = Health()
        return health

    def status(self) -> Status:
        """For the control plane: explain, pages, metrics."""
        return Status(
            worker=self.worker,
            pid=os.getpid(),
            in_flight=self.jobs,
            counters=dict(self.counters),
            backends=tuple(
                BackendHealth(key, h.in_flight, h.last_success, h.last_failure, h.last_reason)
                for key, h in self._health.items()
            ),
            usage_dropped=self.usage_dropped,
        )
