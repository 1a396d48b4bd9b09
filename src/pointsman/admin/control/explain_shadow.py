"""Would a request have a shadow (docs/shadow.md)? As gateway/shadow/sampled.py decides it, as far as that is known before
anybody answers. Not here: the rest of what is explained (explain_request.py).
"""

from __future__ import annotations

from ...dialects.paths import Route
from ...kinds import BackendType
from ...link.messages import Snapshot
from ...routing.specs import SHADOW_SHARE
from ...routing.table import Plan
from .routing_view import RoutingView


def shadowed(snapshot: Snapshot, view: RoutingView, where: Route, plan: Plan, key: str | None) -> str | None:
    """None of a rule without one. key: the name of the client's."""
    rule = plan.rule
    if rule.shadow is None:
        return None
    if not where.exact or where.path != where.dialect.endpoint.path or where.dialect.translation is None:
        return "none, since answers of this path cannot be compared"
    local = BackendType.LOCAL.value
    if rule.local_only or all(one.key.partition("/")[0] == local for one in plan.targets):
        return "none, since no cloud answers it"
    if any(one.local_only for one in snapshot.client_keys if key and one.name == key):
        return f"none, since nothing of the client key {key} leaves this computer"
    target = view.table.shadow(rule, plan.model, view.listing[1])
    if target is not None and target.problem is not None:
        return f"none, since {target.problem}"
    share = SHADOW_SHARE if rule.shadow_share is None else rule.shadow_share
    return f"{rule.shadow} is asked the same in {share} of 100 requests that a cloud has answered"
