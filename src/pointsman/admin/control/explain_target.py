"""One target of a rule, judged: whether it is usable and why, what each protocol's clients get there, where it is.

Not here: which targets there are (explain.py), and what becomes of one request (explain_request.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from pydantic import BaseModel

from ...config import local_host
from ...conversation.request import SEARCH
from ...dialects.base import Dialect
from ...dialects.registry import DIALECTS
from ...kinds import BackendType, Protocol
from ...link.engine_desk import EngineStanding
from ...link.messages import BackendHealth, TargetHealth
from ...providers.urls import engine_of, is_loopback
from ...routing.specs import BackendSpec, MappingSpec
from ...routing.table import Plan, Target
from ...translation.preset_body import preset_body
from ...upstream.backend import Backend
from ...upstream.candidates import Needs, crosses, goes_as_it_is, preset_profile, translated_to, unusable
from ...upstream.model_facts import ModelFacts
from .process_status import utc
from .routing_view import RoutingView
from .target_trouble import trouble_of


class TargetExplained(BaseModel):
    """One target. reason: why it is usable, or what to do so that it is. leaves_machine: whether a request
    that goes there leaves this computer; None when only connecting would tell. protocols: for each protocol a client
    may speak, what the backend gets: `as it is`, `translated to openai_chat`, `as it is if it knows the path, else
    translated to openai_chat`, `as it is (with tools: translated to openai_responses)`. urls: protocol that the backend
    may be spoken to in -> the exact URL that is asked then. proxy: through which its connections go, None = straight.
    ca_file: of the only authorities that may sign for it. health: `good`, or what is wrong with it; passed_over: whether it
    is left out while another target remains, and until when where that ends
    by itself. breaker: closed, open or probing. weight: its share where the rule spreads, None where it does not.
    engine: of one that is started on demand, its state (cold, starting, loading, ready, asleep, stopping, down); it has no
    base_url and no urls while it does not run.
    loaded: of a rule that spreads or sets something, whether a local server has the model in memory, None where it does not
    say.
    presets: of a rule that sets something, for each protocol that the backend gets, what of that it does not take
    (`dropped:NAME`) or takes otherwise (`changed:NAME`).
    price: USD by quantity, as /api/prices has them, for an input that is not long and the usual tier; {} where it is free,
    None where nobody knows it."""

    target: str
    backend: str
    model: str
    usable: bool
    reason: str
    base_url: str | None
    dialects: list[str] | None
    protocols: dict[str, str]
    urls: dict[str, str]
    leaves_machine: bool | None
    proxy: str | None = None
    ca_file: str | None = None
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
    weight: int | None = None
    loaded: bool | None = None
    engine: str | None = None
    presets: dict[str, list[str]] = {}
    price: dict[str, float] | None = None


def judged(
    target: Target,
    plan: Plan,
    view: RoutingView,
    health: Mapping[str, BackendHealth],
    engine: Callable[[str], EngineStanding],
) -> TargetExplained:
    spec, backend = target.backend, view.backends.get(target.key)
    started = None if spec is None or spec.engine is None else engine(spec.engine)
    proxy = None if backend is None or plan.rule.local_only else view.egress.proxy_of(backend)
    away = leaves_machine(spec, backend) if proxy is None else True
    seen = health.get(target.key) or BackendHealth(target.key)
    model = _model_of(seen, target.model)
    trouble = trouble_of(target, backend, seen, model, time.time())
    problem = _problem(target, backend, started)
    problem = problem or _walled_off(target, plan, away)
    address = None if spec is None else _address(spec)
    return TargetExplained(
        target=target.label,
        backend=target.key,
        model=target.model,
        usable=problem is None,
        reason=problem or _why_usable(target, plan, away, started),
        base_url=address,
        dialects=list(spec.dialects) if spec and spec.dialects is not None else None,
        protocols=_protocols(plan, target, backend, seen.unspoken),
        urls=_urls(backend) if address else {},
        leaves_machine=away,
        proxy=None if proxy is None else proxy.text,
        ca_file=spec.ca_file if spec else None,
        in_flight=seen.in_flight,
        last_success=utc(seen.last_success),
        last_failure=utc(seen.last_failure),
        last_reason=seen.last_reason,
        queued=seen.queued,
        max_in_flight=spec.max_in_flight if spec else None,
        health=trouble.text,
        passed_over=trouble.passed_over,
        passed_over_until=utc(trouble.until),
        breaker=model.state,
        breaker_until=utc(model.until),
        failures_in_a_row=model.failures,
        throttled_until=utc(model.throttled_until),
        down=seen.down,
        benched=seen.benched,
        presets=_presets(plan.rule, target, backend, view.facts),
        loaded=None if backend is None else view.facts.of(backend, target.model).loaded,
        engine=None if started is None else started.state,
    )


def _address(spec: BackendSpec) -> str | None:
    """None of what has none: the practice model, a recording, an engine that does not run."""
    nowhere = spec.built_in or engine_of(spec.base_url or "") is not None
    nowhere = nowhere or (spec.node is not None and spec.problem is not None)
    return None if nowhere else spec.base_url or None


def _model_of(seen: BackendHealth, model: str) -> TargetHealth:
    return next((one for one in seen.targets if one.model == model), TargetHealth(model, "closed"))


def _presets(
    rule: MappingSpec, target: Target, backend: Backend | None, facts: ModelFacts
) -> dict[str, list[str]]:
    if backend is None or not rule.presets:
        return {}
    found: dict[str, list[str]] = {}
    for protocol, dialect in DIALECTS.items():
        if dialect.presetting is not None and backend.speaks(protocol):
            engine, known = facts.engine(backend), facts.of(backend, target.model)
            profile = preset_profile(backend, protocol, target.model, engine, known)
            found[protocol.value] = preset_body(rule.presets, _SAYS_NOTHING, dialect, profile)[1]
    return found


_SAYS_NOTHING = b'{"model":"m","messages":[{"role":"user","content":"x"}],"input":"x","prompt":"x"}'
"""In any protocol, of what a rule may set."""


def _urls(backend: Backend | None) -> dict[str, str]:
    if backend is None:
        return {}
    return {
        dialect.protocol.value: backend.url_of(dialect.endpoint.path)
        for dialect in DIALECTS.values()
        if backend.speaks(dialect.protocol)
    }


def _problem(target: Target, backend: Backend | None, started: EngineStanding | None) -> str | None:
    """Why nothing can be sent to it in any protocol."""
    found = [unusable(target, backend, protocol, login=target.forwards) for protocol in DIALECTS]
    if all(found) and found[0] is not None:
        return found[0][1]
    if started is not None and started.state == "down":
        return f"its engine is down: {started.why}; start it again: pointsman local start {started.engine}"
    return None


def protocols(
    target: Target, backend: Backend | None, *, login: bool, unspoken: Collection[str] = ()
) -> dict[str, str]:
    """For each protocol a client may speak, what the backend gets; {} where it can get nothing. login: the
    rule sends the client's own provider login on. unspoken: what the data plane has learned that it does not
    speak."""
    if target.problem is not None or backend is None:
        return {}
    backend.follow_unspoken(protocol for protocol in DIALECTS if protocol in unspoken)
    return {dialect.protocol.value: _gets(target, backend, dialect, login) for dialect in DIALECTS.values()}


def _gets(target: Target, backend: Backend, dialect: Dialect, login: bool) -> str:
    client = dialect.protocol
    if unusable(target, backend, client, login=login) is not None:
        return "not possible"
    if client in backend.spoken and backend.speaks(client):
        return _spoken(target, backend, client)
    other = _translated(target, backend, dialect)
    if goes_as_it_is(backend, client):
        return "as it is if it knows the path" + (f", else {other}" if other else "")
    return other or "not possible"


def _protocols(
    plan: Plan, target: Target, backend: Backend | None, unspoken: Collection[str]
) -> dict[str, str]:
    """By that rule: where it makes calls of text, what goes as it is without tools does not with them."""
    found = protocols(target, backend, login=target.forwards, unspoken=unspoken)
    if backend is None or not backend.local or not plan.rule.recover_calls or target.forwards:
        return found
    return {
        name: f"{how} ({_ANEW})" if how.startswith(_AS_IT_IS) and _has_half(Protocol(name)) else how
        for name, how in found.items()
    }


def _has_half(protocol: Protocol) -> bool:
    dialect = DIALECTS[protocol]
    return dialect.half_at(dialect.endpoint.path) is not None


_AS_IT_IS = "as it is"
_ANEW = "with tools: read and written anew, since the rule makes calls of text"
_WANTED = {"tools": Needs(tools=True), "a web search": Needs(hosted=frozenset({SEARCH}))}


def _spoken(target: Target, backend: Backend, client: Protocol) -> str:
    """As it is, but for what its vendor takes in another protocol only."""
    model = target.model
    if crosses(backend, model, client, Needs()):
        return f"translated to {translated_to(backend, model, client, Needs())}"
    said = [
        f"with {name}: translated to {translated_to(backend, model, client, needs)}"
        for name, needs in _WANTED.items()
        if crosses(backend, model, client, needs)
    ]
    return f"as it is ({'; '.join(said)})" if said else "as it is"


def _translated(target: Target, backend: Backend, dialect: Dialect) -> str | None:
    if dialect.half_at(dialect.endpoint.path) is None:
        return None
    plain, tools = (
        translated_to(backend, target.model, dialect.protocol, Needs(tools=wanted))
        for wanted in (False, True)
    )
    if plain is None or tools is None:
        return None
    with_tools = f" (with tools: {tools.value})" if tools is not plain else ""
    return f"translated to {plain.value}{with_tools}"


def _walled_off(target: Target, plan: Plan, away: bool | None) -> str | None:
    """Why a wall forbids it, as far as that is known without asking it."""
    spec = target.backend
    if not plan.rule.local_only:
        return None
    if spec is not None and spec.type != BackendType.LOCAL:
        return f"local_only: {target.key} is a provider's backend, wherever it leads"
    if spec is not None and spec.node is not None:
        return f"local_only: {target.key} belongs to the node {spec.node}, which is another machine"
    return f"local_only: {spec.base_url if spec else target.key} is not a loopback address" if away else None


def _why_usable(target: Target, plan: Plan, away: bool | None, started: EngineStanding | None) -> str:
    spec = target.backend
    if spec is not None and spec.recording is not None:
        return "told again out of the recording; nobody is asked, and what was not recorded is a 404"
    if spec is None or spec.built_in:
        return "built in, always there"
    if started is not None:
        return f"its engine is started on demand ({started.state}{': ' if started.why else ''}{started.why})"
    if spec.node is not None:
        return f"by the gateway of the node {spec.node}; {spec.base_url}"
    login = "the client's own login is sent on" if target.forwards else None
    key = "its key opens" if spec.api_key else "no key is stored, none is sent"
    where = (
        "; whether that is this computer is judged when connecting"
        if plan.rule.local_only and away is None
        else ""
    )
    return f"{login or key}; {spec.base_url}{where}"


def leaves_machine(spec: BackendSpec | None, backend: Backend | None) -> bool | None:
    """True for an address elsewhere, False for this computer, None for a name that only a resolver knows."""
    if spec is None or backend is None:
        return None
    url = backend.url
    if spec.node is not None:
        return True
    if url is None:
        return False  # a Unix socket
    if url.address is not None:
        return not is_loopback(url.host)
    if url.host == "localhost" or url.host.endswith(".localhost"):
        return False
    if spec.type == BackendType.LOCAL and url.host == local_host():
        return False  # the machine that this container runs on
    return None if spec.type == BackendType.LOCAL else True
