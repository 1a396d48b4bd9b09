"""One cheap authenticated call to a backend, for `test` and `doctor`: the shape of its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, backend_key
from ...routing.specs import BackendSpec
from ..store.shapes import Input
from .control_plane import ControlPlane
from .engines import standing_at
from .token_usage import keep_token

if TYPE_CHECKING:
    from ...upstream.one_token import TokenAsked
    from ...upstream.probe import Step

ENGINE_SECONDS = 90.0
"""How long an engine may take to be ready for a test; it goes on loading after that."""


TokenOf = Annotated[str | None, Field(min_length=1, max_length=512)]


class ProbeAsked(Input):
    """What more a test does. one_token: a model that is asked for one token after all else has worked, which may cost."""

    one_token: TokenOf = None


class ProbeStep(BaseModel):
    """One step: dns, tcp, proxy, tls, auth, models or token; or `settings`, when what is stored cannot be used; before them
    `engine`, where it is started on demand. word: what came of it, in two or three words; detail: what was seen, and what to
    do where it failed."""

    name: str
    ok: bool
    word: str
    detail: str
    ms: float | None = None


class ProbeOutcome(BaseModel):
    """What one call found. models: the names the backend lists. cost: dollars of the one token; None where none was asked
    for, or nobody knows its price."""

    ok: bool
    backend: str
    steps: list[ProbeStep]
    models: list[str]
    cost: float | None = None


Heard = Callable[[ProbeStep], None]
"""Told each step when it has ended."""


def _unheard(step: ProbeStep) -> None:
    """Nobody wants the steps one by one."""


async def try_backend(
    control: ControlPlane,
    backend_type: BackendType,
    name: str,
    asked: ProbeAsked | None = None,
    heard: Heard = _unheard,
) -> ProbeOutcome:
    """Probes a stored backend. Raises PointsmanError NOT_FOUND when there is none, CONFLICT when it is
    disabled."""
    key = backend_key(backend_type, name)
    spec = next((spec for spec in control.snapshot.backends if spec.key == key), None)
    token_of = None if asked is None else asked.one_token
    if spec is not None:
        return await _probe(control, spec, token_of, heard)
    local = backend_type is BackendType.LOCAL
    if local and await asyncio.to_thread(_exists, control, name):
        raise PointsmanError(
            ErrorKind.CONFLICT, f"{key} is disabled; enable it with: pointsman local update {name} --enable"
        )
    add = f"pointsman local add {name} --url URL" if local else f"pointsman credential set {key}"
    raise PointsmanError(ErrorKind.NOT_FOUND, f"There is no {key}; add it with: {add}")


async def _probe(
    control: ControlPlane, spec: BackendSpec, token_of: str | None, heard: Heard
) -> ProbeOutcome:
    """Its engine runs for it, where it is one."""
    if spec.engine is None or spec.problem is not None:
        return await probe_with_token(control, spec, token_of, heard)
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        step = ProbeStep(name="engine", ok=True, word="Engine runs", detail="")
        try:
            address = await stack.enter_async_context(control.engines.running(spec.engine, ENGINE_SECONDS))
            step.detail = f"it runs at {address}"
        except PointsmanError as error:
            step.ok, step.word, step.detail = False, "Engine does not start", error.public
        step.ms = round((time.monotonic() - started) * 1000, 1)
        heard(step)
        if not step.ok:
            return ProbeOutcome(ok=False, backend=spec.key, steps=[step], models=[])
        found = await probe_with_token(control, standing_at(spec, address), token_of, heard)
    return found.model_copy(update={"steps": [step, *found.steps]})


async def probe_with_token(
    control: ControlPlane, spec: BackendSpec, token_of: str | None, heard: Heard
) -> ProbeOutcome:
    """Probes a backend, stored or not. token_of: a model that is then asked for one token, which usage has."""

    async def keep(asked: TokenAsked) -> float | None:
        return await keep_token(control, spec, asked)

    return await probe_spec(spec, token_of, heard, keep)


async def _free(asked: TokenAsked) -> float | None:
    """Nobody asks for a token."""
    return None


async def probe_spec(
    spec: BackendSpec,
    token_of: str | None = None,
    heard: Heard = _unheard,
    keep: Callable[[TokenAsked], Awaitable[float | None]] = _free,
) -> ProbeOutcome:
    """Probes a backend as the data plane would use it. One that cannot be used is not connected to. token_of: a model
    that is asked for one token; keep: writes that down, and says what it cost in dollars."""
    if spec.problem is not None:
        step = ProbeStep(name="settings", ok=False, word="Cannot be used", detail=spec.problem)
        heard(step)
        return ProbeOutcome(ok=False, backend=spec.key, steps=[step], models=[])
    from ...upstream.probe import probe

    def told(step: Step) -> None:
        heard(ProbeStep.model_validate(asdict(step)))

    result = await probe(spec, token_of=token_of, heard=told)
    return ProbeOutcome(
        ok=result.ok,
        backend=spec.key,
        steps=[ProbeStep.model_validate(asdict(step)) for step in result.steps],
        models=result.models,
        cost=None if result.token is None else await keep(result.token),
    )


def _exists(control: ControlPlane, name: str) -> bool:
    from ..store import local_backends

    with control.read() as session:
        return any(row.name == name for row in local_backends.list_all(session))
