"""The practice backend of a data-plane process: its socket listens from the start, its model is loaded by the first request
that goes there. Not here: the model (practice/).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from ...process.private_files import private_socket

if TYPE_CHECKING:
    from ...practice import PracticeServer

log = logging.getLogger("pointsman.gateway")


class PracticeSocket:
    """path: of its Unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener: socket.socket | None = None
        self._server: PracticeServer | None = None
        self._loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen. Raises OSError."""
        self._listener = private_socket(self._path)
        self._listener.listen(128)
        asyncio.get_running_loop().add_reader(self._listener, self._knocked)

    def _knocked(self) -> None:
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._loading = loop.create_task(self._load(self._listener))

    async def _load(self, listener: socket.socket) -> None:
        from ...practice import PracticeServer

        try:
            server = PracticeServer(listener=listener)
        except ValueError as error:
            log.error("the practice model is not served: %s", error)
            self._listener = None
            listener.close()  # whoever waits is refused, and so is who comes
            return
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Close it and all its connections."""
        if self._loading is not None:
            await self._loading
        if self._server is not None:
            await self._server.stop()
        elif self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
        with suppress(FileNotFoundError):
            os.unlink(self._path)
