"""What every request to the control plane passes first, as one ASGI wrapper: id, Host, Origin, size, token,
and then its coding; and the security headers every answer gets. It decides on `scope["path"]`, never on a URL built from the
Host header (docs/reliability-promises.md#paths-are-never-built-from-host). Whatever is not in
PUBLIC needs the admin token, so a new route cannot be forgotten; the pages under `/ui` need a session (door.py).
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...config import COMMAND_AGENT
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...wire import shield
from ...wire.authority import HostRule
from ...wire.coding import known, plain_body
from ..store.asking import Author, Who, asked_by, gathered_behind
from .auth import AdminToken
from .door import PAGE_POLICY, Door, is_page
from .problems import ErrorAnswer, internal_error, problem_response
from .sessions import Sessions

log = logging.getLogger("pointsman.control")

PUBLIC = frozenset({"/", "/api/hello", "/internal/metrics"})
"""Paths that need no token. Nothing here shows or changes a rule, a key or a caller."""

MAX_BODY = 1024 * 1024
MAX_UPLOAD = 256 * 1024 * 1024
"""Of a backup or a recording; less where the data plane takes no body so large."""
UPLOADS = frozenset({
    ("POST", "/api/uploaded-backups"), ("POST", "/ui/settings/backups/uploads"), ("POST", "/api/recordings"),
})  # fmt: skip
"""Where files are sent."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,80}", re.ASCII)

_PAGE_HEADERS = tuple(
    (
        dict(shield.HEADERS)
        | {
            b"content-security-policy": PAGE_POLICY.encode(),
            b"referrer-policy": b"same-origin",  # with no-referrer a form sends `Origin: null`
        }
    ).items()
)


class Parts(Protocol):
    """Of what is guarded. ready: before a path is answered. error: answers an error on a page."""

    async def ready(self, path: str) -> None: ...

    @property
    def error(self) -> ErrorAnswer: ...


class Guard:
    """app: what is guarded. rule: which Host and Origin values are let in. hosts: those that are
    stored now. parts: see there."""

    def __init__(
        self,
        app: ASGIApp,
        token: AdminToken,
        rule: HostRule,
        hosts: Callable[[], tuple[str, ...]],
        sessions: Sessions,
        parts: Parts,
    ) -> None:
        self._app = app
        self._token = token
        self._rule = rule
        self._hosts = hosts
        self._door = Door(sessions)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        headers = _headers(scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        page = is_page(scope["path"])
        await self._parts.ready(scope["path"])
        answer = _Answer(send, request_id, page)
        say = self._parts.error if page else problem_response
        refusal = self._refusal(scope, headers, page)
        if refusal is not None:
            extra = {"www-authenticate": "Bearer"} if refusal.status == 401 and not page else None
            await say(scope, refusal, headers=extra)(scope, receive, answer.send)
            return
        receive = _bounded(receive, _most(scope))
        try:
            if "content-encoding" in headers:
                receive = await _unpacked(headers["content-encoding"], receive, _most(scope))
            with asked_by(_asker(scope, headers)), gathered_behind() as answer.behind:
                await self._app(scope, receive, answer.send)
        except PointsmanError as refused:
            extra = {"accept-encoding": known().decode()} if refused.status == 415 else None
            await say(scope, refused, headers=extra)(scope, receive, answer.send)
        except Exception:  # the request boundary
            if not answer.started:
                log.exception("request %s: %s %r failed", request_id, scope["method"], scope["path"])
                await say(scope, internal_error())(scope, receive, answer.send)

    def _refusal(self, scope: Scope, headers: dict[str, str], page: bool) -> PointsmanError | None:
        """Why this request may not go on; None when it may."""
        host = headers.get("host", "")
        try:
            self._rule.follow(self._hosts())
            self._rule.refuse_host(host)
            self._rule.refuse_origin(
                scope["method"], host, headers.get("origin"), headers.get("sec-fetch-site")
            )
        except PointsmanError as refusal:
            return refusal
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            return PointsmanError(ErrorKind.BAD_REQUEST, "Content-Length is not one number.")
        if int(length) > _most(scope):
            return _too_large(_most(scope))
        if not page:
            return self._unauthorized(scope["path"], headers)
        session = scope["state"]["session"] = self._door.session(headers)
        return self._door.refusal(scope["method"], scope["path"], headers, session)

    def _unauthorized(self, path: str, headers: dict[str, str]) -> PointsmanError | None:
        if path in PUBLIC or self._token.opens(headers.get("authorization")):
            return None
        if not path.startswith("/api"):
            return PointsmanError(ErrorKind.NOT_FOUND, "There is nothing here; see /ui.")
        return PointsmanError(
            ErrorKind.UNAUTHORIZED,
            "Send the admin token: `Authorization: Bearer <text of the data folder's admin-token file>`.",
        )


class _Answer:
    """Watches an answer go by: adds the headers every one has, knows whether it began."""

    def __init__(self, send: Send, request_id: str, page: bool) -> None:
        self._send = send
        self._ours = _PAGE_HEADERS if page else shield.HEADERS
        self.request_id = request_id
        self.started = False
        self.behind: list[str] = []
        """Nodes that do not serve by the change yet that this request has made."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            present = {name.lower() for name, _ in message.get("headers", ())}
            ours = [(b"x-request-id", self.request_id.encode()), *self._ours]
            if self.behind:
                ours.append((b"x-pointsman-behind", ", ".join(self.behind).encode()))
            message["headers"] = [
                *message.get("headers", ()),
                *((name, value) for name, value in ours if name not in present),
            ]
        await self._send(message)


def _headers(scope: Scope) -> dict[str, str]:
    """Lower-case name -> value; a repeated one is joined by a line feed, which no check below accepts."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found


def _asker(scope: Scope, headers: dict[str, str]) -> Author:
    """Who that is, for the audit."""
    session = scope["state"].get("session")
    if session is not None:
        return Author(Who.WEB_PAGE, session.name)
    by_command = headers.get("user-agent", "").startswith(COMMAND_AGENT)
    return Author(Who.COMMAND_LINE if by_command else Who.ADMIN_API)


def _request_id(headers: dict[str, str]) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else "req_" + secrets.token_hex(12)


def _most(scope: Scope) -> int:
    """Bytes of a body."""
    return MAX_UPLOAD if (scope["method"], scope["path"]) in UPLOADS else MAX_BODY


def _bounded(receive: Receive, most: int) -> Receive:
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > most:
                # The one exception that FastAPI lets through while it reads a body.
                raise HTTPException(413, _too_large(most).public)
        return message

    return bounded


async def _unpacked(codings: str, receive: Receive, most: int) -> Receive:
    """The body, plain, of a request that may go on (docs/protocols/requests.md#compressed-bodies). Raises PointsmanError."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return receive  # gone
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        plain = await asyncio.to_thread(plain_body, codings.replace("\n", ",").encode("latin-1"), body, most)
    except OverflowError:
        raise _too_large(most) from None
    given: list[Message] = [{"type": "http.request", "body": plain, "more_body": False}]

    async def again() -> Message:
        return given.pop() if given else await receive()

    return again


def _too_large(most: int) -> PointsmanError:
    return PointsmanError(ErrorKind.TOO_LARGE, f"The body is larger than {most} bytes.")
