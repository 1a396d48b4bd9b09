"""The client's headers that travel with an attempt, found once a head, and never one that holds a client key of ours.

Not here: which names never travel (wire/http1.py), and the client's own login (attempt.py).
"""

from __future__ import annotations

from collections.abc import Callable

from ...dialects.paths import Route
from ...upstream.backend import forwarded, forwarded_across
from ...wire.answer import Headers
from ...wire.http1 import RequestHead
from ..client.access import KeyRing

Block = tuple[bytes, frozenset[bytes]]
"""Header lines, and the names in them."""


def straight_block(head: RequestHead, keys: KeyRing) -> Block:
    """For a backend of the client's protocol."""
    head.forward = _without_keys(head, keys, forwarded)
    return head.forward


def upstream_path(head: RequestHead, where: Route, keys: KeyRing) -> bytes:
    """Where it is posted: the route's path, and the query less client keys."""
    query = keys.without_keys(head.query) if head.query else b""
    return where.path.encode("ascii") + (b"?" + query if query else b"")


def steady_block(head: RequestHead, keys: KeyRing) -> Block:
    """straight_block() less what the next head of the connection may have other values of. Not kept."""

    def take(headers: Headers) -> Block:
        return forwarded([one for one in headers if one[0] not in head.varying])

    return _without_keys(head, keys, take)


def translated_block(head: RequestHead, keys: KeyRing) -> Block:
    """For a backend of another one."""
    head.across = _without_keys(head, keys, forwarded_across)
    return head.across


def _without_keys(head: RequestHead, keys: KeyRing, take: Callable[[Headers], Block]) -> Block:
    found = take(head.headers)
    return take(keys.free_of_keys(head.headers)) if keys.may_hold_key(found[0]) else found
