"""A data plane beside the real one, for one shadow: the same rules, servers and connections, and everything else its own.
What a shadow does there changes nothing that requests are decided by: no breaker, place, budget, count or memory.

Not here: what is done with it (asking.py).
"""

from __future__ import annotations

import copy
import random
import time

from ...ledger.counters import Counters
from ...resilience.board import Board, Try
from ...translation.reasoning_store import ReasoningStore
from ...translation.response_memory import ResponseMemory
from ...upstream.backend import Backend
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..holders import Holders
from ..own.probes import Probes
from ..own.shared_memory import SharedMemory
from ..prompts import LastPrompts

_SHARED = (
    "alone", "dialects", "elsewhere", "engines", "facts", "find_answer", "guard", "labels", "limits", "lists",
    "placeholders", "pool", "rules", "running", "runtime_dir", "siblings", "starting", "ticking", "worker", "workers",
)  # fmt: skip
"""What an attempt asks of a plane, and does not change by what comes of it."""


class _Unasked(Probes):
    """Nobody is asked how it is because of a shadow."""

    def watch(self, backend: Backend, *, unwell: bool = False) -> None:
        """Nothing."""

    def suspect(self, backend: Backend) -> None:
        """Nothing."""

    def doubt(self, backend: Backend, one: Try) -> None:
        """Nothing."""


def plane_apart(plane: DataPlane) -> DataPlane:
    """Of which what changes is its own. Its tasks, if any, end with the attempt."""
    made: DataPlane = DataPlane.__new__(DataPlane)
    for name in _SHARED:
        setattr(made, name, getattr(plane, name))
    made.board = Board(time.monotonic, random.random)
    made.probes = _Unasked(plane.pool, made.board)
    made.counters, made.prompts, made.holders = Counters(), LastPrompts(), Holders()
    made.reasoning, made.responses = ReasoningStore(), ResponseMemory(0, 0.0)
    made.shared = SharedMemory(0.0, made.reasoning)
    made.cashier = None
    made.draining = False
    return made


def rules_apart(rules: CompiledRules) -> CompiledRules:
    """The same without anybody's limits."""
    made = copy.copy(rules)
    made.limits = {}
    return made
