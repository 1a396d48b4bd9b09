"""One try of one target: is it usable, the request's bytes for it, a connection, and its answer into an Exchange.

Not here: which target comes next (resilience/walk.py).
"""

from __future__ import annotations

from ..errors import PointsmanError
from ..kinds import ErrorKind, FallbackReason, Protocol
from ..providers.catalog import OPENAI_FAMILY
from ..resilience.walk import Held
from ..routing.table import Plan, Target
from ..upstream.backend import Backend, forwarded
from ..upstream.connection import UpstreamConnection
from ..wire.splice import ask_for_usage, replace_model
from .answer import Answer
from .exchange import Exchange
from .job import Job
from .runtime import Runtime, State


async def attempt(
    runtime: Runtime, state: State, job: Job, plan: Plan, target: Target
) -> Held[Answer] | None:
    """None when the client has been answered, else why this target could not serve."""
    job.attempts += 1
    job.target = target
    backend = state.backends.get(target.key)
    if target.problem is not None or backend is None:
        text = target.problem or "its row cannot be used"
        return Held(FallbackReason.CONNECT, _unusable(target, text))
    if backend.spec.login_only and not (plan.forward_auth and job.caller.login):
        text = f"no key is stored and none came with the request; pointsman credential set {target.key}"
        return Held(FallbackReason.AUTH, _unusable(target, text))
    if not _speaks(backend, job):
        return Held(FallbackReason.UPSTREAM_ERROR, not_spoken(target, job.route.protocol))
    body, hide_usage = _body_for(backend, target, job)
    data = _head_for(backend, plan, job, len(body))
    watch = job.route.dialect.watch() if job.route.exact else None
    health = runtime.health_of(target.key)
    health.in_flight += 1
    on_trial = job.route.exact and job.route.protocol not in backend.spoken
    exchange = Exchange(
        job,
        runtime.limits,
        watch,
        local=backend.local,
        hide_usage=hide_usage,
        on_trial=on_trial,
        key=backend.key,
    )
    runtime.exchanges.add(exchange)
    try:
        held = await _exchange(runtime, backend, plan.local_only, data, body, exchange)
    except PointsmanError as error:
        held = Held(FallbackReason.CONNECT, _unusable(target, error.public))
    finally:
        runtime.exchanges.discard(exchange)
        exchange.close()
        health.in_flight -= 1
    if exchange.unspoken and held is not None:
        backend.learn_unspoken(job.route.protocol)
        held.error = not_spoken(target, job.route.protocol)
    health.saw(None if held is None else held.reason)
    if job.usage is None and watch is not None and held is None:
        job.usage = watch.usage
    return held


async def _exchange(
    runtime: Runtime, backend: Backend, local_only: bool, data: bytes, body: bytes, exchange: Exchange
) -> Held[Answer] | None:
    conn: UpstreamConnection | None = runtime.pool.take(backend, local_only)
    if conn is not None:
        exchange.attach(conn)
        conn.send(data, body, exchange)
        held = await exchange.done
        if held is None or not exchange.stale:
            return held
        # The kept connection had died and nothing came back on it: once more, on a fresh one.
        exchange.renew()
    conn = await runtime.pool.open(backend, local_only)
    exchange.attach(conn)
    conn.send(data, body, exchange)
    return await exchange.done


def _speaks(backend: Backend, job: Job) -> bool:
    if job.route.exact:
        return backend.speaks(job.route.protocol)
    return any(backend.speaks(protocol) for protocol in OPENAI_FAMILY)


def _body_for(backend: Backend, target: Target, job: Job) -> tuple[bytes, bool]:
    """The body's bytes as they came; the model spliced where it has another name there; usage asked for where the
    backend's row says it understands that. Also: must the extra usage chunk be hidden?"""
    body = job.body
    if target.model != job.model:
        body = replace_model(body, target.model)
    if job.stream and backend.spec.stream_usage and job.route.dialect.extra_usage is not None:
        asked = ask_for_usage(body)
        if asked is not None:
            return asked, True
    return body, False


def _head_for(backend: Backend, plan: Plan, job: Job, body_size: int) -> bytes:
    head = job.head
    block, names = head.forward or _remember(job)
    path = job.path.encode("ascii") + (b"?" + head.query if head.query else b"")
    login = job.caller.login if plan.forward_auth and not backend.local else b""
    return backend.head(head.method, path, block, names, body_size, login)


def _remember(job: Job) -> tuple[bytes, frozenset[bytes]]:
    job.head.forward = forwarded(job.head.headers)
    return job.head.forward


def _unusable(target: Target, text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.UPSTREAM_UNREACHABLE, f"{target.key} could not be used: {text}.")


def not_spoken(target: Target, protocol: Protocol) -> PointsmanError:
    """The honest answer where a translation is needed that does not exist yet."""
    return PointsmanError(
        ErrorKind.NOT_IMPLEMENTED,
        f"{target.key} does not speak {protocol.value}, and this version does not translate between protocols yet. "
        "Call it in a protocol it speaks, or map the model to a backend that speaks this one.",
    )
