"""Every backend and how it is: its address, whether it works, since when and why, what to do, its queue, and which rules
name it. One list for `/api/backends`, the Backends page and Home; from memory, but for what only the rows know.

What a model's requests would meet is `explain`; a test of one is probing.py; who decides all this is the data plane.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel

from ...dialects.registry import DIALECTS
from ...kinds import BACKEND_PROTOCOLS, NODE, BackendType
from ...link.engine_desk import EngineStanding
from ...link.messages import BackendHealth
from ...providers.catalog import origin_of
from ...providers.urls import engine_of
from ...resilience.breaker import BreakerState
from ...routing.specs import PRACTICE_KEY, BackendSpec
from ...upstream.backend import Backend
from ..store import credentials, local_backends, mappings, sealing
from ..store.tables import BackendMapping
from ..store.targets import targets_of
from .control_plane import ControlPlane
from .explain import running_engines
from .explain_target import leaves_machine
from .process_status import utc
from .reasons import what_it_did
from .routing_view import RoutingView

State = Literal[
    "works", "busy", "failing", "down", "refused", "unusable", "starting", "asleep", "off", "unknown"
]
"""works: its last request was answered. busy: it asked for a pause. failing: it is passed over after failures, or its last
request failed. down: it takes no connection, or its engine does not start. refused: its key. unusable: its row. starting,
asleep: its engine. off: somebody switched it off. unknown: nobody has asked it yet."""


class BackendShown(BaseModel):
    """One backend. since: of its state, where that changed since the gateway started. why: in words, "" where all is well.
    todo: what helps. until: when the state ends by itself. origin: where its key goes, None of what has no address.
    protocols: it gets as they are; tried: it is asked whether it knows them, all others are translated. keyed_at: when its
    row, and so perhaps its key, was last set. rules: ids of those that name it. found: nobody has added it. recording: it is
    one, and no server. node: the only one of several gateways that reaches it by itself."""

    key: str
    backend_type: BackendType
    name: str
    state: State
    since: datetime | None = None
    until: datetime | None = None
    why: str = ""
    todo: str = ""
    base_url: str | None
    origin: str | None
    leaves_machine: bool | None
    engine: str | None
    engine_state: str | None
    enabled: bool
    found: bool
    recording: bool = False
    protocols: list[str]
    tried: list[str]
    in_flight: int
    queued: int
    max_in_flight: int | None
    last_success: datetime | None
    last_failure: datetime | None
    last_reason: str | None
    key_fingerprint: str | None
    keyed_at: datetime | None
    rules: list[int]
    node: str | None = None


class _Verdict(NamedTuple):
    state: State
    why: str = ""
    todo: str = ""
    until: float | None = None


class _Row(NamedTuple):
    """What only the database knows."""

    base_url: str
    fingerprint: str | None
    changed: datetime
    enabled: bool
    node: str | None


async def backend_states(
    control: ControlPlane, view: RoutingView, naming: Sequence[BackendMapping] | None = None
) -> list[BackendShown]:
    """All of them: local ones first, then what was found, then providers; the practice model is none. naming: among which
    rules those that name one are looked for, None for all that are stored."""
    snapshot = control.snapshot
    standings = {
        spec.engine: control.engines.standing(spec.engine) for spec in snapshot.backends if spec.engine
    }
    view.follow(snapshot, running_engines(snapshot, control.engines.standing))
    rows, rules = await asyncio.to_thread(_stored, control, naming)
    health = control.board.health(time.monotonic())
    specs = {spec.key: spec for spec in snapshot.backends if not spec.login_only}
    for key, row in rows.items():
        if key not in specs:  # switched off, or not compiled yet
            kind, _, name = key.partition("/")
            specs[key] = BackendSpec(key, kind, name, row.base_url)
    found = [
        _state(
            spec,
            view.backends.get(key),
            rows.get(key),
            health.get(key) or BackendHealth(key),
            standings.get(spec.engine or ""),
            control.watch.since.get(key),
            rules.get(key, []),
        )
        for key, spec in specs.items()
        if key != PRACTICE_KEY and not key.startswith(NODE)  # a node is no backend of its own
    ]
    return sorted(found, key=lambda one: (one.backend_type != BackendType.LOCAL, one.found, one.key))


def _stored(
    control: ControlPlane, naming: Sequence[BackendMapping] | None
) -> tuple[dict[str, _Row], dict[str, list[int]]]:
    """Rows by key, and the rules that name each."""
    rules: dict[str, list[int]] = {}
    with control.read() as session:
        stored: list[sealing.SealedRow] = [*credentials.list_all(session), *local_backends.list_all(session)]
        rows = {
            sealing.key_of(row): _Row(
                sealing.base_url_of(row),
                row.key_fingerprint,
                row.updated_at,
                getattr(row, "enabled", True),
                getattr(row, "node", None),
            )
            for row in stored
        }
        for rule in mappings.list_all(session) if naming is None else naming:
            for key in {ref.backend for ref in targets_of(rule)}:
                rules.setdefault(key, []).append(rule.id or 0)
    return rows, rules


def _state(
    spec: BackendSpec,
    backend: Backend | None,
    row: _Row | None,
    seen: BackendHealth,
    standing: EngineStanding | None,
    since: float | None,
    rules: list[int],
) -> BackendShown:
    kind = BackendType(spec.type)
    nowhere = spec.built_in or engine_of(spec.base_url) is not None
    address = None if nowhere or (spec.node is not None and spec.problem is not None) else spec.base_url
    if row is not None and not row.enabled:
        verdict = _Verdict("off", "Somebody switched it off.", "Switch it on.")
    else:
        verdict = _verdict(spec, backend, seen, standing)
    if standing is not None and standing.since and verdict.state in _OF_ENGINES:
        since = standing.since
    known = backend is not None and spec.problem is None
    return BackendShown(
        key=spec.key,
        backend_type=kind,
        name=spec.name,
        state=verdict.state,
        since=utc(since),
        until=utc(verdict.until),
        why=verdict.why,
        todo=verdict.todo,
        base_url=address,
        origin=_origin(kind, address if row is None or spec.node is None else row.base_url),
        leaves_machine=False if address is None else leaves_machine(spec, backend),
        engine=spec.engine or engine_of(spec.base_url),
        engine_state=None if standing is None else standing.state,
        enabled=row is None or row.enabled,
        found=spec.found,
        recording=spec.recording is not None,
        protocols=_spoken(backend, seen, assumed=False) if known else [],
        tried=_spoken(backend, seen, assumed=True) if known else [],
        in_flight=seen.in_flight,
        queued=seen.queued,
        max_in_flight=spec.max_in_flight,
        last_success=utc(seen.last_success),
        last_failure=utc(seen.last_failure),
        last_reason=seen.last_reason,
        key_fingerprint=None if row is None else row.fingerprint,
        keyed_at=None if row is None or row.fingerprint is None else row.changed,
        rules=rules,
        node=None if row is None else row.node,
    )


_OF_ENGINES = frozenset({"down", "starting", "asleep"})
_ENGINES: Mapping[str, _Verdict] = {
    "cold": _Verdict("asleep", "Its engine does not run; a request starts it."),
    "asleep": _Verdict("asleep", "Its engine has given its memory back; a request wakes it."),
    "starting": _Verdict("starting", "Its engine starts."),
    "loading": _Verdict("starting", "Its engine loads the model."),
    "stopping": _Verdict("asleep", "Its engine stops when what is under way has ended."),
}


def _verdict(
    spec: BackendSpec, backend: Backend | None, seen: BackendHealth, standing: EngineStanding | None
) -> _Verdict:
    if spec.recording is not None:
        return _Verdict("works")
    if spec.problem is not None or backend is None:
        return _Verdict("unusable", spec.problem or "Its row cannot be used.", "Edit it.")
    if standing is not None and standing.state == "down":
        return _Verdict(
            "down", standing.why or "Its engine died too often.", "Look at its log, then start it."
        )
    if standing is not None and standing.state in _ENGINES:
        return _ENGINES[standing.state]
    if seen.benched is not None:
        return _Verdict("refused", f"Its key was refused: {seen.benched}", "Rotate the key.")
    if seen.down:
        return _Verdict(
            "down",
            "It takes no connections.",
            "Start the server. It is asked every 2 s whether it is back.",
        )
    now = time.time()
    paused = [one.throttled_until for one in seen.targets if (one.throttled_until or 0.0) > now]
    if paused:
        return _Verdict("busy", "It asked for a pause.", "", max(one for one in paused if one is not None))
    ready = standing is not None and standing.state == "ready"
    return _Verdict("works") if ready and seen.last_failure is None else _by_answers(seen)


def _by_answers(seen: BackendHealth) -> _Verdict:
    broken = [one for one in seen.targets if one.state != BreakerState.CLOSED.value]
    if broken:
        names = ", ".join(one.model for one in broken[:3]) + (" and more" if len(broken) > 3 else "")
        until = min((one.until for one in broken if one.until is not None), default=None)
        return _Verdict(
            "failing", f"It {what_it_did(seen.last_reason)} ({names}).", "It is tried again by itself.", until
        )
    if seen.last_success is None and seen.last_failure is None:
        return _Verdict("unknown", "No request has gone there yet.", "Test it.")
    if (seen.last_failure or 0.0) > (seen.last_success or 0.0):
        return _Verdict("failing", f"At the last request it {what_it_did(seen.last_reason)}.", "Test it.")
    return _Verdict("works")


def _origin(kind: BackendType, address: str | None) -> str | None:
    try:
        return None if address is None else origin_of(kind, address)
    except ValueError:  # a row that was edited by hand
        return None


def _spoken(backend: Backend | None, seen: BackendHealth, *, assumed: bool) -> list[str]:
    """What it gets as it is, or is tried in."""
    if backend is None:
        return []
    backend.follow_unspoken(one for one in DIALECTS if one in seen.unspoken)
    return [
        one.value
        for one in BACKEND_PROTOCOLS
        if backend.speaks(one) and (one in backend.spoken) is not assumed
    ]
