"""What makes a request plain, found once: of its head (Asker), and of the target that its model goes to (Track).

One-sided: None is the full way's, which has every answer. Not here: what changes from request to request (begin.py).
"""

from __future__ import annotations

from math import inf

from msgspec.json import encode

from ... import native
from ...dialects.base import WholeAgain
from ...dialects.paths import Route, route
from ...dialects.registry import DIALECTS, derived
from ...errors import PointsmanError
from ...kinds import Protocol
from ...ledger.metrics import ATTEMPTS, OVERHEAD
from ...routing.table import Plan
from ...secret import SecretBytes
from ...upstream.backend import Backend
from ...upstream.candidates import may_cross
from ...wire.http1 import RequestHead, digits
from ...wire.user_agent import client_of
from ..attempt.client_headers import Block, steady_block, translated_block, upstream_path
from ..attempt.fitting import surely_fits
from ..client.access import Caller
from ..client.sessions import session_of
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.charging import FREE, cost_line
from ..request.job import header_text
from ..request.joining import joins

_FULL_WAY = (
    b"origin",
    b"sec-fetch-site",
    b"content-encoding",
    b"idempotency-key",
    b"x-pointsman-no-fallback",
)
"""Headers that ask for more than the plain way has."""
_NOTHING = SecretBytes(b"")


class Asker:
    """What a plain request's head says, by one snapshot's rules. track, model, version: of the last request with it.

    bounds: what its key may use; limited: it has limits; ends, until: it is good until then, unix seconds.
    words: what is looked for in the body. read: the marks (wire/scan.py) of those with which it must be looked into before
    it is sent; refers: those of Remembered.words. remembered, revision: see Dialect, None where its protocol
    has none. traced: it belongs to a client's trace, and somebody wants to know."""

    __slots__ = (
        "_begins", "_prefix", "_prefix_of", "_prefix_to", "bounds", "caller", "client", "ends", "key_id", "limited", "model",
        "path", "protocol", "read", "refers", "remembered", "revision", "route", "rules", "seen", "session", "traced",
        "track", "until", "version", "words",
    )  # fmt: skip

    def __init__(
        self, head: RequestHead, where: Route, rules: CompiledRules, caller: Caller, traces: bool
    ) -> None:
        self.rules = rules
        self.route = where
        self.protocol = where.protocol.value
        self.caller = caller
        self.key_id = caller.key_id
        self.until = caller.until
        self.ends = caller.until < inf
        self.bounds = caller.bounds
        self.limited = caller.bounds is not None and bool(caller.bounds.whose)
        self.client, self.session = client_of(head), session_of(head)
        self.seen = where.dialect.seen
        self.traced = traces and head.get(b"traceparent") is not None
        self.track: Track | None = None
        self.model = ""
        self.version = -1
        self.words = _words_of(where.protocol)
        self.remembered = where.dialect.remembered
        refers = len(self.remembered.words) if self.remembered is not None else 0
        self.read = (1 << (len(self.words) - refers)) - 1
        self.refers = (1 << len(self.words)) - 1 - self.read
        self.revision = where.dialect.revision
        self._begins = rules.keys.begins
        self.path = upstream_path(head, where, rules.keys)
        self._prefix = _NOTHING
        self._prefix_of: Backend | None = None
        self._prefix_to = b""  # the path

    def upstream_head(self, head: RequestHead, backend: Backend, size: int) -> bytes:
        """The head of the request to the backend, whose body is `size` bytes long. head: the client's, which has this
        object, and so is not kept here: two that have each other wait for the garbage collector."""
        if self._prefix_of is not backend or self._prefix_to is not self.path:
            self._keep_prefix(backend, self.path, steady_block(head, self.rules.keys))
        length = digits(size)
        if head.varying:
            return b"".join((self._prefix, length, b"\r\n", self._varying(head), b"\r\n"))
        return b"".join((self._prefix, length, b"\r\n\r\n"))

    def across_head(self, head: RequestHead, backend: Backend, path: bytes, size: int) -> bytes:
        """The same, to a backend of another protocol that is posted to this path."""
        if head.varying:
            return backend.head(
                b"POST", path, *(head.across or translated_block(head, self.rules.keys)), size
            )
        if self._prefix_of is not backend or self._prefix_to != path:
            self._keep_prefix(backend, path, translated_block(head, self.rules.keys))
        return b"".join((self._prefix, digits(size), b"\r\n\r\n"))

    def forget(self, head: RequestHead) -> None:
        """What was made for a request that has left, and is open for who knows how long."""
        self._prefix, self._prefix_of = _NOTHING, None
        head.forward = head.across = None

    def _keep_prefix(self, backend: Backend, path: bytes, block: Block) -> None:
        """All of a head but its length."""
        whole = backend.head(b"POST", path, *block, 0)
        self._prefix = SecretBytes(whole.removesuffix(b"0\r\n\r\n"))
        self._prefix_of, self._prefix_to = backend, path

    def _varying(self, head: RequestHead) -> bytes:
        """The lines of this request's own values, less those that hold a client key."""
        get = head.get
        pieces: list[bytes] = []
        for name in head.varying:
            pieces.append(name)
            pieces.append(b": ")
            pieces.append(get(name) or b"")
            pieces.append(b"\r\n")
        found = b"".join(pieces)
        for begins in self._begins:
            if found.find(begins) >= 0:
                lines = found.splitlines(keepends=True)
                return b"".join([one for one in lines if not self.rules.keys.holds_key(one)])
        return found


@derived
def _words_of(protocol: Protocol) -> tuple[bytes, ...]:
    dialect = DIALECTS[protocol]
    option, remembered = dialect.usage_option, dialect.remembered
    return (
        *dialect.straight_words,
        *(() if option is None else (option.member.encode(),)),
        *(() if remembered is None else remembered.words),
    )


def asker_of(head: RequestHead, plane: DataPlane, rules: CompiledRules) -> Asker | None:
    """None where the head asks for anything else than one of the protocols' own answers."""
    where = route(head.path)
    dialect = where.dialect
    plain = (
        head.method == b"POST"
        and where.kind == "llm"
        and where.exact
        and where.path == dialect.endpoint.path
        and not where.answer_id
        and head.http11
        and not where.tag
    )
    if not plain or any(head.get(name) is not None for name in _FULL_WAY):
        return None
    try:
        plane.guard.check(head)
        caller = rules.keys.identify(head)
    except PointsmanError:
        return None
    if rules.captures is not None and caller.key_id in rules.captures.keys:
        return None
    if rules.snapshot.recordings:  # the full way records
        return None
    if caller.bounds is not None:
        try:
            caller.bounds.check_path(where.path)
        except PointsmanError:
            return None
    return Asker(head, where, rules, caller, plane.trace is not None)


class Track:
    """Where a plain request for one model goes, in one protocol. crosses: in another one. named: the model's JSON there,
    None where it is the same. shelf: of its idle connections. probe: see wire/key_mask.py; None where there is nothing to
    look for. quiet and other seconds: see Limits.
    usage: (member, name) by which a stream's is asked for, None where it is not. about: the header lines that say where it
    went. most: bytes of a body that fits its window whatever stands in it; unable: with one of these in it, it may be more
    than its model can (attempt/fitting.py). limited: its backend has a budget. again: what its whole answers look
    like, None where each is read in full. ok: counts its answers; overhead: has
    the gateway's own part of them."""

    __slots__ = (
        "about", "account", "again", "backend", "between", "bill", "crosses", "health", "hold", "label", "limited", "local",
        "mapping_id", "most", "named", "ok", "overhead", "pair", "places", "plan", "probe", "quiet", "shelf", "target",
        "total", "total_whole", "unable", "usage",
    )  # fmt: skip

    def __init__(
        self, plane: DataPlane, rules: CompiledRules, plan: Plan, backend: Backend, protocol: Protocol
    ) -> None:
        target = plan.targets[0]
        self.plan = plan
        self.target = target
        self.crosses = not backend.speaks(protocol)
        self.label = target.label
        self.mapping_id = plan.mapping_id
        self.backend = backend
        self.local = backend.local
        self.bill = rules.bill(target)
        self.limited = f"backend/{target.key}" in rules.limits
        self.account = backend.account
        self.most, self.unable = surely_fits(plane, backend, target.model)
        self.probe = backend.mask.probe if backend.mask.masks else None
        self.shelf = plane.pool.shelf(backend)
        self.named = None if target.model == plan.model else encode(target.model)
        option = DIALECTS[protocol].usage_option
        asks = option is not None and (backend.local or backend.spec.stream_usage)
        self.usage = (option.member, option.name) if option is not None and asks else None
        self.health = plane.board.backend(target.key)
        self.places = self.health.places
        self.pair = (target.key, target.model)
        limits = plane.limits
        self.quiet = limits.first_output_local_seconds if backend.local else limits.first_output_cloud_seconds
        self.between = limits.between_chunks_seconds
        self.total, self.total_whole = limits.total_seconds, limits.total_whole_seconds
        self.hold = limits.hold_seconds
        self.about = b"x-pointsman-target: %b\r\nx-pointsman-attempts: 1\r\n" % header_text(target.label)
        if self.bill is None:
            self.about += cost_line(FREE)
        self.again = None if self.crosses else _whole_again(protocol)
        counters = plane.counters
        self.ok = counters.cell((ATTEMPTS, target.key, "ok"))
        self.overhead = counters.histogram((OVERHEAD, protocol.value))


def _whole_again(protocol: Protocol) -> WholeAgain | None:
    """None where it would run as Python, which costs what it saves."""
    fresh = DIALECTS[protocol].seen
    first = fresh()
    if first.alike is None or not native.compiled("dialects.whole_again"):
        return None
    return WholeAgain(first.alike, lambda body: fresh().whole_text(body), first.counts_of)


def track_of(plane: DataPlane, rules: CompiledRules, plan: Plan, protocol: Protocol) -> Track | None:
    """None where the plan's rule asks for more than its first target's answer, or that target may not serve it, as it is or
    translated."""
    target, rule = plan.targets[0], plan.rule
    backend = rules.backends.get(target.key)
    if backend is None or target.problem is not None or target.forwards or backend.spec.login_only:
        return None
    if rules.captures is not None and plan.mapping_id in rules.captures.mappings:
        return None
    if (
        backend.spec.engine is not None or backend.spec.recording is not None
    ):  # started, or looked into, by the full way
        return None
    if plan.unplaced or rule.local_only or rule.hedge_seconds is not None or joins(rules, plan):
        return None
    if rule.spread or rule.presets or rule.stop_loops or rule.recover_calls or plan.wants_told:
        return None
    if (rule.fallback_on or rule.stick) and len(plan.targets) > 1:
        return None
    if rules.customs is not None and not backend.stays and rules.customs.mode(rule.customs):
        return None  # the full way looks through it
    if plane.facts.doubtful(backend, protocol):
        return None  # the full way asks
    if backend.speaks(protocol):
        if may_cross(backend, target.model, protocol):
            return None
    elif DIALECTS[protocol].translation is None:
        return None
    return Track(plane, rules, plan, backend, protocol)
