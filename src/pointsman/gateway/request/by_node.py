"""What another node asks a local backend of this one for: the bytes go there as they came, and the answer goes back so.

The asking node has chosen by its rules, translates, judges the answer, counts it and has the client: here are only this
node's places, breakers and engines. So there is no plan, no other target, no client key, no usage record, and nothing that
goes on to a third node. Not here: who is asked so (admin/control/placing.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

import msgspec

from ...dialects.paths import Route, route
from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, FallbackReason, backend_key
from ...ledger.metrics import ATTEMPTS
from ...link.node_spec import NodeSpec
from ...resilience.walk import Held
from ...routing.table import Target, shown
from ...secret import Secret
from ...upstream.backend import Backend, forwarded
from ...upstream.connection import UpstreamConnection
from ...upstream.egress import ConnectFailed
from ...upstream.fetch import Waited
from ...upstream.model_lists import ROUND_AGENT
from ...wire.answer import Answer, Headers
from ...wire.http1 import NEVER_CLIENT, RequestHead
from ...wire.splice import peek
from ..attempt.health import AttemptHealth
from ..attempt.moves import Stage
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..own.pages import JSON
from .delivery import Delivery
from .engines import with_engine
from .job import Job
from .offload import LARGE, offload
from .waiting import wait_for_place

_PATH, _ONE, _WHOLE = "/node/", "/node/local/", "/node/any/"
_BODILESS = (204, 304)
_NEVER = NEVER_CLIENT - {b"x-request-id", b"request-id"}
_PAUSES = (429, 503)
"""A server that is busy or loads a model: nothing is wrong with it."""


class _Bare(Delivery):
    """Without ids of ours: the asking node reads from an answer which engine gave it."""

    def id_lines(self) -> bytes:
        return b""


async def served_for_node(plane: DataPlane, job: Job) -> bool:
    """False: no node asks, and the path is one that nobody knows. Raises PointsmanError."""
    head, rules = job.request.head, plane.rules
    node = None if rules is None else rules.snapshot.node
    if rules is None or node is None or not head.path.startswith(_PATH) or not _is_node(head, node):
        return False
    whole = head.path.startswith(_WHOLE)
    name, _, rest = head.path.removeprefix(_ONE).partition("/")
    rest = head.path.removeprefix(_WHOLE) if whole else rest
    meant = route(f"/{rest}")
    spoken = {"protocol": meant.protocol} if meant.kind == "llm" else {}
    job.request = msgspec.structs.replace(
        job.request,
        route=Route("node", f"/{rest}", exact=False, **spoken),  # type: ignore[arg-type]
    )
    job.delivery = _Bare(job.delivery.client, job.request.id)
    if plane.jobs > plane.limits.max_requests:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"The node {node.name} serves as many requests as it may.", retry_after=1
        )
    if whole:
        await _as_a_whole(plane, job, rules, node)
        return True
    backend = _own(rules, node, name)
    if head.method != b"POST" or head.get(b"user-agent") == ROUND_AGENT:
        await _look(plane, job, backend)
    else:
        await _ask(plane, job, backend)
    return True


def _is_node(head: RequestHead, node: NodeSpec) -> bool:
    """Does it come with the key by which nodes know each other? Compared in constant time."""
    presented = head.get(b"authorization") or b""
    return presented[:7].lower() == b"bearer " and Secret(presented[7:].strip().decode("latin-1")) == node.key


def _own(rules: CompiledRules, node: NodeSpec, name: str) -> Backend:
    """Raises PointsmanError where it is none of this node's own: whatever the asking one thinks, it ends here."""
    key = backend_key(BackendType.LOCAL, name)
    backend, spec = rules.backends.get(key), rules.table.backends.get(key)
    if name not in node.serves or spec is None or not spec.stays:
        raise PointsmanError(ErrorKind.UNAVAILABLE, f"{key} is none of the node {node.name}.", retry_after=1)
    if backend is None or spec.problem is not None:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"{key} cannot be used by its node {node.name}: {spec.problem}."
        )
    return backend


async def _as_a_whole(plane: DataPlane, job: Job, rules: CompiledRules, node: NodeSpec) -> None:
    """What `local` is on this node: a list of all that its own servers list; a request to the one that takes the model."""
    head = job.request.head
    if not node.whole:
        raise PointsmanError(ErrorKind.NOT_FOUND, f"No rule names the node {node.name}.")
    if head.method == b"GET" and job.request.route.path == "/v1/models":
        await plane.lists.refresh()
        known = (plane.lists.known.get(key, ()) for key in rules.table.own_locals)
        _send_list(job, {name for names in known for name in names})
        return
    if head.method != b"POST" or head.get(b"user-agent") == ROUND_AGENT:
        raise PointsmanError(ErrorKind.NOT_FOUND, f"The node {node.name} is no server of this kind.")
    model = await _model_of(job.request.body)
    key = rules.table.unnamed_local(model, plane.lists.known) if model else None
    spec = None if key is None else rules.table.backends[key]
    if key is None or spec is None:
        raise PointsmanError(
            ErrorKind.MODEL_NOT_FOUND, f"No local server of the node {node.name} lists '{shown(model)}'."
        )
    if key not in rules.backends or spec.problem is not None:
        raise PointsmanError(ErrorKind.UNAVAILABLE, f"{key} cannot be used by its node: {spec.problem}.")
    await _ask(plane, job, rules.backends[key])


def _send_list(job: Job, names: Iterable[str]) -> None:
    entries = [{"id": name, "object": "model"} for name in sorted(names)]
    job.delivery.send(200, b"", JSON, msgspec.json.encode({"object": "list", "data": entries}))


async def _look(plane: DataPlane, job: Job, backend: Backend) -> None:
    """What the asking node wants to know of it: nothing is started for that, and no place is taken."""
    if not backend.asleep:
        try:
            await _pass_on(plane, job, backend, once=False)
        except ConnectFailed as error:
            raise _unreachable(backend, error) from None
        return
    if job.request.route.path != "/v1/models":
        raise PointsmanError(ErrorKind.UNAVAILABLE, f"The engine of {backend.spec.key} does not run.")
    _send_list(job, plane.lists.known.get(backend.spec.key, ()))


async def _ask(plane: DataPlane, job: Job, backend: Backend) -> None:
    """A request of a client's, or one to load a model."""
    key, model = backend.spec.key, await _model_of(job.request.body)
    closed = plane.board.closed(key, model, backend.account)
    if closed is not None:
        wait = 1 if closed.wait is None else max(1, round(closed.wait))
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"{key} is not asked now: {closed.reason.value}.", retry_after=wait
        )
    go = partial(_with_place, plane, job, model)
    engine = backend.spec.engine
    if engine is None:
        held = await go(backend)
    else:
        held = await with_engine(plane, job, Target(key, model, backend.spec), engine, (), go)
    if held is not None:
        raise held.error


async def _model_of(body: bytes) -> str:
    """ "" where it names none."""
    try:
        return (peek(body) if len(body) < LARGE else await offload(peek, body)).model
    except PointsmanError:
        return ""


async def _with_place(plane: DataPlane, job: Job, model: str, backend: Backend) -> Held[Answer] | None:
    key = backend.spec.key
    places = plane.board.backend(key).places
    place = places.take(None)
    if place is None:
        place, busy = await wait_for_place(plane, job, key, places)
        if place is None:
            return busy
    health = AttemptHealth(plane.board, key, model, backend, False, partial(plane.probes.doubt, backend))
    held: Held[Answer] | None = None
    unreachable = False
    result = "aborted"
    try:
        status, cut = await _pass_on(plane, job, backend, once=True)
        if cut is not None:
            health.answered(status)
            health.interrupted(cut)
        elif status < 500 or status in _PAUSES:
            health.answered(status)
        else:
            held = Held(FallbackReason.UPSTREAM_ERROR, PointsmanError(ErrorKind.UPSTREAM_ERROR, ""))
        result = "ok" if status < 400 and cut is None else (cut or FallbackReason.UPSTREAM_ERROR).value
    except ConnectFailed as error:
        unreachable, result = error.step != "http", FallbackReason.CONNECT.value
        held = Held(FallbackReason.CONNECT, error)
        raise _unreachable(backend, error) from None
    finally:
        health.over(held, unreachable=unreachable)
        places.leave(place)
        if result != "aborted":  # its client, or its node, has left
            plane.counters.count((ATTEMPTS, key, result))
        if unreachable:
            plane.probes.watch(backend)
    return None


def _unreachable(backend: Backend, error: ConnectFailed) -> PointsmanError:
    return PointsmanError(
        ErrorKind.UPSTREAM_UNREACHABLE,
        f"{backend.spec.key} could not be used by its node: {error.public}.",
        retry_after=1,
    )


async def _pass_on(
    plane: DataPlane, job: Job, backend: Backend, *, once: bool
) -> tuple[int, FallbackReason | None]:
    """(the status that was told, why the answer broke off where it did). once: it may not be sent twice. Raises
    ConnectFailed where there was no answer, and EgressRefused."""
    head, body = job.request.head, job.request.body
    block, names = forwarded(head.headers)
    path = job.request.route.path.encode() + (b"?" + head.query if head.query else b"")
    size = len(body) if body or head.method == b"POST" else None
    data = backend.head(head.method, path, block, names, size)

    async def send(conn: UpstreamConnection, kept: bool) -> tuple[int, FallbackReason | None]:
        relay = _Relay(plane, job, conn, kept)
        plane.ticking.add(relay)
        try:
            return await relay.ask(data, body, no_body=head.method == b"HEAD")
        finally:
            plane.ticking.discard(relay)

    return await plane.pool.ask(backend, False, send, once=once)


class _Relay(Waited[tuple[int, FallbackReason | None]]):
    """Sink that passes an answer on as it comes. How long it may take is the asking node's affair; only one that nobody
    waits for any more is ended."""

    def __init__(self, plane: DataPlane, job: Job, conn: UpstreamConnection, kept: bool) -> None:
        super().__init__(conn, kept)
        self._plane = plane
        self._delivery = job.delivery
        self._no_body = job.request.head.method == b"HEAD"
        self._whole = False
        self._status = 0
        self._lines = b""
        self._until = time.monotonic() + plane.limits.total_seconds

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        """See Sink."""
        self._status = status
        self._lines = b"".join(n + b": " + v + b"\r\n" for n, v in headers if n not in _NEVER)
        if status in _BODILESS or self._no_body:
            self._whole = True
            return
        self._delivery.begin(status, b"", self._lines, length, b"")
        self._delivery.client.on_writable = self._writable

    def _writable(self, ready: bool) -> None:
        self.conn.resume() if ready else self.conn.pause()

    def body(self, data: bytes) -> None:
        """See Sink."""
        if not self._whole:
            self._delivery.client.write(data)

    def end(self) -> None:
        """See Sink."""
        self.complete = True
        if self._whole:
            self._delivery.send(self._status, b"", self._lines, b"")
        else:
            self._delivery.client.finish()
        if not self.done.done():
            self.done.set_result((self._status, None))

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        """See Sink. What has begun has no clean end: the asking node sees a broken line, as it would have here."""
        if self._delivery.stage is not Stage.CONTENT:
            self.gone(ConnectFailed("http", detail), received)
        elif not self.done.done():
            self._delivery.break_off(None)
            self.done.set_result((self._status, reason))

    def tick(self, now: float) -> None:
        """See Ticking."""
        if now > self._until:
            self.stop(PointsmanError(ErrorKind.UPSTREAM_TIMEOUT, "it takes longer than any request may"))

    def stop(self, error: PointsmanError) -> None:
        """See Ticking."""
        self.failed(FallbackReason.TIMEOUT, error.public.rstrip("."), True)
