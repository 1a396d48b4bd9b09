"""One cheap authenticated call to a backend, for `test` and `doctor`: the shape of its answer."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import asdict

from pydantic import BaseModel

from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, backend_key
from ...routing.specs import BackendSpec
from .control_plane import ControlPlane
from .engines import standing_at

ENGINE_SECONDS = 90.0
"""How long an engine may take to be ready for a test; it goes on loading after that."""


class ProbeStep(BaseModel):
    """One step: dns, tcp, proxy, tls, auth or models; or `settings`, when what is stored cannot be used; before them
    `engine`, where it is started on demand."""

    name: str
    ok: bool
    detail: str
    ms: float | None = None


class ProbeOutcome(BaseModel):
    """What one call found. models: the names the backend lists."""

    ok: bool
    backend: str
    steps: list[ProbeStep]
    models: list[str]


async def test_backend(control: ControlPlane, backend_type: BackendType, name: str) -> ProbeOutcome:
    """Probes a stored backend. Raises PointsmanError NOT_FOUND when there is none, CONFLICT when it is
    disabled."""
    key = backend_key(backend_type, name)
    spec = next((spec for spec in control.snapshot.backends if spec.key == key), None)
    if spec is not None:
        return await (probe_spec(spec) if spec.engine is None else _probe_engine(control, spec, spec.engine))
    local = backend_type is BackendType.LOCAL
    if local and await asyncio.to_thread(_exists, control, name):
        raise PointsmanError(
            ErrorKind.CONFLICT, f"{key} is disabled; enable it with: pointsman local update {name} --enable"
        )
    add = f"pointsman local add {name} --url URL" if local else f"pointsman credential set {key}"
    raise PointsmanError(ErrorKind.NOT_FOUND, f"There is no {key}; add it with: {add}")


async def _probe_engine(control: ControlPlane, spec: BackendSpec, engine: str) -> ProbeOutcome:
    """Started for it, and asked where it is then."""
    if spec.problem is not None:
        return await probe_spec(spec)
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        step = ProbeStep(name="engine", ok=True, detail="")
        try:
            address = await stack.enter_async_context(control.engines.running(engine, ENGINE_SECONDS))
            step.detail = f"it runs at {address}"
        except PointsmanError as error:
            step.ok, step.detail = False, error.public
        step.ms = round((time.monotonic() - started) * 1000, 1)
        if not step.ok:
            return ProbeOutcome(ok=False, backend=spec.key, steps=[step], models=[])
        found = await probe_spec(standing_at(spec, address))
    return found.model_copy(update={"steps": [step, *found.steps]})


async def probe_spec(spec: BackendSpec) -> ProbeOutcome:
    """Probes a backend as the data plane would use it. One that cannot be used is not connected to."""
    if spec.problem is not None:
        step = ProbeStep(name="settings", ok=False, detail=spec.problem)
        return ProbeOutcome(ok=False, backend=spec.key, steps=[step], models=[])
    from ...upstream.probe import probe

    result = await probe(spec)
    return ProbeOutcome.model_validate({"backend": spec.key, **asdict(result)})


def _exists(control: ControlPlane, name: str) -> bool:
    from ..store import local_backends

    with control.read() as session:
        return any(row.name == name for row in local_backends.list_all(session))
