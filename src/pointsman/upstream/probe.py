"""Is a backend there, and does its key work? One cheap authenticated call (list models), told step by step.

For `credential test`, `local test` and `doctor`. Not the health of a request's way.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field

import msgspec

from ..config import local_host
from ..errors import PointsmanError
from ..providers.proxies import Proxies
from ..routing.specs import BackendSpec
from .backend import Backend
from .egress import ConnectFailed, Egress, EgressRefused
from .fetch import model_names
from .pool import Pool


@dataclass(slots=True)
class Step:
    """One step. name: dns | tcp | proxy | tls | auth | models. detail: what was seen, with the fix when it failed."""

    name: str
    ok: bool
    detail: str
    ms: float


@dataclass(slots=True)
class ProbeResult:
    """ok: every step worked. models: the names it lists."""

    ok: bool
    steps: list[Step] = field(default_factory=list)
    models: list[str] = field(default_factory=list)


async def probe(
    spec: BackendSpec, *, connect_seconds: float = 5.0, answer_seconds: float = 10.0
) -> ProbeResult:
    """Try the proxy, DNS, TCP, TLS, the key and the model list, each said apart. Never raises for a backend's fault,
    but PointsmanError where the environment's proxies cannot be read."""
    result = ProbeResult(ok=False)
    try:
        backend = Backend(spec)
    except ValueError as error:
        result.steps.append(Step("dns", False, f"the row cannot be used: {error}", 0.0))
        return result
    proxies = Proxies.from_environment(os.environ)
    egress = Egress(connect_seconds, proxies=proxies, local_host=local_host())
    pool = Pool(egress)
    try:
        if await _reach(egress, pool, backend, result):
            await _ask(pool, backend, result, answer_seconds)
    finally:
        pool.close()
        await asyncio.sleep(0)  # lets the transports close before the loop may end
    result.ok = bool(result.steps) and all(step.ok for step in result.steps)
    return result


async def _reach(egress: Egress, pool: Pool, backend: Backend, result: ProbeResult) -> bool:
    url, proxy = backend.url, egress.proxy_of(backend)
    by = "tcp" if proxy is None else "proxy"
    started = time.monotonic()
    if url is not None and proxy is None:
        try:
            addresses = await egress.resolve(backend)
        except ConnectFailed as error:
            result.steps.append(
                Step("dns", False, f"{error.public}; check the name in the base URL", _ms(started))
            )
            return False
        result.steps.append(Step("dns", True, ", ".join(addresses[:4]), _ms(started)))
    started = time.monotonic()
    connected = "connected" if proxy is None else f"a way to it through {proxy}"
    try:
        conn = await pool.open(backend, False)
    except EgressRefused as error:
        result.steps.append(Step(by, False, error.public, _ms(started)))
        return False
    except ConnectFailed as error:
        if error.step == "tls":
            result.steps.append(Step(by, True, connected, _ms(started)))
        fix = "; is the server running on that port?" if error.step == "tcp" and backend.local and url else ""
        result.steps.append(Step(error.step, False, error.public + fix, _ms(started)))
        return False
    conn.close()
    result.steps.append(Step(by, True, connected, _ms(started)))
    if url is not None and url.scheme == "https":
        result.steps.append(Step("tls", True, "certificate accepted", _ms(started)))
    return True


async def _ask(pool: Pool, backend: Backend, result: ProbeResult, seconds: float) -> None:
    started = time.monotonic()
    try:
        answer, names = await model_names(pool, backend, seconds)
    except PointsmanError as error:
        result.steps.append(Step("models", False, error.public, _ms(started)))
        return
    if answer.status in (401, 403):
        result.steps.append(
            Step("auth", False, f"it refused the key ({answer.status}); set a valid one", _ms(started))
        )
        return
    said = "accepted" if backend.spec.api_key is not None else "no key stored, none asked for"
    result.steps.append(Step("auth", True, said, _ms(started)))
    if names is None:
        url = backend.url_of("/v1/models") or "/v1/models"
        detail = f"{url} answered {answer.status}, not a model list"
        better = await _under_v1(pool, backend, seconds)
        if better:
            detail += f"; there is one under {better}: set that as the base URL"
        result.steps.append(Step("models", False, detail, _ms(started)))
        return
    result.models = names
    result.steps.append(Step("models", True, f"{len(names)} models", _ms(started)))


async def _under_v1(pool: Pool, backend: Backend, seconds: float) -> str:
    """Where the path of a base URL is not all of it: the same with `/v1`, if that has a list of models."""
    base = backend.spec.base_url
    if backend.url is None or not backend.url.path or backend.url.path.endswith("/v1") or backend.url.query:
        return ""
    longer = Backend(msgspec.structs.replace(backend.spec, base_url=f"{base}/v1"))
    try:
        _, names = await model_names(pool, longer, seconds)
    except PointsmanError:
        return ""
    return longer.spec.base_url if names is not None else ""


def _ms(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
