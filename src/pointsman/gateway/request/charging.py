"""What an attempt is charged: which attempts are, and by what where its backend has not counted to the end
(docs/prices.md#what-is-charged).

Not here: prices (ledger/prices.py), and the record (meter.py).
"""

from __future__ import annotations

from msgspec.structs import astuple, replace

from ...conversation.usage import TokenUsage
from ...ledger.cost import ESTIMATED, OWN_LOGIN, Bill, Charged, in_dollars
from ...translation.estimate import estimate_body, estimate_tokens, tokens_of
from ..attempt.relay import Relay
from .job import Job, Tried

_COST = b"x-pointsman-cost-usd"
FREE: Charged = (0, None, None)
_UNKNOWN = TokenUsage()


def charged(job: Job, tried: Tried | None, outcome: str) -> tuple[Charged, int | None]:
    """(what this attempt is charged, what that is more than the rule's first target would have been). outcome: as the record
    has it."""
    if tried is None or job.joined is not None or not _costs(job):
        return FREE, None
    usage, answered = tried.usage, tried is job.won and tried.status < 400
    if not answered and (usage is None or not usage.told):
        return FREE, None
    if tried.own_login:
        return (None, OWN_LOGIN, None), None
    cut = not answered or (outcome != "ok" and not tried.complete)
    if cut and tried.bill is not None:
        told = usage is not None and usage.input is not None
        usage = _used(usage, tried.said, 0 if told else _input_of(job, tried))
    used = astuple(usage or _UNKNOWN)
    found = _billed(tried.bill, used, tried.wall)
    extra = None
    if tried.instead is not None and answered and found[0] is not None:
        other = _billed(tried.instead[0], used, tried.wall)[0]
        extra = None if other is None else found[0] - other
    return (_flagged(found) if cut and tried.bill is not None else found), extra


def _billed(bill: Bill | None, used: tuple[object, ...], at: float) -> Charged:
    return FREE if bill is None else bill.of(used, at)


def until_cut(bill: Bill | None, at: float, relay: Relay, begun: bool, size: int) -> Charged:
    """Of a lane's stream whose client has left. begun: it had some of the answer. size: bytes of its request."""
    seen = relay.seen
    usage = None if seen is None else seen.usage
    if bill is None or (not begun and (usage is None or not usage.told)):
        return FREE
    if seen is not None and seen.finished:
        return bill.of(astuple(usage or _UNKNOWN), at)
    return _flagged(bill.of(astuple(_used(usage, relay.said, tokens_of(size))), at))


def _flagged(found: Charged) -> Charged:
    """Of an answer that was cut."""
    cost, flag, saved = found
    return cost, ESTIMATED if cost else flag, saved


def _used(told: TokenUsage | None, said: int, read: int) -> TokenUsage:
    """What a cut answer has used: as its backend told, and at least what came of it. said: characters. read: tokens of its
    input, where that was not told."""
    known = told or _UNKNOWN
    made = max(known.output or 0, tokens_of(said))
    return replace(known, input=known.input if known.input is not None else read, output=made)


def _input_of(job: Job, tried: Tried) -> int:
    if job.asked is not None:
        return estimate_tokens(job.asked.request)
    return estimate_body(job.request.body) if job.request.body else tokens_of(tried.size)


def _costs(job: Job) -> bool:
    return job.request.head.method == b"POST" and job.request.route.generates


def cost_line(found: Charged) -> bytes:
    """The header line that says what a whole answer cost, where that is known."""
    return b"" if found[0] is None else b"%b: %b\r\n" % (_COST, in_dollars(found[0]).encode())
