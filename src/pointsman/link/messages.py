"""What control plane and data plane tell each other (msgspec structs, msgpack, 4-byte big-endian length prefix).

Secrets travel here in clear: the socket lives in a 0700 folder and both ends are the same user's
processes. At both ends they are `Secret` or `SecretBytes` again, so that a log line or a traceback
never shows one (frames.py packs and unpacks).
"""

from __future__ import annotations

import msgspec

from ..kinds import Limit
from ..ledger.accounts import LimitSpec
from ..ledger.blocks import UsageBlock
from ..ledger.price_spec import PriceSpec
from ..ledger.shadows import Comparison, NotAsked
from ..routing.captures import CaptureSpec
from ..routing.specs import BackendSpec, MappingSpec
from ..secret import SecretBytes
from .kept_messages import KeepAnswer, KeepRecorded, KeptFound, KeptQuestion, ReplayFound, ReplayQuestion
from .lease_messages import LeaseFound, LeaseQuestion
from .node_spec import NodeSpec
from .shared_messages import ForgetRemembered, Remember, RememberedFound, RememberedQuestion


class ClientKeySpec(msgspec.Struct, frozen=True):
    """A live client key: HMAC-SHA-256(pepper, key) and who it is (0: the gateway's own pages). Revoked keys are not in a
    snapshot. begins: how a key begins that somebody else made, and that has not our own form; "" of ours. until: unix
    seconds when it expires. before, before_until: the digest that it had until it was rotated, and how long that one is
    good. models, paths: patterns of what
    it may use, () = everything; see link/bounds.py. group: whose limits it shares. customs: see kinds.Customs.
    cache_seconds, cache_any_temperature: as of a rule, where that says nothing."""

    id: int
    name: str
    digest: bytes
    begins: str = ""
    until: float | None = None
    before: bytes = b""
    before_until: float = 0.0
    models: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    local_only: bool = False
    group: int | None = None
    customs: str | None = None
    cache_seconds: int | None = None
    cache_any_temperature: bool = False


class Reference(msgspec.Struct, frozen=True):
    """The model by whose price local answers are measured, with the prices of whoever offers it."""

    model: str
    prices: tuple[PriceSpec, ...]


class RecordSpec(msgspec.Struct, frozen=True):
    """A recording that is being made (docs/replay.md). pattern: of the models that clients name, None = all of them;
    key_id: whose requests, None = everybody's."""

    name: str
    pattern: str | None = None
    key_id: int | None = None


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Everything the data plane needs to serve. A request holds one snapshot from start to end.

    version: grows with every change while one control plane lives. epoch: that control plane's start, so that
    a restarted one's version 1 is newer. problems: why the gateway is degraded; empty = healthy. origins: web origins let
    in, in the form of wire/origins.py, and hosts: Host names, both beside those that each process was started with. prices:
    by backend; a local one is free where it has none. limits: of client keys, groups and backends. captures: whose bodies
    are kept for a while. customs: for all that leaves this machine (kinds.Customs); own_patterns: by name, what is looked
    for besides. recordings: that are being made. leaving: /readyz says that this gateway takes no new clients.
    shared: other nodes serve the same clients. leases: they share the limits, too; what becomes of requests while it cannot
    be told what others have used, None where there are none. node: None where other nodes may ask it for nothing.
    """

    version: int
    epoch: str
    mappings: tuple[MappingSpec, ...] = ()
    backends: tuple[BackendSpec, ...] = ()
    client_keys: tuple[ClientKeySpec, ...] = ()
    keys_required: bool = False
    pepper: SecretBytes = SecretBytes()
    problems: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    prices: dict[str, tuple[PriceSpec, ...]] = {}
    reference: Reference | None = None
    limits: tuple[LimitSpec, ...] = ()
    captures: tuple[CaptureSpec, ...] = ()
    customs: str | None = None
    own_patterns: dict[str, str] = {}
    recordings: tuple[RecordSpec, ...] = ()
    leaving: bool = False
    shared: bool = False
    leases: str | None = None
    node: NodeSpec | None = None

    def __repr__(self) -> str:
        return f"Snapshot({self.epoch}/{self.version}, {len(self.mappings)} mappings, {len(self.backends)} backends)"


class UsageAck(msgspec.Struct, frozen=True, tag="usage_ack"):
    """The batch is on disk; the data plane may forget it."""

    batch: int


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """First message of a data-plane process after it connects."""

    pid: int
    worker: int


class Applied(msgspec.Struct, frozen=True, tag="applied"):
    """This process now serves by that snapshot (lets a write answer only when it is live)."""

    epoch: str
    version: int


class UsageBatch(msgspec.Struct, frozen=True, tag="usage"):
    """Usage records, resent until acknowledged; the store ignores ids it has, so nothing counts twice. again: they may
    have been sent before, or lie on disk, from where they may be sent too; else the ids need not be looked for."""

    batch: int
    block: UsageBlock
    again: bool = True


class AnswerQuestion(msgspec.Struct, frozen=True, tag="answer_question"):
    """Who made the answer of that id, which was given to that client key (None: to somebody without one)? number: of the
    question."""

    number: int
    key_id: int | None
    name: str


class AnswerFound(msgspec.Struct, frozen=True, tag="answer_found"):
    """target: as in a usage record, None where nobody knows that answer. model: the name that the client asked for. able:
    could it be looked up at all?"""

    number: int
    target: str | None = None
    model: str = ""
    able: bool = True


class SpentQuestion(msgspec.Struct, frozen=True, tag="spent_question"):
    """What does the usage log hold of each of these (whose, money or tokens) from these unix seconds on (None: in all)?
    What was sent before on this connection is in the answer, and nothing that was sent after. number: of the question."""

    number: int
    of: tuple[tuple[str, Limit, float | None], ...]


class SpentFound(msgspec.Struct, frozen=True, tag="spent_found"):
    """In the order of the question, nano-dollars or tokens; None while that cannot be told."""

    number: int
    spent: tuple[int, ...] | None


class Reserve(msgspec.Struct, frozen=True, tag="reserve"):
    """May this request take so much of each of these (whose, kind, amount)? Where several processes serve, the control plane
    holds the accounts. hold: take it, under this number of this process; else it is only asked. number: of the question."""

    number: int
    wanted: tuple[tuple[str, Limit, int], ...]
    hold: bool


class Reserved(msgspec.Struct, frozen=True, tag="reserved"):
    """refused: which limit does not let it in, what is left of it, and the seconds until it may; None = it is in. seen: what
    is left of each limit, and the seconds until it is whole again. able: could it be told at all?"""

    number: int
    refused: tuple[LimitSpec, int, float | None] | None = None
    seen: tuple[tuple[LimitSpec, int, float], ...] = ()
    able: bool = True


class Settle(msgspec.Struct, frozen=True, tag="settle"):
    """What was reserved under that number took so much, by kind; None = nobody knows."""

    number: int
    used: dict[str, int | None]


class Reached(msgspec.Struct, frozen=True, tag="reached"):
    """So much of a budget is spent, in percent: its warning, or 100."""

    limit: LimitSpec
    percent: int
    spent: int
    ends: float | None


class Captured(msgspec.Struct, frozen=True, tag="captured"):
    """The bodies of one request that is over, as far as they are kept; their sizes; and what it was. target: "" where none
    was asked. status: 0 = its client got none."""

    request_id: str
    at: float
    path: str
    model: str
    target: str
    mapping_id: int | None
    key_id: int | None
    status: int
    asked: bytes
    asked_size: int
    answered: bytes
    answered_size: int


class Shadowed(msgspec.Struct, frozen=True, tag="shadowed"):
    """What came of shadows: those that were compared, and those that were not asked."""

    compared: tuple[Comparison, ...] = ()
    not_asked: tuple[NotAsked, ...] = ()


class RunningQuestion(msgspec.Struct, frozen=True, tag="running_question"):
    """What does this process serve now? most: requests that are told, those that have run longest. number: of the
    question."""

    number: int
    most: int


class RunningFact(msgspec.Struct, frozen=True):
    """A request that runs. at: when it came, unix seconds. target: which is being asked, or answers; None before the first.
    attempt: its number, 0 before. output: its client has the beginning of the answer."""

    id: str
    at: float
    protocol: str
    path: str
    model: str
    target: str | None
    attempt: int
    output: bool
    stream: bool
    key_id: int | None
    mapping_id: int | None
    client: str
    session: str | None


class RunningFound(msgspec.Struct, frozen=True, tag="running_found"):
    """count: of all that run, told or not."""

    number: int
    count: int
    requests: tuple[RunningFact, ...]


class EndQuestion(msgspec.Struct, frozen=True, tag="end_question"):
    """End the request of that id: the operator wants it."""

    number: int
    request_id: str


class EndFound(msgspec.Struct, frozen=True, tag="end_found"):
    """ran: it did, and is being ended."""

    number: int
    ran: bool


class TargetHealth(msgspec.Struct, frozen=True):
    """What this process thinks of one model at a backend. state: closed | open | probing. until: when an open breaker
    lets a probe through; throttled_until: until when it said that it is too busy. Times are unix seconds or None."""

    model: str
    state: str
    failures: int = 0
    until: float | None = None
    throttled_until: float | None = None


class BackendHealth(msgspec.Struct, frozen=True):
    """What this process last saw of a backend. Times are unix seconds or None. queued: requests that wait for a place.
    down: a local server that refused; it is probed. benched: why its key is not used until it is edited.
    unspoken: protocols that were tried there and whose path it does not know, or is known not to be true to them."""

    key: str
    in_flight: int = 0
    last_success: float | None = None
    last_failure: float | None = None
    last_reason: str | None = None
    queued: int = 0
    down: bool = False
    benched: str | None = None
    unspoken: tuple[str, ...] = ()
    targets: tuple[TargetHealth, ...] = ()


class WorkerStatus(msgspec.Struct, frozen=True, tag="status"):
    """Sent about once a second and after failures. counters: metric sample name with labels -> value. spreads: the same of
    histograms (ledger/metrics.py)."""

    worker: int
    pid: int
    in_flight: int
    counters: dict[str, float]
    backends: tuple[BackendHealth, ...] = ()
    usage_dropped: int = 0
    spreads: dict[str, list[float]] = {}


class FoundServer(msgspec.Struct, frozen=True):
    """A model server that runs on this computer and that nobody has added. engine: the row's name (engines/), `compatible`
    where it is none of them. problem: why it is not used until somebody adopts it; None = used by names that no rule
    matches."""

    engine: str
    title: str
    base_url: str
    problem: str | None = None


class FoundServers(msgspec.Struct, frozen=True, tag="found"):
    """All of them that one data-plane process sees now; sent when they are other ones than before, and to each control
    plane that is new."""

    servers: tuple[FoundServer, ...]


Asking = (
    AnswerQuestion
    | SpentQuestion
    | LeaseQuestion
    | Reserve
    | KeptQuestion
    | ReplayQuestion
    | RememberedQuestion
)
Answered = (
    AnswerFound
    | SpentFound
    | LeaseFound
    | Reserved
    | RunningFound
    | EndFound
    | KeptFound
    | ReplayFound
    | RememberedFound
)
Asked = RunningQuestion | EndQuestion
"""Of the control plane, which a data-plane process answers."""
Down = (
    Snapshot
    | UsageAck
    | AnswerFound
    | SpentFound
    | LeaseFound
    | Reserved
    | RunningQuestion
    | EndQuestion
    | KeptFound
    | ReplayFound
    | RememberedFound
)
Up = (
    Hello
    | Applied
    | UsageBatch
    | WorkerStatus
    | AnswerQuestion
    | FoundServers
    | SpentQuestion
    | LeaseQuestion
    | Reserve
    | Settle
    | Reached
    | Captured
    | KeptQuestion
    | KeepAnswer
    | Shadowed
    | KeepRecorded
    | ReplayQuestion
    | Remember
    | ForgetRemembered
    | RememberedQuestion
    | RunningFound
    | EndFound
)
