"""One snapshot of the rules, compiled for this process. Not here: what outlives a change of the rules (data_plane.py)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..dialects.capsule import Capsules
from ..link.messages import Snapshot
from ..routing.specs import practice_spec
from ..routing.table import Plan, RoutingTable
from ..upstream.backend import Backend, compile_backends
from .client.access import KeyRing

_FALLBACK_KEY = os.urandom(32)
"""Of capsules while the control plane has sent no pepper: they then open in this process only."""


class CompiledRules:
    """One snapshot, compiled. Immutable but for its cache of plans."""

    __slots__ = ("backends", "capsules", "keys", "plans", "snapshot", "table")

    def __init__(self, snapshot: Snapshot, practice_path: str, before: Mapping[str, Backend]) -> None:
        self.snapshot = snapshot
        specs, self.backends = compile_backends((*snapshot.backends, practice_spec(practice_path)), before)
        self.table = RoutingTable(snapshot.mappings, specs)
        self.keys = KeyRing(snapshot)
        self.capsules = Capsules(snapshot.pepper or _FALLBACK_KEY)
        self.plans: dict[tuple[str, int], Plan] = {}
