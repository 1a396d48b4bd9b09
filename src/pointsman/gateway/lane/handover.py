"""Gives a lane's request to the full way, from wherever it stands: the objects that it has are made, as if it had had them
from the beginning, and its walk goes on with this attempt under way. No decisions."""

from __future__ import annotations

import httptools

from ...resilience.admission import Ticket
from ...wire.answer import Headers
from ..attempt.exchange import Exchange
from ..attempt.making import Attempt, straight_exchange
from ..attempt.moves import State
from ..request.delivery import Delivery
from ..request.job import Begun, ClientRequest, Job, Tried
from .state import Underway


def hand_over(lane: Underway) -> Exchange:
    """The exchange that has the answer from now on. Its task has been made, and runs at the loop's next turn."""
    handler, asker, track, judge = lane.handler, lane.asker, lane.track, lane.judge
    plane, target, backend = handler.plane, track.target, track.backend
    request = ClientRequest(
        lane.id,
        lane.head,
        lane.asked,
        asker.route,
        lane.start,
        lane.wall,
        asker.caller,
        lane.model,
        lane.stream,
    )
    job = Job(request, Delivery(lane.client, lane.id, asker.route.framing), track.plan)
    handler.limit_time(job)
    tried = Tried(target, 1, lane.start, lane.wall)
    job.tries.append(tried)
    track.health.in_flight -= 1  # of the same attempt, from here on
    one = Attempt(plane, asker.rules, job, track.plan, target, tried, ())
    exchange = straight_exchange(one, backend, lane.sent, lane.hide_usage, b"", judge)
    exchange.goes_on(lane.conn, lane.kept)
    if lane.first_output:
        job.won = tried
        job.delivery.has_begun(lane.first_output)
        exchange.health.has_answered()
    if lane.relay is not None:
        headers = _headers(lane.head_bytes) if judge.state <= State.HOLDING_STREAM else []
        exchange.goes_on_streaming(headers, lane.relay, lane.held, lane.held_size)
    ticket = Ticket(asker.caller.key_id, None, True)
    job.begun = Begun(backend, tried, ticket, exchange, lane.no_longer_opening())
    handler.go_on(job, asker.rules)
    return exchange


class _Head:
    """What llhttp calls back into."""

    def __init__(self) -> None:
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def _headers(head: bytes) -> Headers:
    """Of an answer's head, which is whole and plain."""
    found = _Head()
    httptools.HttpResponseParser(found).feed_data(head)
    return found.headers
