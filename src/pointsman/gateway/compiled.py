"""One snapshot of the rules, compiled for this process. Not here: what outlives a change of the rules (runtime.py)."""

from __future__ import annotations

import os

from ..dialects.capsule import Capsules
from ..kinds import BackendType
from ..link.messages import BackendSpec, Snapshot
from ..routing.table import PRACTICE_KEY, Plan, RoutingTable
from ..upstream.backend import UNIX, Backend
from .client.access import KeyRing

_FALLBACK_KEY = os.urandom(32)
"""Of capsules while the control plane has sent no pepper: they then open in this process only."""


class CompiledRules:
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
