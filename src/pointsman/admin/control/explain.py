"""Where a model's requests would go and why: the data plane's own routing, run over the published snapshot.

Nothing is sent to a model. Where a rule leaves the local server open (`local` without a name, or no rule at
all), local servers are asked which models they hold, as the data plane does; that list is kept for some
seconds.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ...dialects.registry import DIALECTS
from ...errors import PointsmanError
from ...kinds import PRACTICE, BackendType, backend_key
from ...link.messages import BackendHealth, BackendSpec, TargetHealth
from ...providers.profiles import dialect_order
from ...providers.urls import is_loopback, parse_base_url
from ...routing.table import Plan, RoutingTable, Target
from ...upstream.backend import Backend

if TYPE_CHECKING:
    from .control_plane import ControlPlane

PRACTICE_SPEC = BackendSpec(
    key=backend_key(BackendType.LOCAL, PRACTICE), type=BackendType.LOCAL, name=PRACTICE, base_url=""
)


class TargetExplained(BaseModel):
    """One target. reason: why it is usable, or what to do so that it is. leaves_machine: whether a request
    that goes there leaves this computer; None when only connecting would tell. protocols: for each protocol a client
    may speak, what the backend gets: `as it is`, `translated to openai_chat`, `as it is if it knows the path, else
    translated to openai_chat`. health: `good`, or what is wrong with it; passed_over: whether it is left out while another
    target remains, and until when where that ends by itself. breaker: closed, open or probing."""

    target: str
    backend: str
    model: str
    usable: bool
    reason: str
    base_url: str | None
    dialects: list[str] | None
    protocols: dict[str, str]
    leaves_machine: bool | None
    in_flight: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    last_reason: str | None = None
    queued: int = 0
    max_in_flight: int | None = None
    health: str = "good"
    passed_over: bool = False
    passed_over_until: datetime | None = None
    breaker: str = "closed"
    breaker_until: datetime | None = None
    failures_in_a_row: int = 0
    throttled_until: datetime | None = None
    down: bool = False
    benched: str | None = None


class Explanation(BaseModel):
    """What would happen to a request for this model. targets are in the order in which they are tried; none
    when nothing matches (code `model_not_found`)."""

    model: str
    why: str
    code: str | None = None
    mapping_id: int | None = None
    pattern: str | None = None
    local_only: bool = False
    forward_auth: bool = False
    fallback_on: list[str] = []
    hedge_seconds: float | None = None
    targets: list[TargetExplained] = []


async def explain(control: ControlPlane, model: str) -> Explanation:
    """The plan for a model name, each target judged."""
    snapshot = control.snapshot
    table = RoutingTable(snapshot.mappings, (*snapshot.backends, PRACTICE_SPEC))
    plan = _resolve(table, model, {})
    if isinstance(plan, PointsmanError) or any(target.backend is None for target in plan.targets):
        plan = _resolve(table, model, await control.model_lists.of(snapshot))
    if isinstance(plan, PointsmanError):
        return Explanation(model=model, why=plan.public, code=plan.kind.value)
    health = control.board.health(time.monotonic())
    return Explanation(
        model=model,
        why=plan.why,
        mapping_id=plan.mapping_id,
        pattern=plan.pattern,
        local_only=plan.rule.local_only,
        forward_auth=plan.rule.forward_auth,
        fallback_on=list(plan.rule.fallback_on),
        hedge_seconds=plan.rule.hedge_seconds,
        targets=[_judged(target, plan, health.get(target.key)) for target in plan.targets],
    )


def _resolve(table: RoutingTable, model: str, lists: dict[str, list[str]]) -> Plan | PointsmanError:
    try:
        return table.resolve(model, lists)
    except PointsmanError as error:
        return error


def _judged(target: Target, plan: Plan, health: BackendHealth | None) -> TargetExplained:
    spec = target.backend
    away = _leaves_machine(spec)
    seen = health or BackendHealth(target.key)
    model = next(
        (one for one in seen.targets if one.model == target.model), TargetHealth(target.model, "closed")
    )
    condition, passed_over, until = _condition(seen, model, time.time())
    problem = target.problem
    if problem is None and plan.rule.local_only and away:
        problem = f"local_only: {spec.base_url if spec else target.key} is not a loopback address"
    return TargetExplained(
        target=target.label,
        backend=target.key,
        model=target.model,
        usable=problem is None,
        reason=problem or _why_usable(spec, plan, away),
        base_url=(spec.base_url or None) if spec else None,
        dialects=list(spec.dialects) if spec and spec.dialects is not None else None,
        protocols=_protocols(spec, target.model),
        leaves_machine=away,
        in_flight=seen.in_flight,
        last_success=_time(seen.last_success),
        last_failure=_time(seen.last_failure),
        last_reason=seen.last_reason,
        queued=seen.queued,
        max_in_flight=spec.max_in_flight if spec else None,
        health=condition,
        passed_over=passed_over,
        passed_over_until=_time(until),
        breaker=model.state,
        breaker_until=_time(model.until),
        failures_in_a_row=model.failures,
        throttled_until=_time(model.throttled_until),
        down=seen.down,
        benched=seen.benched,
    )


def _condition(backend: BackendHealth, model: TargetHealth, now: float) -> tuple[str, bool, float | None]:
    """(what is wrong, whether it is passed over, until when in unix seconds). An open breaker whose time is over keeps
    nobody away: the next request is its probe."""
    if backend.benched is not None:
        return f"its key was refused and is not used until it is edited ({backend.benched})", True, None
    if backend.down:
        return "it takes no connections; it is asked every 2 s whether it does again", True, None
    busy = model.throttled_until
    if busy is not None and busy > now and busy >= (model.until or 0.0):
        return "it said that it is too busy", True, busy
    row = f"failures in a row: {model.failures}"
    if model.state == "probing":
        return f"its breaker is open and one request is trying it ({row})", True, None
    if model.state == "open":
        if model.until is not None and model.until <= now:
            return f"its breaker is open and the next request tries it ({row})", False, None
        return f"its breaker is open ({row})", True, model.until
    return "good", False, None


def _protocols(spec: BackendSpec | None, model: str) -> dict[str, str]:
    if spec is None or not spec.base_url:
        return {}
    try:
        backend = Backend(spec)
    except ValueError:  # its problem says so
        return {}
    found = {}
    for dialect in DIALECTS.values():
        client = dialect.protocol
        known = backend.spoken | backend.tried
        plain, tools = (
            next(
                (one for one in dialect_order(spec, model, client, wanted) if one in known and one != client),
                None,
            )
            for wanted in (False, True)
        )
        other = None
        if dialect.translation is not None and plain is not None and tools is not None:
            other = f"translated to {plain.value}"
            if tools is not plain:
                other += f" (with tools: {tools.value})"
        if client in backend.spoken:
            found[client.value] = "as it is"
        elif client in backend.tried:
            found[client.value] = "as it is if it knows the path" + (f", else {other}" if other else "")
        else:
            found[client.value] = other or "not possible"
    return found


def _why_usable(spec: BackendSpec | None, plan: Plan, away: bool | None) -> str:
    if spec is None or spec.key == PRACTICE_SPEC.key:
        return "built in, always there"
    login = (
        "the client's own login is sent on"
        if plan.rule.forward_auth and spec.type != BackendType.LOCAL
        else None
    )
    key = "its key opens" if spec.api_key else "no key is stored, none is sent"
    where = (
        "; whether that is this computer is judged when connecting"
        if plan.rule.local_only and away is None
        else ""
    )
    return f"{login or key}; {spec.base_url}{where}"


def _leaves_machine(spec: BackendSpec | None) -> bool | None:
    """True for an address elsewhere, False for this computer, None for a name that only a resolver knows."""
    if spec is None:
        return None
    if spec.key == PRACTICE_SPEC.key:
        return False
    try:
        url = parse_base_url(spec.base_url)
    except ValueError:  # a row edited by hand; its problem says so
        return None
    if url.address is not None:
        return not is_loopback(url.host)
    if url.host == "localhost" or url.host.endswith(".localhost"):
        return False
    return None if spec.type == BackendType.LOCAL else True


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
