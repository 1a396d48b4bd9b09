"""What a backend's HTTP status means: one row a status, for every protocol.

The dialects read its kind here, the walk why its target is left (resilience/verdict.py). Not here: what the words of an
error add to it (dialects/vendor_errors.py), and the status by which a protocol tells a kind (its own errors.py).
"""

from __future__ import annotations

from .kinds import ErrorKind, FallbackReason

MEANINGS: dict[int, tuple[ErrorKind, FallbackReason | None]] = {
    400: (ErrorKind.BAD_REQUEST, None),
    401: (ErrorKind.UNAUTHORIZED, FallbackReason.AUTH),
    402: (ErrorKind.BILLING, FallbackReason.AUTH),
    403: (ErrorKind.FORBIDDEN, FallbackReason.AUTH),
    404: (ErrorKind.NOT_FOUND, None),
    405: (ErrorKind.METHOD_NOT_ALLOWED, None),
    408: (ErrorKind.UPSTREAM_TIMEOUT, FallbackReason.UPSTREAM_ERROR),
    409: (ErrorKind.CONFLICT, None),
    413: (ErrorKind.TOO_LARGE, None),
    422: (ErrorKind.BAD_REQUEST, None),  # vLLM's validation; clients know it as a 400
    424: (ErrorKind.UPSTREAM_ERROR, FallbackReason.UPSTREAM_ERROR),  # TGI: "Request failed during generation"
    425: (ErrorKind.OVERLOADED, FallbackReason.UPSTREAM_ERROR),  # not ready yet
    429: (ErrorKind.RATE_LIMITED, FallbackReason.THROTTLED),
    500: (ErrorKind.UPSTREAM_ERROR, FallbackReason.UPSTREAM_ERROR),
    502: (ErrorKind.UPSTREAM_ERROR, FallbackReason.UPSTREAM_ERROR),
    503: (ErrorKind.OVERLOADED, FallbackReason.UPSTREAM_ERROR),
    504: (ErrorKind.UPSTREAM_TIMEOUT, FallbackReason.UPSTREAM_ERROR),
    529: (ErrorKind.OVERLOADED, FallbackReason.UPSTREAM_ERROR),
    # Said by a content network in front of a provider whose own server did not answer it.
    **dict.fromkeys((*range(520, 528), 530), (ErrorKind.UPSTREAM_ERROR, FallbackReason.UPSTREAM_ERROR)),
}
"""(kind, why the target is left for the next one). None: the answer is the client's. A client's mistake (400, 404, 413,
422) is no backend failure; 501 and 505, which have no row, say the same of the request. A refused key is the next
target's chance: the key is this gateway's, not the client's
(docs/reliability-promises.md#verdicts)."""


def is_final(status: int) -> bool:
    """Would the same request get the same answer again? status: of an error. Not of those that the SDKs repeat (408,
    409, 429, from 500 on), but of 501 and 505, which they repeat too
    (docs/protocols/errors.md#retries-of-clients)."""
    return (400 <= status < 500 and status not in (408, 409, 425, 429)) or status in (501, 505)


def kind_of_status(status: int) -> ErrorKind:
    """The kind of error. status: 400 to 599, or 0 for an error inside an answer that had begun well."""
    row = MEANINGS.get(status)
    if row is not None:
        return row[0]
    return ErrorKind.BAD_REQUEST if 400 <= status < 500 else ErrorKind.UPSTREAM_ERROR
