"""Counting input tokens for a backend that cannot be asked in the client's protocol: by its own means, else an estimate.

docs/protocols/counting.md#ways-to-count, best first: the backend's own counting path in a protocol
it speaks, a local server's tokenizer, our estimate, which is marked in `x-pointsman-warnings` as
`estimated:input_tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec
from msgspec.structs import replace

from ...conversation.notes import Notes
from ...conversation.parts import Text
from ...conversation.presets import system_of
from ...conversation.request import Request
from ...errors import PointsmanError
from ...kinds import Protocol
from ...providers.profiles import profile_for
from ...resilience.walk import Held
from ...routing.table import Plan
from ...translation.adapt import adapt
from ...translation.crossing import Asked
from ...translation.estimate import estimate_tokens
from ...upstream.backend import Backend
from ...upstream.fetch import fetch
from ...upstream.tokenizer import RENDERED_IN, count_by_tokenizer
from ...wire.answer import Answer
from ..data_plane import DataPlane
from ..request.job import Job, Tried
from .answer import client_lines
from .passthrough import JSON

SECONDS = 10.0
"""Counting is advice: a client that waits longer for it is worse off than with an estimate."""


async def answer(
    plane: DataPlane,
    job: Job,
    plan: Plan,
    tried: Tried,
    backend: Backend,
    asked: Asked,
    spoken: Protocol,
    asks: bool = True,
) -> Held[Answer] | None:
    """Tell the client its count. Never fails for a backend's fault: the estimate is always there. asks: it may be sent
    there."""
    client = job.request.route.dialect.translation
    assert client is not None
    assert client.render_count is not None
    request = as_sent(asked.request, plan)
    tokens = await _by_path(plane, plan, tried, backend, request, spoken) if asks else None
    if tokens is None and backend.local and backend.spec.recording is None:
        tokens = await by_tokenizer(plane, plan, tried, backend, request)
    if tokens is None:
        tokens = estimate_tokens(request)
        tried.warnings = b"estimated:input_tokens"
    job.won = tried
    job.delivery.send(200, job.target_lines(), client_lines(JSON), client.render_count(tokens))
    return None


def as_sent(request: Request, plan: Plan) -> Request:
    """With the system prompt that the rule sets."""
    text = system_of(plan.rule.presets, silent=not request.system)
    return replace(request, system=[Text(text), *request.system]) if text else request


async def _by_path(
    plane: DataPlane, plan: Plan, tried: Tried, backend: Backend, request: Request, spoken: Protocol
) -> int | None:
    upstream = plane.dialects[spoken].translation
    if upstream is None or upstream.count_path is None or upstream.parse_count is None:
        return None
    profile = profile_for(backend.spec, spoken, tried.target.model)
    made, _ = adapt(request, profile, Notes())
    rendered = msgspec.json.decode(upstream.render_request(made, profile))
    body = {key: value for key, value in rendered.items() if key in upstream.count_keys}
    found = await _ask(plane, plan, tried, backend, upstream.count_path, body)
    if found is None:
        return None
    try:
        return upstream.parse_count(found)
    except ValueError:
        return None


async def by_tokenizer(
    plane: DataPlane, plan: Plan, tried: Tried, backend: Backend, request: Request
) -> int | None:
    """By the server's own tokenizer; None where it has none, or does not answer."""
    half = plane.dialects[RENDERED_IN].translation
    assert half is not None
    profile = profile_for(backend.spec, RENDERED_IN, tried.target.model)
    made, _ = adapt(request, profile, Notes())
    rendered = msgspec.json.decode(half.render_request(made, profile))
    return await count_by_tokenizer(
        partial(_ask, plane, plan, tried, backend), rendered, plane.facts.engine(backend)
    )


async def _ask(
    plane: DataPlane, plan: Plan, tried: Tried, backend: Backend, path: str, body: Mapping[str, object]
) -> bytes | None:
    def sent(size: int) -> None:
        tried.sent += size

    try:
        found = await fetch(
            plane.pool,
            backend,
            path.encode(),
            SECONDS,
            body=msgspec.json.encode(body),
            local_only=plan.rule.local_only,
            sent=sent,
        )
    except PointsmanError:
        return None
    return found.body if found.status == 200 else None
