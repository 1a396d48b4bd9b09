"""What an attempt that failed hands to the walk: the reason, the error in our words, the upstream's own answer.

Not here: what follows from it (resilience/), and how it is told (answer.py, handle.py).
"""

from __future__ import annotations

import time

from ...dialects.base import Seen
from ...errors import PointsmanError
from ...kinds import FallbackReason
from ...resilience.verdict import is_loading, is_spent, of_status, retry_after
from ...resilience.walk import Held
from ...wire.answer import Answer, Headers, without_key
from .answer import failure
from .meaning import Meaning, reason_of
from .passthrough import Codec


def of_failed_status(reason: FallbackReason, codec: Codec, answer: Answer, key: bytes) -> Held[Answer]:
    """An answer whose status is a failure. key: what must not be told."""
    raw = answer.body
    answer = answer.without(key)
    return Held(
        reason,
        codec.error(answer),
        codec.rendered(answer),
        retry_after=retry_after(answer.headers, time.time()),
        spent=reason is FallbackReason.THROTTLED and is_spent(raw),
        loading=answer.status == 503 and is_loading(raw),
    )


def too_late(error: PointsmanError) -> Held[Answer]:
    """The client's own mistake, told when the client has been promised a stream already: with its kind and its words."""
    return Held(FallbackReason.UPSTREAM_ERROR, error, None, clients=True, final=True)


def unanswered(
    found: Meaning, seen: Seen, codec: Codec, headers: Headers, body: bytes | None, key: bytes
) -> Held[Answer]:
    """An answer with status 2xx that is none, and of which the client has seen nothing. body: of a whole one. key: what
    must not be told. An error inside is treated, and told, as the status that it means
    (docs/protocols/errors.md#errors-inside-a-200)."""
    error = seen.error
    if error is None:
        reason, detail = reason_of(found, seen)
        return Held(reason, failure(reason, detail))
    error.public = without_key(error.public.encode(), key).decode()
    meant = of_status(error.status)
    return Held(
        meant or FallbackReason.UPSTREAM_ERROR,
        error,
        codec.failed(error, headers, None if body is None else without_key(body, key)),
        retry_after=retry_after(headers, time.time()),
        clients=meant is None,
        final=meant is None,
    )


def left_to_next(detail: str, answer: Answer) -> Held[Answer]:
    """The client's own affair, which the rule leaves to the next target; told as it is when that fails, too."""
    reason = FallbackReason.UPSTREAM_ERROR
    return Held(reason, failure(reason, detail), answer, clients=True)


def lost() -> Held[Answer]:
    """Nothing is wrong with it: in a hedge another was faster."""
    slow = FallbackReason.TIMEOUT
    return Held(slow, failure(slow, "another was faster"), clients=True, lost=True)
