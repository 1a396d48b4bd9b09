"""What a data-plane process holds: the current snapshot compiled, backends, pool, counters. One object, passed along.

A request reads `state` once and keeps it; a new snapshot is one assignment.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any
from typing import Protocol as TypingProtocol

from ..config import WARDEN_SOCKET, Limits, share
from ..customs.kept import KeptPlaceholders
from ..dialects.registry import DIALECTS
from ..errors import PointsmanError
from ..kinds import BackendType
from ..ledger.counters import Counters
from ..ledger.metrics import INFLIGHT, USAGE_DROPPED
from ..ledger.records import UsageRecord
from ..ledger.tally import Tally
from ..link.engine_desk import EngineDesk
from ..link.messages import AnswerFound, Captured, Shadowed, Snapshot, WorkerStatus
from ..link.spending import Spending
from ..resilience.board import Board
from ..resilience.budget import FLOOR, Budget
from ..resilience.spread import Rota
from ..routing.labels import Labels
from ..routing.specs import UNIX, BackendSpec
from ..routing.table import Fork, Plan
from ..translation.reasoning_store import ReasoningStore
from ..translation.response_memory import ResponseMemory
from ..upstream.backend import Backend
from ..upstream.elsewhere import Elsewhere
from ..upstream.model_facts import ModelFacts
from ..upstream.model_lists import ROUND_SECONDS, ModelLists, ProviderLists
from ..upstream.pool import Pool
from .client.access import HostGuard
from .compiled import CompiledRules
from .conversations import Conversations
from .holders import Holders
from .kept import KeptAnswers
from .own.board_status import backends_health, gauges
from .own.probes import Probes
from .own.shared_memory import SharedMemory
from .own.siblings import Siblings
from .prompts import LastPrompts
from .request.job import Job
from .request.joining import Joining

_HEX = tuple(f"{number:02x}" for number in range(256))

FindAnswer = Callable[[int | None, str], Awaitable[AnswerFound]]
"""(key id, id of an answer). Raises PointsmanError while it cannot be looked up."""


class Ticking(TypingProtocol):
    """What is called a few times a second while it lasts, and told to end when a drain has run out of time."""

    def tick(self, now: float) -> None: ...

    def stop(self, error: PointsmanError) -> None: ...


class DataPlane:
    """worker: number of this process, of `workers` at a time. limits: its part of them.
    practice_path: socket of its own practice backend. record: where usage records go; flush: after which the tally has had
    every one; captured: the bodies that somebody has asked to see."""

    __slots__ = (
        "__weakref__", "_id_begins", "_id_count", "_id_prefix", "_practice_path", "alone", "board", "budget",
        "captured", "cashier", "control", "conversations", "counters", "dialects", "draining", "elsewhere",
        "engines", "facts", "find_answer", "flush", "guard", "holders", "jobs", "joining",
        "kept", "labels", "limits",
        "lists", "placeholders", "pool", "probes", "prompts", "provider_lists", "reasoning", "record", "responses", "rules",
        "running", "runtime_dir", "serving", "shadows", "shared", "siblings", "starting", "tally", "tell_shadowed",
        "ticking", "trace", "turns", "unpacked", "usage_dropped", "worker", "workers",
    )  # fmt: skip

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
        self.worker, self.workers, self.limits = worker, workers, limits
        self.guard, self.pool = guard, pool
        self.control = _at(control_path)
        self._practice_path = practice_path
        self.runtime_dir = ""  # of the processes' sockets, where a supervisor started this one
        self.rules: CompiledRules | None = None
        self.lists = ModelLists(pool, ROUND_SECONDS)
        self.provider_lists = ProviderLists(pool)
        self.facts = ModelFacts(pool, changed=self.know_more)
        self.elsewhere, self.reasoning = Elsewhere(pool), ReasoningStore()
        self.engines = EngineDesk(_beside(control_path), lambda _: self.follow_engines())
        self.starting: dict[str, object] = {}  # see request/engines.py
        self.running: dict[str, str] = {}  # engine's name -> where it is
        self.responses = ResponseMemory(limits.response_memory_bytes, limits.response_memory_seconds)
        self.shared = SharedMemory(limits.response_memory_seconds, self.reasoning)
        self.holders, self.placeholders = Holders(), KeptPlaceholders()
        self.conversations, self.prompts, self.kept = Conversations(), LastPrompts(), KeptAnswers()
        self.find_answer: FindAnswer | None = None  # asks the control plane, where there is one
        self.alone = True  # no other process serves, or has served, as this one does
        self.siblings: Siblings | None = None  # where it is not
        self.dialects, self.draining = DIALECTS, False
        self.board = _board(limits)
        self.budget, self.joining = Budget(share(FLOOR, worker, workers)), Joining()
        self.probes = Probes(pool, self.board)
        self.ticking: set[Ticking] = set()
        self.serving: set[Job] = set()  # what goes the full way
        self.turns: dict[int, Rota] = {}  # of rules that spread, by id
        self.counters, self.labels = Counters(), Labels()
        self.tally = Tally(self.counters, self.labels)
        self.cashier: Spending | None = None  # where there are limits there is a link
        self.record: Callable[[UsageRecord], object] = _nowhere
        self.flush: Callable[[], object] = _nothing
        self.trace: Callable[[str, bytes], object] | None = None  # where somebody wants them
        self.captured: Callable[[Captured], object] = _unseen
        self.shadows: Any = None  # gateway/shadow/shadows.Shadows, once a rule has made one
        self.tell_shadowed: Callable[[Shadowed], bool] = _untold
        self._id_prefix = f"req_{os.urandom(5).hex()}"
        self._id_begins, self._id_count = "", 0
        self.usage_dropped = self.jobs = self.unpacked = 0  # the last: bytes of bodies that came compressed

    @property
    def backends(self) -> dict[str, Backend]:
        """Of the current snapshot."""
        return self.rules.backends if self.rules is not None else {}

    def apply(self, snapshot: Snapshot) -> None:
        """Serve by this snapshot from the next request on."""
        before = self.backends
        self.running = self._addresses()
        self.labels.follow(snapshot.mappings)
        self.rules = CompiledRules(snapshot, self._practice_path, before, self.running)
        self.guard.follow(snapshot.origins, snapshot.hosts, keys_required=snapshot.keys_required)
        if self.cashier is not None:
            self.cashier.follow(snapshot.limits)
        self.shared.follow(snapshot.shared)
        self.lists.follow(self.rules.backends)
        self.facts.follow(self.rules.backends)
        for key, backend in self.rules.backends.items():
            if key in before and before[key].way != backend.way:
                self.board.forget(key)
            most = backend.spec.max_in_flight
            self.board.allow(key, None if most is None else share(most, self.worker, self.workers))
        self.probes.follow(self.rules.backends)

    def follow_engines(self) -> None:
        """An engine has come to another state: requests from now on are for where it is now."""
        if self.rules is not None and self._addresses() != self.running:
            self.apply(self.rules.snapshot)

    def _addresses(self) -> dict[str, str]:
        return {
            one.engine: one.address
            for one in self.engines.states()
            if one.address is not None and one.state in ("ready", "asleep")
        }

    def know_more(self) -> None:
        """What is remembered by the lists' version counts on what was known of models (lane/facts.py)."""
        self.lists.version += 1

    async def plan(self, rules: CompiledRules, model: str) -> Plan | Fork:
        """The plan for a model, from the cache where it stands. Raises PointsmanError MODEL_NOT_FOUND."""
        key = (model, self.lists.version)
        plan = rules.plans.get(key)
        if plan is None:
            plan = await rules.resolve(key, self.lists.known)
        return plan

    def next_id(self) -> str:
        """A request id: unique across processes and restarts."""
        last = self._id_count & 0xFF
        if not last:
            self._id_begins = f"{self._id_prefix}{self._id_count >> 8:06x}"
        self._id_count += 1
        return self._id_begins + _HEX[last]

    def samples(self) -> dict[str, float]:
        """Everything that this process counts, and its gauges: metric sample -> value. Histograms are the counters'."""
        self.flush()
        return {
            **self.counters.samples(),
            **gauges(self.board, self.backends, self.labels),
            INFLIGHT.sample(): float(self.jobs),
            USAGE_DROPPED.sample(): float(self.usage_dropped),
            **self.kept.gauges(),
        }

    def status(self) -> WorkerStatus:
        """For the control plane: explain, pages, metrics."""
        return WorkerStatus(
            worker=self.worker,
            pid=os.getpid(),
            in_flight=self.jobs,
            counters=self.samples(),
            backends=backends_health(self.board, self.backends, time.time() - time.monotonic()),
            usage_dropped=self.usage_dropped,
            spreads=self.counters.spreads(),
        )


def _board(limits: Limits) -> Board:
    return Board(time.monotonic, random.random, limit=limits.backend_in_flight, queue=limits.queue_length)


def _beside(control_path: str) -> str:
    """The warden's socket."""
    return os.path.join(os.path.dirname(control_path), WARDEN_SOCKET)


def _at(control_path: str) -> Backend:
    """The control plane."""
    url = UNIX + control_path
    return Backend(BackendSpec(key="control", type=BackendType.LOCAL.value, name="control", base_url=url))


def _nowhere(record: UsageRecord) -> None:
    """Of a plane that nothing is recorded of."""


def _unseen(bodies: Captured) -> None:
    """Of a plane that nobody looks into."""


def _untold(told: Shadowed) -> bool:
    """Of a plane without a control plane."""
    return True


def _nothing() -> None:
    """Of a plane whose records nobody keeps for a while."""
