"""Waiting for the connection of an attempt, which may be stopped meanwhile: then nobody waits until it is made, or given up.

Not here: making it (upstream/egress.py), what a stop tells the client (exchange.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from ...resilience.walk import Held
from ...upstream.connection import UpstreamConnection
from ...wire.answer import Answer
from ..request.job import Begun
from .exchange import Exchange


class StoppedConnecting(Exception):
    """The attempt was stopped before there was a connection: its failure is what came of it."""


async def connected(
    exchange: Exchange, making: Coroutine[Any, Any, UpstreamConnection]
) -> UpstreamConnection:
    """What `making` makes, unless the attempt is stopped meanwhile: raises StoppedConnecting at once then. Raises what
    `making` raises."""
    return await _waited(exchange, asyncio.get_running_loop().create_task(making))


async def _waited(exchange: Exchange, making: asyncio.Task[UpstreamConnection]) -> UpstreamConnection:
    """The same of what is being made already."""
    if exchange.failure is not None:
        making.cancel()
    exchange.connecting = making
    try:
        return await making
    except asyncio.CancelledError:
        own = asyncio.current_task()
        if exchange.failure is None or (own is not None and own.cancelling()):  # its client has left
            raise
        raise StoppedConnecting from None
    finally:
        exchange.connecting = None


def begun_with(exchange: Exchange, begun: Begun) -> Awaitable[Held[Answer] | None]:
    """What a lane has begun with, awaited here."""
    return exchange.outcome if begun.opening is None else _opened(exchange, begun.opening)


async def _opened(exchange: Exchange, opening: asyncio.Task[UpstreamConnection]) -> Held[Answer] | None:
    return await exchange.ask(await _waited(exchange, opening), False)
