"""How an error of the control plane looks: RFC 9457 problem+json with a stable `code`.

Never a path, a key, an input value or another exception's text. Not here: the wording of the LLM protocols'
errors.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..problem import problem_body
from .door import is_page

log = logging.getLogger("pointsman.control")

CONTENT_TYPE = "application/problem+json"

_KIND_OF_STATUS = {
    404: ErrorKind.NOT_FOUND,
    405: ErrorKind.METHOD_NOT_ALLOWED,
    413: ErrorKind.TOO_LARGE,
}
"""Of what routing and the guard raise; any other is a request that cannot be read."""


class ErrorAnswer(Protocol):
    """Makes the answer for an error, in the form of who asks: problem+json for a program, HTML for a page."""

    def __call__(
        self,
        scope: Scope,
        error: PointsmanError,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response: ...


def problem_response(
    scope: Scope,
    error: PointsmanError,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for an error; `Retry-After` when the error knows one. errors: `param` and `detail` of each wrong field."""
    body = problem_body(error, request_id(scope), errors)
    return Response(
        body, status_code=error.status, media_type=CONTENT_TYPE, headers=retry_headers(error, headers)
    )


def retry_headers(error: PointsmanError, headers: Mapping[str, str] | None) -> dict[str, str]:
    """With `Retry-After` when the error knows when."""
    extra = dict(headers or {})
    if error.retry_after is not None:
        extra["retry-after"] = str(error.retry_after)
    return extra


def invalid(error: ValidationError | RequestValidationError) -> tuple[PointsmanError, list[dict[str, str]]]:
    """A schema's refusal as an error and its list of fields. What was sent stays out of it: it may be a
    key."""
    errors = []
    for item in error.errors():
        parts = (
            item["loc"][:2] if item["loc"][:1] == ("query",) else item["loc"]
        )  # one of several values is its name's
        location = [str(part) for part in parts if part not in ("body", "query", "path")]
        message = str(item["msg"]).removeprefix("Value error, ")
        errors.append({"param": ".".join(location), "detail": message})
    first = errors[0] if errors else {"param": "", "detail": "the request is not valid"}
    text = f"{first['param']}: {first['detail']}" if first["param"] else first["detail"]
    if len(errors) > 1:
        text += f" (and {len(errors) - 1} more, see errors)"
    return PointsmanError(ErrorKind.INVALID, text, param=first["param"] or None), errors


def install(app: FastAPI, page_error: ErrorAnswer) -> None:
    """ErrorAnswer every error of the application in its caller's form, routing's own 404 and 405 included."""

    def say(
        request: Request,
        error: PointsmanError,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        form = page_error if is_page(request.scope["path"]) else problem_response
        return form(request.scope, error, errors, headers)

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, PointsmanError)
        return say(request, error)

    async def not_valid(request: Request, error: Exception) -> Response:
        assert isinstance(error, ValidationError | RequestValidationError)
        return say(request, *invalid(error))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = (
            {"allow": _allowed(app.router.routes, request)} if error.status_code == 405 else error.headers
        )
        return say(request, _of_status(request, error), headers=headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        # Written before the answer goes out; Starlette raises it again after that, and the guard drops it.
        log.error(
            "request %s: %s %r failed",
            request_id(request.scope),
            request.method,
            request.scope["path"],
            exc_info=error,
        )
        return say(request, internal_error())

    app.add_exception_handler(PointsmanError, ours)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(ValidationError, not_valid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def _of_status(request: Request, error: HTTPException) -> PointsmanError:
    if error.status_code == 400:  # FastAPI's word for a body that is not text, or nested too deep
        return _not_json()
    kind = _KIND_OF_STATUS.get(error.status_code, ErrorKind.BAD_REQUEST)
    method, path = request.method, request.scope["path"]
    text = {
        ErrorKind.NOT_FOUND: f"There is nothing at {path[:200]!r}; see {'/ui' if is_page(path) else '/api/openapi.json'}.",
        ErrorKind.METHOD_NOT_ALLOWED: f"{method} is not possible at {path[:200]!r}.",
        ErrorKind.TOO_LARGE: str(error.detail),
    }.get(kind, HTTPStatus(error.status_code).phrase)
    return PointsmanError(kind, text, status=error.status_code)


def internal_error() -> PointsmanError:
    """What a caller is told of a fault of ours."""
    return PointsmanError(
        ErrorKind.INTERNAL,
        "Something went wrong inside Pointsman; its log has the cause under the request id.",
    )


def _not_json() -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, "The body is not valid JSON in UTF-8, or is nested too deep.")


def _allowed(routes: Sequence[BaseRoute], request: Request) -> str:
    """ "The origin server MUST generate an Allow header field in a 405 response containing a list of the target
    resource's currently supported methods" (RFC 9110 section 15.5.6); Starlette names one route's alone."""
    found: set[str] = set()
    for route in routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return ", ".join(sorted(found))


def request_id(scope: Scope) -> str | None:
    """The one that the answer's head carries."""
    value = scope.get("state", {}).get("request_id")
    return value if isinstance(value, str) else None
