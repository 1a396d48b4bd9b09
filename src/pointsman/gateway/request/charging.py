"""What an attempt is charged: which attempts are, and by what where its backend has not counted to the end
(docs/prices.md#what-is-charged).

Not here: prices (ledger/prices.py), and the record (meter.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from ...conversation.usage import TokenUsage
from ...ledger.cost import CACHED, ESTIMATED, NO_USAGE, NOTHING, OWN_LOGIN, Bill, Charged, in_dollars, used_of
from ...translation.estimate import estimate_body, tokens_of
from ..attempt.relay import Relay
from .job import Job, Tried
from .offload import LARGE

_COST = b"x-pointsman-cost-usd"
FREE: Charged = (0, None, None)
_UNKNOWN = TokenUsage()


class Attempted(NamedTuple):
    """used: a usage's fields, as they are charged and recorded. extra: what it cost more than the rule's first target would
    have."""

    used: tuple[Any, ...]
    cost: Charged
    extra: int | None = None


def charged(job: Job, tried: Tried | None, outcome: str) -> Attempted:
    """Of a finished attempt. outcome: as its record has it."""
    if tried is None or not _costs(job):
        return Attempted(NOTHING, FREE if job.hit is None else (0, CACHED, job.hit.worth))
    usage, answered = tried.usage, tried is job.won and tried.status < 400
    if job.joined is not None:
        return Attempted(NOTHING, FREE)  # the request that it joined has them
    if not answered and (usage is None or not usage.told):
        return Attempted(
            NOTHING, given_up(tried.bill) if outcome in ("aborted", "cancelled") and tried.placed else FREE
        )
    cut = not answered or (outcome != "ok" and not tried.complete)
    if cut:
        told = usage is not None and usage.input is not None
        usage = _used(usage, tried.said if answered else 0, 0 if told else _input_of(job, tried))
    used = used_of(usage)
    if tried.own_login:
        return Attempted(used, (None, OWN_LOGIN, None))
    found = _billed(tried.bill, used, tried.wall)
    extra = None
    if tried.instead is not None and answered and found[0] is not None:
        other = _billed(tried.instead[0], used, tried.wall)[0]
        extra = None if other is None else found[0] - other
    return Attempted(used, _flagged(found) if cut else found, extra)


def _billed(bill: Bill | None, used: tuple[Any, ...], at: float) -> Charged:
    return FREE if bill is None else bill.of(used, at)


def until_cut(bill: Bill | None, at: float, relay: Relay, begun: bool, size: int) -> Attempted:
    """Of a lane's stream whose client has left. begun: it had some of the answer. size: bytes of its request."""
    seen = relay.seen
    usage = None if seen is None else seen.usage
    if not begun and (usage is None or not usage.told):
        return Attempted(NOTHING, given_up(bill))
    if seen is not None and seen.finished:
        used = used_of(usage)
        return Attempted(used, _billed(bill, used, at))
    used = used_of(_used(usage, relay.said if begun else 0, tokens_of(size)))
    return Attempted(used, _flagged(_billed(bill, used, at)))


def given_up(bill: Bill | None) -> Charged:
    """Of what was sent, and left before anything came of it: what it cost there nobody knows."""
    return FREE if bill is None else (None, NO_USAGE, None)


def _flagged(found: Charged) -> Charged:
    """Of an answer that was cut: its tokens are an estimate, too."""
    cost, flag, saved = found
    return cost, flag if cost is None else ESTIMATED, saved


def _used(told: TokenUsage | None, said: int, read: int) -> TokenUsage:
    """What a cut answer has used: as its backend told, and at least what came of it. said: characters. read: tokens of its
    input, where that was not told."""
    known = told or _UNKNOWN
    made = max(known.output or 0, tokens_of(said))
    return replace(known, input=known.input if known.input is not None else read, output=made)


def _input_of(job: Job, tried: Tried) -> int:
    """The same as a lane's, which has no large body, and keeps none."""
    body = job.request.body
    return estimate_body(body) if len(body) >= LARGE else tokens_of(len(body) or tried.size)


def _costs(job: Job) -> bool:
    return job.request.head.method == b"POST" and job.request.route.generates


def cost_line(found: Charged) -> bytes:
    """The header line that says what a whole answer cost, where that is known."""
    return b"" if found[0] is None else b"%b: %b\r\n" % (_COST, in_dollars(found[0]).encode())
