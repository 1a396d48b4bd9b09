"""What conditions of rules see of a request. Asked by the gateway before it acts and by `explain` to tell, so that they
cannot disagree. Pure.

Not here: the conditions (routing/conditions.py).
"""

from __future__ import annotations

from ..conversation.contents import kinds_in
from ..conversation.request import Request
from ..kinds import Protocol
from ..routing.conditions import Contents, Sight
from ..wire.http1 import RequestHead
from ..wire.user_agent import client_of
from .estimate import estimate_longest, estimate_tokens


def sight_of(
    protocol: Protocol, head: RequestHead, key: str | None, at: float, contents: Contents | None
) -> Sight:
    """key: the client key's name, "" of none, None where it is not known. at: unix seconds. contents: None where the body
    cannot be read, or nobody has to."""
    from ..programs.registry import called  # every program's row, which only such a rule needs

    def header(name: str) -> str | None:
        value = head.get(name.encode("latin-1"))
        return None if value is None else value.decode("latin-1").strip()

    return Sight(protocol.value, called(client_of(head)), key, header, at, contents)


def contents_of(request: Request) -> Contents:
    """Of a request in neutral form."""
    return Contents(estimate_tokens(request), kinds_in(request), request.effort)


def contents_of_text(body: bytes) -> Contents:
    """Of a request that is no conversation."""
    return Contents(estimate_longest(body))
