"""Takes new connections, up to as many as the gateway may have. Not here: what is said on them (server.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from ...config import Limits
from ...wire.http1 import BadHead, RequestHead
from .server import Cancellable, ClientConnection

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b"
)
_FULL_BODY = b'{"error":{"message":"The gateway has as many connections as it may; try again.","type":"server_error",' \
    b'"param":null,"code":"unavailable"},"type":"error"}'  # fmt: skip


class _TurnedAway(asyncio.Protocol):
    """A connection too many: told so, and closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast(asyncio.Transport, transport)
        writing.write(_FULL % (len(_FULL_BODY), _FULL_BODY))
        writing.close()


def acceptor(
    limits: Limits,
    handler: Callable[[ClientConnection, RequestHead, bytes], Cancellable | None],
    refuse: Callable[[ClientConnection, BadHead], None],
    connections: set[ClientConnection],
) -> Callable[[], asyncio.BaseProtocol]:
    """Makes the protocol of each new connection; `connections` holds those that are open."""

    lost = connections.discard

    def accept() -> asyncio.BaseProtocol:
        if len(connections) >= limits.max_connections:
            return _TurnedAway()
        client = ClientConnection(limits, handler, refuse, lost)
        connections.add(client)
        return cast(asyncio.BaseProtocol, client)

    return accept
