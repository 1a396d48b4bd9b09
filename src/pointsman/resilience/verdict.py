"""What an upstream's status means for the walk (RELIABILITY.md 1b.3). Pure.

A client's mistake (400, 404, 413, 422) is no backend failure: it goes back as it came. 501 and 505 say the same of
the request. A refused key is the next target's chance: the key is this gateway's, not the client's.
"""

from __future__ import annotations

from ..kinds import FallbackReason

_REASONS: dict[int, FallbackReason] = {
    401: FallbackReason.AUTH,
    402: FallbackReason.AUTH,
    403: FallbackReason.AUTH,
    429: FallbackReason.THROTTLED,
    500: FallbackReason.UPSTREAM_ERROR,
    502: FallbackReason.UPSTREAM_ERROR,
    503: FallbackReason.UPSTREAM_ERROR,
    504: FallbackReason.UPSTREAM_ERROR,
    529: FallbackReason.UPSTREAM_ERROR,
}


def of_status(status: int) -> FallbackReason | None:
    """Why to leave this target for the next one, or None when the answer is the client's."""
    return _REASONS.get(status)
