"""Gives a lane's request to the full way, from wherever it stands: the objects that it has are made, as if it had had them
from the beginning, and its walk goes on with this attempt under way. No decisions."""

from __future__ import annotations

from ...providers.wordings import UNKNOWN_PATH
from ...resilience.admission import Ticket
from ...wire.answer import plain_rows
from ..attempt.exchange import Exchange
from ..attempt.making import Attempt, exchange_for, straight_exchange, unknown_path_of
from ..attempt.moves import State
from ..request.delivery import Delivery
from ..request.job import Begun, Job, Tried
from .state import Underway


def hand_over(lane: Underway) -> Exchange:
    """The exchange that has the answer from now on. Its task has been made, and runs at the loop's next turn."""
    handler, asker, track, judge = lane.handler, lane.asker, lane.track, lane.judge
    plane, target, backend = handler.plane, track.target, track.backend
    job = Job(lane.request(), Delivery(lane.client, lane.id, asker.route.framing), track.plan)
    handler.limit_time(job)
    tried = Tried(target, 1, lane.start, lane.wall)
    tried.ours, tried.answer_id, job.recalled = lane.ours, lane.answer_id, lane.recalled
    tried.bill, tried.size, tried.sent, tried.changed = track.bill, lane.size, lane.went, lane.changed
    if lane.taken is not None:
        job.receipt, tried.receipt = lane.taken.rates, lane.taken.budgets
        job.delivery.lines, job.delivery.rated = lane.taken.lines, bool(lane.taken.lines)
    job.tries.append(tried)
    track.health.in_flight -= 1  # of the same attempt, from here on
    one = Attempt(plane, asker.rules, job, track.plan, target, tried, ())
    exchange = _exchange(lane, one)
    exchange.goes_on(lane.conn, lane.kept)
    if lane.first_output:
        job.won = tried
        job.delivery.has_begun(lane.first_output)
        exchange.health.has_answered()
    if lane.relay is not None:
        headers = plain_rows(lane.head_bytes) if judge.state <= State.HOLDING_STREAM else []
        exchange.goes_on_streaming(headers, lane.relay, lane.held or [], lane.held_size)
    ticket = Ticket(asker.caller.key_id, None, True)
    across = None if lane.across is None else lane.across[1:3]
    job.begun = Begun(backend, tried, ticket, exchange, lane.no_longer_opening(), across)
    handler.go_on(job, asker.rules)
    return exchange


def _exchange(lane: Underway, one: Attempt) -> Exchange:
    track, judge = lane.track, lane.judge
    if lane.across is None:
        return straight_exchange(one, track.backend, lane.sent, lane.hide_usage, b"", judge)
    one.job.asked, spoken, codec, one.tried.warnings = lane.across
    data = lane.asker.across_head(lane.head, track.backend, codec.path, len(lane.sent))
    rows = unknown_path_of(track.backend, spoken, UNKNOWN_PATH)
    return exchange_for(one, track.backend, data, codec, unknown_path=rows, judge=judge)
