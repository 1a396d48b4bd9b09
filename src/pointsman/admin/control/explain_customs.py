"""What customs would do about a request that is explained: what they would find, where, and what becomes of it. Nothing of
what is found is told.

Not here: doing it (gateway/attempt/customs.py).
"""

from __future__ import annotations

from ...customs.inspection import Inspection
from ...kinds import Customs
from ...link.messages import Snapshot
from ...routing.table import Plan
from ...upstream.backend import Backend
from ...wire.changed import place_of
from .request_explained import TargetAsked

_STEPS = 12
_DONE = {Customs.WARN: "found", Customs.MASK: "masked"}


def pass_customs(
    one: TargetAsked, snapshot: Snapshot, plan: Plan, backend: Backend, body: bytes, key: str | None
) -> None:
    """At one target. key: the name of the client's."""
    if backend.stays:
        return
    stored = [spec.api_key for spec in snapshot.backends]
    customs = Inspection(snapshot.customs, b"", stored, snapshot.own_patterns)
    whose = next((spec.customs for spec in snapshot.client_keys if key and spec.name == key), None)
    mode = customs.mode(plan.rule.customs, whose)
    if mode is None:
        return
    found = [
        f"{kind} at {place_of(body, held.start, _STEPS)}"
        for held in customs.look(body)
        for kind in held.kinds()
    ]
    if mode is not Customs.REFUSE:
        one.changes += [f"{_DONE[mode]}:{said}" for said in found]
    elif found:
        one.refusal = f"customs refuse to let out what looks like a credential: {', '.join(found)}"
