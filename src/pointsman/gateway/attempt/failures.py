"""What an attempt that failed hands to the walk: the reason, the error in our words, the upstream's own answer.

Not here: what follows from it (resilience/), and how it is told (answer.py, handle.py).
"""

from __future__ import annotations

import time

from ...dialects.base import Dialect, Seen
from ...dialects.vendor_errors import error_inside, upstream_error
from ...errors import PointsmanError
from ...kinds import FallbackReason
from ...resilience.verdict import is_loading, is_spent, of_status, retry_after
from ...resilience.walk import Held
from ...wire.sse import EventSplitter, data_of
from .answer import Answer, Headers, failure
from .straight import BAD_EVENTS, Way

JSON: Headers = [(b"content-type", b"application/json")]


def refused_with(reason: FallbackReason, way: Way, answer: Answer, raw: bytes) -> Held[Answer]:
    """An answer whose status is a failure. raw: its body before our key was taken out."""
    return Held(
        reason,
        upstream_error(answer.status, answer.body),
        way.told(answer),
        retry_after=retry_after(answer.headers, time.time()),
        spent=reason is FallbackReason.THROTTLED and is_spent(raw),
        loading=answer.status == 503 and is_loading(raw),
    )


def told_too_late(status: int, body: bytes) -> Held[Answer]:
    """The client's own mistake, told when the client has been promised a stream already: with its kind and its words."""
    error = upstream_error(status, body)
    return Held(FallbackReason.UPSTREAM_ERROR, error, None, clients=True, final=True)


def failed_whole(way: Way, headers: Headers, body: bytes) -> Held[Answer]:
    """A whole answer that says 200 and holds an error: treated, and told, as the status inside (RELIABILITY.md 1b.3)."""
    error = error_inside(body)
    return _inside(error, way.told(Answer(error.status, headers, body)), headers)


def unseen(
    watch: Seen, told: PointsmanError | None, dialect: Dialect, request_id: str, headers: Headers, raw: bytes
) -> Held[Answer]:
    """A stream that is over before the client saw anything of it. told: its error as the translation read it."""
    tail = raw.rpartition(b"\n\n")[2].strip()
    if watch.error is None and tail.startswith(b"{") and b'"error"' in tail:
        watch.error = told = error_inside(tail)  # as some servers end (llmgateway#3616)
    if watch.error is not None:  # the client gets a real status: nothing has been sent
        error = told or _error_of(raw)
        answer = Answer(dialect.status(error), JSON, dialect.error(error, request_id))
        held = _inside(error, answer, headers)
        if watch.malformed >= BAD_EVENTS and told is not None:
            held.reason = FallbackReason.MALFORMED
        return held
    reason, detail = FallbackReason.EMPTY, "its stream ended before any output"
    if watch.finished:
        detail = "its answer was empty"
    elif watch.malformed:
        reason, detail = FallbackReason.MALFORMED, "its stream is not what the protocol allows"
    elif watch.output:
        reason, detail = FallbackReason.UPSTREAM_ERROR, "its stream ended before it was finished"
    return Held(reason, failure(reason, detail))


def _error_of(raw: bytes) -> PointsmanError:
    for event in reversed(EventSplitter().feed(raw + b"\n\n")):
        if b"error" in event:
            return error_inside(data_of(event))
    return failure(FallbackReason.UPSTREAM_ERROR, "its stream began with an error")


def left_to_next(detail: str, answer: Answer) -> Held[Answer]:
    """The client's own affair, which the rule leaves to the next target; told as it is when that fails, too."""
    reason = FallbackReason.UPSTREAM_ERROR
    return Held(reason, failure(reason, detail), answer, clients=True)


def lost() -> Held[Answer]:
    """Nothing is wrong with it: in a hedge another was faster."""
    slow = FallbackReason.TIMEOUT
    return Held(slow, failure(slow, "another was faster"), clients=True, lost=True)


def _inside(error: PointsmanError, answer: Answer, headers: Headers) -> Held[Answer]:
    reason = of_status(error.status)
    return Held(
        reason or FallbackReason.UPSTREAM_ERROR,
        error,
        answer,
        retry_after=retry_after(headers, time.time()),
        clients=reason is None,
        final=reason is None,
    )
