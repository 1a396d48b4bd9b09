"""Clients whose keys are limited, at all nodes at once while something is done to them; and whether what was let in is within
what docs/scale.md#limits-across-gateways promises: by the usage rows, which are all nodes'.

One key has a budget, small enough to be used up, another one a rate and a number at once. Each client goes to one
node itself, for the bound counts requests under way by node. Not here: what is done (troubles.py).
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.crowding import within
from tests.e2e.wires import CHAT

from .load import ID, PATIENCE_SECONDS, Asked, headers, problem_of
from .site import LB, LIMITED, NODES, PORT, UNANSWERED, Site, SpentRow

EACH = 2
"""F: clients of each key at each node, of which each asks for one thing at a time."""
BUDGET = 25_000
"""Tokens: about sixty requests."""
RATE = 20
"""Requests a minute."""
AT_ONCE = 4
"""Requests, of six clients."""
_MOST_TOKENS = 8
_TEXT = "a " * 400
"""More tokens than the third of its bytes that is reserved: so a request uses more than that (c > e)."""
_REST = 1.5
"""Seconds between two requests, until the budget is to be used up."""
_QUICK = 0.1
_AFTER_REFUSAL = 0.3
_FOR_A_PART = 4
_PART_SECONDS = 20.0
_USED_UP_SECONDS = 45.0
_RECOVERY_SECONDS = 3.0
"""A node that starts, or has its database again, asks it after a second at the latest, and a question takes two."""
_LONG_SECONDS = 20.0
"""Longer than a node's places and rates last: without the database they are refused then."""
_BARELY = 0.05
"""Seconds that two nodes' clocks and the moment of a record may be apart from that at which a place was free."""
_UNKNOWN = "What has been spent cannot be looked up now"
_SPENT = "insufficient_quota"


@dataclass(frozen=True)
class Bounds:
    """What was seen of both keys. bound: of the budget, N x F x max(0, c - e) + c + D x L beyond it. by_clients: tokens, of
    whole answers. within_lease, refused: of requests to nodes without the database. held: tokens that a killed node had a
    part of."""

    budget: int
    requests: int
    c: int
    e: int
    spent: int
    by_clients: int
    within_lease: int
    refused: int
    let_in: int
    rate_bound: int
    at_once: int
    held: int | None

    @property
    def bound(self) -> int:
        """D is 0: who was killed is back within a day."""
        return self.budget + len(NODES) * EACH * max(0, self.c - self.e) + self.c


@dataclass
class _Key:
    """A client key, and the requests of its clients by node. gone: nodes that say that its budget is spent."""

    id: int
    secret: str
    asked: list[tuple[str, Asked, int]] = field(default_factory=list)
    tokens: int = 0
    gone: set[str] = field(default_factory=set)
    unknown: list[tuple[str, float]] = field(default_factory=list)
    """503 where what is left cannot be asked for: by whom, when."""


class Limited:
    """`with Limited(site) as limited:` they ask until the block ends. budget: tokens."""

    def __init__(self, site: Site, budget: int = BUDGET) -> None:
        self._site = site
        self._tokens = budget
        self._over = threading.Event()
        self._rest = _REST
        self._began = time.monotonic()
        self._budget = self._key({"budget_tokens": budget})
        self._rate = self._key({"rate_requests": RATE, "parallel": AT_ONCE})
        body = CHAT.ask(
            LIMITED, _TEXT, stream=True, max_tokens=_MOST_TOKENS, stream_options={"include_usage": True}
        )
        self._body = json.dumps(body).encode()
        self._threads = [
            threading.Thread(target=self._ask_on, args=(node, key), daemon=True)
            for node, key, _ in itertools.product(NODES, (self._budget, self._rate), range(EACH))
        ]

    def _key(self, limits: dict[str, int]) -> _Key:
        name = f"k{random.getrandbits(40):x}"
        answer = self._site.call(NODES[0], "POST", "/api/keys", {"name": name, **limits})
        assert answer.status == 201, answer.body
        return _Key(answer.json()["id"], answer.json()["secret"])

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    @property
    def answered(self) -> list[Asked]:
        """Whole answers, each of which must have a usage row."""
        return [one for key in self._keys for _, one, _ in key.asked[:] if not one.problem]

    @property
    def _keys(self) -> Sequence[_Key]:
        return self._budget, self._rate

    def wait_until_all_have_a_part(self) -> None:
        """Each node has let in so many requests that it holds a part of the budget beyond what it needs at once."""
        until = time.monotonic() + _PART_SECONDS
        while time.monotonic() < until:
            counts = Counter(node for node, one, _ in self._budget.asked[:] if not one.problem)
            if all(counts[node] >= _FOR_A_PART for node in NODES):
                return
            time.sleep(0.05)

    def use_up(self) -> bool:
        """The budget, as quickly as they can: until every node says so. False: it is not used up after all."""
        self._rest = _QUICK
        self._budget.gone.clear()
        until = time.monotonic() + _USED_UP_SECONDS
        while len(self._budget.gone) < len(NODES) and time.monotonic() < until:
            time.sleep(0.05)
        return len(self._budget.gone) == len(NODES)

    def held_by(self, node: str) -> int:
        """Tokens of the budget that the node's part has and that are not known to be used, as the database has it."""
        return self._site.held(self._budget.id, node)

    def failures(self, down: str, away: Sequence[str], struck: float, over: float) -> list[str]:
        """What no limit and no trouble explains. down: a node whose processes were killed. away: nodes without the database,
        from `struck` until `over`, which may refuse for that."""
        found = [
            f"limited client of {node}: {one}"
            for key in self._keys
            for node, one, status in key.asked
            if one.problem and status != 429 and not (node == down and struck - 1 < one.done)
        ]
        late = []
        for node, at in itertools.chain(*(key.unknown for key in self._keys)):
            new = at - self._site.started[node]
            since = min(new, at - over) if node in away and at >= struck else new
            if since > _RECOVERY_SECONDS:
                late.append((since, node))
        if late and not within(max(late)[0], _RECOVERY_SECONDS):
            found += [f"{node} could not tell what is left, after {since:.1f} s" for since, node in late]
        return found

    def seen(self, away: Sequence[str], struck: float, over: float, held: int | None) -> Bounds:
        """After the end; all rows have come."""
        spent, rated = (self._site.spent_rows(key.id) for key in self._keys)
        took = time.monotonic() - self._began
        lent = [
            one for key in self._keys for node, one, status in key.asked
            if node in away and status == 200 and struck < one.at and one.done < over
        ]  # fmt: skip
        return Bounds(
            budget=self._tokens,
            requests=len(spent),
            c=max((row.tokens for row in spent), default=0),
            e=math.ceil(len(self._body) / 3) + _MOST_TOKENS,
            spent=sum(row.tokens for row in spent),
            by_clients=self._budget.tokens,
            within_lease=len(lent),
            refused=sum(len(key.unknown) for key in self._keys),
            let_in=len(rated),
            rate_bound=int(RATE + RATE * took / 60 + RATE / 2),
            at_once=_most_at_once(rated),
            held=held,
        )

    def _ask_on(self, node: str, key: _Key) -> None:
        with self._site.computers.on(LB):
            while not self._over.wait(self._ask(node, key)):
                pass

    def _ask(self, node: str, key: _Key) -> float:
        """Asks once. Returns how long to wait then."""
        client = http.client.HTTPConnection(
            self._site.computers.addresses[node], PORT, timeout=PATIENCE_SECONDS
        )
        at, status, name, data, begun = time.monotonic(), 0, "", b"", False
        try:
            client.connect()
        except OSError:
            return _AFTER_REFUSAL  # nothing listens there now: whoever goes by the balancer is sent elsewhere
        try:
            client.request("POST", CHAT.path, self._body, headers(key.secret))
            reply = client.getresponse()
            begun, status, name = True, reply.status, reply.getheader(ID) or ""
            data = reply.read()
            problem = problem_of(CHAT, True, status, data)
        except UNANSWERED as error:
            problem = repr(error)
        finally:
            client.close()
        if status == 503 and _UNKNOWN.encode() in data:
            key.unknown.append((node, time.monotonic()))
            return _AFTER_REFUSAL
        by = (f"{self._site.computers.addresses[node]}:{PORT}",)
        key.asked.append(
            (node, Asked(at, time.monotonic(), CHAT.name, True, name, by, begun, problem), status)
        )
        if status == 429:
            if _SPENT.encode() in data:
                key.gone.add(node)
            return _AFTER_REFUSAL
        if not problem:
            key.tokens += _tokens(data)
        return self._rest


def judged(bounds: Bounds, *, used_up: bool, away: bool, seconds: float) -> list[str]:
    """What is not as promised. away, seconds: whether nodes were without the database, and how long."""
    wrong = []
    if not used_up:
        wrong.append(f"the budget was not used up: {bounds.spent} of {bounds.budget} tokens")
    if max(bounds.spent, bounds.by_clients) > bounds.bound:
        wrong.append(f"spent {bounds.spent} ({bounds.by_clients} by its clients), bound {bounds.bound}")
    if bounds.let_in > bounds.rate_bound:
        wrong.append(f"{bounds.let_in} let in at {RATE} a minute, bound {bounds.rate_bound}")
    if bounds.at_once > AT_ONCE:
        wrong.append(f"{bounds.at_once} at once, of {AT_ONCE}")
    if away and seconds > _LONG_SECONDS:
        if not bounds.within_lease:
            wrong.append("without the database nobody went on within a lease")
        if not bounds.refused:
            wrong.append("without the database nobody was refused when the leases were over")
    return wrong


def _tokens(stream: bytes) -> int:
    for line in stream.splitlines():
        if b'"total_tokens"' in line:
            usage: dict[str, Any] | None = json.loads(line.removeprefix(b"data: ")).get("usage")
            if usage:
                return int(usage["total_tokens"])
    return 0


def _most_at_once(rows: Sequence[SpentRow]) -> int:
    """Of requests whose first output had come: they had their place by then."""
    moments: Counter[float] = Counter()
    for row in rows:
        if row.end - _BARELY > row.begin:
            moments[row.begin] += 1
            moments[row.end - _BARELY] -= 1
    return max(itertools.accumulate(moments[at] for at in sorted(moments)), default=0)
