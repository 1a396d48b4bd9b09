"""A Unix socket that is listened on, with an end: every connection is hung up and its handler waited for.

A handler left to the loop's end is cancelled there, and Python 3.11's streams print a traceback for a cancelled
callback task. Not here: what is spoken on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..process.private_files import private_socket

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class LocalServer:
    """path: of the socket, whose folder must be 0700. serve(reader, writer): one connection; it is closed when this
    returns. It must end when the connection is lost, and raise nothing."""

    def __init__(self, path: str, serve: Serve) -> None:
        self._path = path
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen, in place of whoever left the socket there. Raises OSError when it cannot be made."""
        listener = private_socket(self._path)
        self._server = await asyncio.start_unix_server(self._one, sock=listener)

    async def stop(self) -> None:
        """Listen no more, and end every connection; what is lost of the last words, the other end asks for again."""
        if self._server is not None:
            self._server.close()
        for writer in self._open.values():
            writer.transport.abort()
        if self._open:
            await asyncio.wait(self._open)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the loop ends without stop()
        finally:
            del self._open[task]
            writer.close()
