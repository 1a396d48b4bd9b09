"""The two transports by which a command reaches the admin API, by the rule of docs/design.md#who-writes: one
process at a time writes.

A gateway runs: HTTP over its control plane's Unix socket, with the admin token. None runs: take the data
folder's lock, open the database here and call the same application in this process, so that the answers are
the same.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .. import __version__
from ..config import COMMAND_AGENT, LOCK_FILE, SERVE_FILE
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..process.private_files import lock_folder

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..admin.control.control_plane import ControlPlane

WAIT_SECONDS = 10.0
"""How long a gateway may take to start (or its control plane to come back) before a command gives up; of
other commands, how long each may take in its turn."""

ANSWER_SECONDS = 120.0
_POLL_SECONDS = 0.05
_AGENT = f"{COMMAND_AGENT}{__version__}"


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What the API said, bytes as they came."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """None for an empty answer."""
        return json.loads(self.body) if self.body else None


class NotAnswering(PointsmanError):
    """The data folder is in use, and whoever uses it does not answer."""


class ApiClient(Protocol):
    """A transport to the admin API."""

    def request(self, method: str, path: str, body: Any = None) -> ApiAnswer: ...


@contextmanager
def open_client(data_dir: Path, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[ApiClient]:
    """The transport that works right now. Raises PointsmanError with what to do when none does."""
    until, turn = 0.0, -1
    while True:
        running = running_client(data_dir)
        if running is not None:
            try:
                yield running
            finally:
                running.close()
            return
        _application()  # before the lock, for which others may wait
        with _locked(data_dir) as mine:
            if mine:
                with _direct(data_dir) as direct:
                    yield direct
                return
        taken = (data_dir / LOCK_FILE).stat().st_mtime_ns
        if taken != turn:  # many commands at once: the queue moves on
            until, turn = time.monotonic() + wait_seconds, taken
        if time.monotonic() > until:
            raise NotAnswering(
                ErrorKind.UNAVAILABLE,
                "Another Pointsman process holds this data folder and its control plane does not answer. "
                "Look at its log, or stop it and run this again.",
            )
        time.sleep(_POLL_SECONDS)


def serve_file(data_dir: Path) -> dict[str, Any] | None:
    """What a running gateway says of itself; None when there is no such file or it is not whole."""
    try:
        found = json.loads((data_dir / SERVE_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("socket"), str) else None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class RunningClient:
    """The control plane of a running gateway."""

    def __init__(self, connection: _UnixConnection, token: str) -> None:
        self._connection = connection
        self._token = token

    def request(self, method: str, path: str, body: Any = None) -> ApiAnswer:
        headers = {
            "authorization": f"Bearer {self._token}",
            "accept": "application/json",
            "user-agent": _AGENT,
        }
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        try:
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            return ApiAnswer(
                response.status, response.read(), {k.lower(): v for k, v in response.getheaders()}
            )
        except (OSError, http.client.HTTPException):
            # Not sent again: what it should change may have been changed.
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "The running gateway went away in the middle of this; look, and run it again.",
            ) from None

    def close(self) -> None:
        self._connection.close()


def running_client(data_dir: Path, seconds: float = ANSWER_SECONDS) -> RunningClient | None:
    """The control plane of the gateway that runs there; None where none does. seconds: that an answer may take. Raises
    PointsmanError where its admin token cannot be used."""
    found = serve_file(data_dir)
    if found is None:
        return None
    connection = _UnixConnection(found["socket"], seconds)
    try:
        connection.connect()
    except OSError:
        return None
    from ..admin.control.auth import AdminToken

    try:
        token = AdminToken.read(data_dir)
    except PointsmanError:
        connection.close()
        raise
    if token is None:
        connection.close()
        raise PointsmanError(
            ErrorKind.UNAUTHORIZED,
            "The admin-token file is gone; restart the gateway and it makes a new one.",
        )
    return RunningClient(connection, token.reveal())


@contextmanager
def _locked(data_dir: Path) -> Iterator[bool]:
    """Whether this process got the data folder for itself."""
    lock = lock_folder(data_dir, LOCK_FILE)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


class _Direct:
    """The same application, called in this process: a small ASGI client."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    def request(self, method: str, path: str, body: Any = None) -> ApiAnswer:
        return asyncio.run(self._request(method, path, b"" if body is None else json.dumps(body).encode()))

    async def _request(self, method: str, target: str, body: bytes) -> ApiAnswer:
        from urllib.parse import unquote

        path, _, query = target.partition("?")
        headers = [
            (b"host", b"localhost"),
            (b"user-agent", _AGENT.encode()),
            (b"authorization", f"Bearer {self._token}".encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        if body:
            headers.append((b"content-type", b"application/json"))
        scope: MutableMapping[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": None,
            "server": ("localhost", None),
        }
        messages: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        start = next(m for m in messages if m["type"] == "http.response.start")
        found = b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body")
        return ApiAnswer(
            start["status"], found, {k.decode(): v.decode("latin-1") for k, v in start["headers"]}
        )


def _application() -> tuple[Callable[[ControlPlane], ASGIApp], type[ControlPlane]]:
    """What a command needs to be the control plane itself. Imported before it takes the lock: that takes longer
    than what most commands do, and others wait for their turn."""
    from ..admin.app import create_app
    from ..admin.control.control_plane import ControlPlane

    return create_app, ControlPlane


@contextmanager
def _direct(data_dir: Path) -> Iterator[_Direct]:
    create_app, kind = _application()
    with suppress(OSError):  # left by a gateway that was killed: we hold its lock, so it is gone
        (data_dir / SERVE_FILE).unlink()
    control = kind.open(data_dir, os.environ)
    try:
        yield _Direct(create_app(control), control.token.reveal())
    finally:
        control.close()
