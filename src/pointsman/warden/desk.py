"""The warden's socket: one JSON object a line, both ways. A client that does not read or sends rubbish loses its connection
and nobody else notices. Not here: what the objects mean (orders.py).
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from ..process.private_files import private_socket

LINE_BYTES = 256 * 1024
"""Of one message, either way."""
_UNREAD_BYTES = 1024 * 1024
"""Waiting to be read by a client, beyond which it has stopped reading."""
_MOST_CLIENTS = 256
_CHUNK = 65536


class WardenCaller:
    """One connection. name: no other connection ever had it. watching: gets every change of state."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.connection = connection
        self.name = name
        self.watching = False
        self.lost = False
        self._in = b""
        self._out = bytearray()

    def say(self, message: dict[str, Any]) -> None:
        """Soon; nothing is waited for."""
        self._out += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        try:
            while self._out and not self.lost:
                del self._out[: self.connection.send(self._out)]
        except BlockingIOError:
            self.lost = len(self._out) > _UNREAD_BYTES
        except OSError:
            self.lost = True

    @property
    def has_more_to_say(self) -> bool:
        return bool(self._out)

    def read(self) -> Iterator[dict[str, Any]]:
        """Messages that came; it is `lost` after the last of them where it hung up or sent what is none."""
        try:
            data = self.connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._in = (self._in + data).split(b"\n")
        for line in lines:
            message = _message(line)
            if message is None:
                self.say({"error": "that is no message: one JSON object a line"})
                self.lost = True
                return
            yield message
            if self.lost:
                return
        self.lost = self.lost or not data or len(self._in) > LINE_BYTES


def _message(line: bytes) -> dict[str, Any] | None:
    if len(line) > LINE_BYTES:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class Desk:
    """path: of the socket, in a folder that is this user's alone. on_message, on_lost: of a caller. Raises OSError when it
    cannot be made."""

    def __init__(
        self,
        path: str,
        selector: selectors.BaseSelector,
        on_message: Callable[[WardenCaller, dict[str, Any]], None],
        on_lost: Callable[[WardenCaller], None],
    ) -> None:
        self.callers: dict[int, WardenCaller] = {}
        self._selector = selector
        self._on_message = on_message
        self._on_lost = on_lost
        self._path = path
        self._count = 0
        self._listener = private_socket(path)
        self._listener.listen(64)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            if not _same_user(connection) or len(self.callers) >= _MOST_CLIENTS:
                connection.close()
                return
            connection.setblocking(False)
            self._count += 1
            caller = WardenCaller(connection, f"c{self._count}")
            self.callers[connection.fileno()] = caller
            self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(caller))

    def _read(self, caller: WardenCaller) -> None:
        for message in caller.read():
            self._on_message(caller, message)

    def watchers(self) -> set[str]:
        """Names of all who watch."""
        return {caller.name for caller in self.callers.values() if caller.watching}

    def push(self, message: dict[str, Any]) -> None:
        """To all who watch."""
        for caller in self.callers.values():
            if caller.watching:
                caller.say(message)

    def tidy(self) -> None:
        """Send what could not be sent at once, let go of who is lost."""
        for number, caller in list(self.callers.items()):
            if caller.has_more_to_say:
                caller.flush()
            if caller.lost:
                self._selector.unregister(caller.connection)
                caller.connection.close()
                del self.callers[number]
                self._on_lost(caller)

    @property
    def has_more_to_say(self) -> bool:
        return any(caller.has_more_to_say for caller in self.callers.values())

    def close(self) -> None:
        for caller in self.callers.values():
            caller.connection.close()
        self._listener.close()
        with suppress(OSError):
            os.unlink(self._path)


def _same_user(connection: socket.socket) -> bool:
    """By the kernel's word, where there is one; the folder's mode has said so already."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    said = connection.getsockopt(socket.SOL_SOCKET, option, 12)
    return struct.unpack("3i", said)[1] in (os.geteuid(), 0)
