"""What an attempt that failed hands to the walk: the reason, the error in our words, the upstream's own answer.

Not here: what follows from it (resilience/), and how it is told (answer.py, handle.py).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection

from ...dialects.base import Dialect, Seen
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, FallbackReason
from ...providers.wordings import (
    LACKS_MODEL_CODES,
    LOADING,
    OF_THIS_REQUEST,
    SPENT,
    lacks_model,
    says,
)
from ...resilience.comeback import comeback, retry_after
from ...resilience.verdict import of_status
from ...resilience.walk import Held
from ...upstream.backend import Backend
from ...wire.answer import Answer, Headers
from .answer import as_json, excerpt, failure
from .meaning import Meaning, reason_of
from .passthrough import Codec

log = logging.getLogger("pointsman.gateway")


def tell_malformed(request_id: str, count: int, label: str) -> None:
    """How many events of a target's stream could not be read, where any could not."""
    if count:
        log.warning("request %s: %s events of %s could not be read", request_id, count, label)


def of_failed_status(
    reason: FallbackReason, codec: Codec, answer: Answer, onward: Collection[str] = ()
) -> Held[Answer]:
    """An answer whose status is a failure. onward: the rule's further reasons to ask the next target."""
    error = codec.error(answer)
    too_long = error.kind is ErrorKind.CONTEXT_LENGTH  # llama.cpp and others say so with a 500
    when, sure = _when(reason, answer.headers, answer.body)
    return Held(
        FallbackReason.CONTEXT if too_long else reason,
        error,
        codec.rendered(answer),
        retry_after=when,
        spent=not sure and says(SPENT, answer.status, answer.body),
        loading=says(LOADING, answer.status, answer.body),
        clients=too_long,
        final=too_long and FallbackOn.CONTEXT not in onward,
        certain=says(OF_THIS_REQUEST, answer.status, error.public.encode()),
    )


def _when(reason: FallbackReason | None, headers: Headers, body: bytes) -> tuple[float | None, bool]:
    """(seconds until it may be asked again, does it say so of this very answer?)"""
    if reason is not FallbackReason.THROTTLED:  # rate limits are told on every answer
        after = retry_after(headers, time.time())
        return after, after is not None
    found = comeback(headers, body, time.time())
    return (None, False) if found is None else (found.seconds, found.sure)


def without_model(codec: Codec, answer: Answer, *, local: bool) -> Held[Answer] | None:
    """Of an answer that would be the client's own affair: it lacks the model, and another target may
    have it. None where it says nothing of the kind."""
    if answer.status not in (400, 404):
        return None
    error = codec.error(answer)
    if not _lacks(error, answer.status, answer.body, local=local):
        return None
    return Held(FallbackReason.UPSTREAM_ERROR, error, codec.rendered(answer), certain=True)


def without_answer(codec: Codec, answer: Answer) -> Held[Answer] | None:
    """The same of an answer that is asked for by its id, and that this gateway remembers."""
    if answer.status not in (404, 405):
        return None
    return Held(FallbackReason.UPSTREAM_ERROR, codec.error(answer), codec.rendered(answer), certain=True)


def _lacks(error: PointsmanError, status: int, body: bytes, *, local: bool) -> bool:
    if error.kind is ErrorKind.MODEL_NOT_FOUND or error.code in LACKS_MODEL_CODES:
        return True
    return lacks_model(status, error.public.encode(), body, local=local)


_REFUSED = "{by} refused the key that is stored for {key}"
_WANTED = "{by} wants a key, and none is stored for {key}"
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
    if backend.url is None:
        return
    if backend.spec.api_key is None:
        if status != 401:  # whatever it does not allow, no key was asked for
            return
        what = _WANTED
    else:
        what = _KEY_REFUSED.get(error.kind, _REFUSED)
    by = backend.url.origin
    words = _HEADER.sub("API key", error.public).rstrip(". ")
    said = f"{status if status >= 400 else error.status}: {words}"
    text = f"{what.format(by=by, key=backend.spec.key)} ({said}). Set one that it takes with: {backend.key_command}."
    held.error = PointsmanError(error.kind, text, status=error.status, param=error.param, code=error.code)
    if answer is not None:
        kept = [one for one in answer.headers if one[0] != b"x-should-retry"]
        held.answer = Answer(answer.status, as_json(kept), dialect.error(held.error, request_id))


def too_late(error: PointsmanError) -> Held[Answer]:
    """The client's own mistake, told when the client has been promised a stream already: with its kind and its words."""
    reason = (
        FallbackReason.CONTEXT if error.kind is ErrorKind.CONTEXT_LENGTH else FallbackReason.UPSTREAM_ERROR
    )
    return Held(reason, error, None, clients=True, final=True)


def unanswered(
    found: Meaning, seen: Seen, codec: Codec, headers: Headers, body: bytes | None, *, local: bool
) -> Held[Answer]:
    """An answer with status 2xx that is none, and of which the client has seen nothing. body: of a
    whole one. local: of a local server. An error inside is treated, and told, as the status that it means
    (docs/protocols/errors.md#errors-inside-a-200)."""
    error = seen.error
    if error is None:
        reason, detail = reason_of(found, seen)
        if body is not None and found is Meaning.MALFORMED and not body.lstrip().startswith(b"<"):
            detail = f"{detail}: {excerpt(codec.mask.body(body))}"  # a page is no sentence
        return Held(reason, failure(reason, detail))
    error = codec.mask.error(error)
    if seen.concluded:
        body = None  # its own words say nothing of it
    meant = of_status(error.status)
    too_long = error.kind is ErrorKind.CONTEXT_LENGTH
    words = error.public.encode()
    certain = says(OF_THIS_REQUEST, error.status, words)
    if meant is None and not too_long:
        certain = _lacks(error, error.status, body or b"", local=local)
        meant = FallbackReason.UPSTREAM_ERROR if certain else None
    return Held(
        meant or (FallbackReason.CONTEXT if too_long else FallbackReason.UPSTREAM_ERROR),
        error,
        codec.failed(error, headers, body),
        retry_after=_when(meant, headers, body or words)[0],
        loading=says(LOADING, error.status, error.public.encode()),
        clients=meant is None,
        final=meant is None,
        certain=certain,
    )


def left_to_next(reason: FallbackReason, detail: str, answer: Answer) -> Held[Answer]:
    """The client's own affair, which the rule leaves to the next target; told as it is when that fails, too."""
    return Held(reason, failure(reason, detail), answer, clients=True)


def lost() -> Held[Answer]:
    """Nothing is wrong with it: in a hedge another was faster."""
    slow = FallbackReason.TIMEOUT
    return Held(slow, failure(slow, "another was faster"), clients=True, lost=True)
