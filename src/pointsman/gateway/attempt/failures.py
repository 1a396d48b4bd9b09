"""What an attempt that failed hands to the walk: the reason, the error in our words, the upstream's own answer.

Not here: what follows from it (resilience/), and how it is told (answer.py, handle.py).
"""

from __future__ import annotations

import re
import time

from ...dialects.base import Dialect, Seen
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...providers.wordings import LOADING, SPENT, says
from ...resilience.verdict import of_status, retry_after
from ...resilience.walk import Held
from ...upstream.backend import Backend
from ...wire.answer import Answer, Headers
from .answer import failure
from .meaning import Meaning, reason_of
from .passthrough import JSON, Codec


def of_failed_status(reason: FallbackReason, codec: Codec, answer: Answer) -> Held[Answer]:
    """An answer whose status is a failure."""
    return Held(
        reason,
        codec.error(answer),
        codec.rendered(answer),
        retry_after=retry_after(answer.headers, time.time()),
        spent=says(SPENT, answer.status, answer.body),
        loading=says(LOADING, answer.status, answer.body),
    )


_REFUSED = "{by} refused the key that is stored for {key}"
_KEY_REFUSED = {
    ErrorKind.BILLING: "{by} says that the account of the key that is stored for {key} cannot pay",
    ErrorKind.FORBIDDEN: "{by} does not allow this with the key that is stored for {key}",
}


_HEADER = re.compile(r"x-api-key", re.IGNORECASE)
"""Where these words stand in an error, Claude Code shows "Not logged in, please run /login" in its place."""


def key_refused(held: Held[Answer], status: int, backend: Backend, dialect: Dialect, request_id: str) -> None:
    """A stored key is ours and not the client's: say whose it is, who refused it, and what sets it
    (docs/protocols/errors.md#a-refused-key-of-ours). status: of the backend's answer."""
    error, answer = held.error, held.answer
    if backend.url is None or backend.spec.api_key is None:
        return
    what = _KEY_REFUSED.get(error.kind, _REFUSED)
    by = backend.url.origin
    words = _HEADER.sub("API key", error.public).rstrip(". ")
    said = f"{status if status >= 400 else error.status}: {words}"
    text = f"{what.format(by=by, key=backend.spec.key)} ({said}). Set one that it takes with: {backend.key_command}."
    held.error = PointsmanError(error.kind, text, status=error.status, param=error.param, code=error.code)
    if answer is not None:
        kept = [(name, value) for name, value in answer.headers if name not in _OF_ITS_BODY]
        body = dialect.error(held.error, request_id)
        held.answer = Answer(answer.status, [*JSON, *kept], body)


_OF_ITS_BODY = (b"content-type", b"content-encoding", b"x-should-retry")


def too_late(error: PointsmanError) -> Held[Answer]:
    """The client's own mistake, told when the client has been promised a stream already: with its kind and its words."""
    return Held(FallbackReason.UPSTREAM_ERROR, error, None, clients=True, final=True)


def unanswered(
    found: Meaning, seen: Seen, codec: Codec, headers: Headers, body: bytes | None
) -> Held[Answer]:
    """An answer with status 2xx that is none, and of which the client has seen nothing. body: of a
    whole one. An error inside is treated, and told, as the status that it means
    (docs/protocols/errors.md#errors-inside-a-200)."""
    error = seen.error
    if error is None:
        reason, detail = reason_of(found, seen)
        return Held(reason, failure(reason, detail))
    if seen.concluded:
        body = None  # its own words say nothing of it
    meant = of_status(error.status)
    return Held(
        meant or FallbackReason.UPSTREAM_ERROR,
        error,
        codec.failed(error, headers, body),
        retry_after=retry_after(headers, time.time()),
        loading=says(LOADING, error.status, error.public.encode()),
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
