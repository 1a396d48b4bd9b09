"""What every router shares: the runtime as a dependency, and the errors it documents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request
from pydantic import BaseModel, Field

from ..control.control_plane import ControlPlane
from ..store.values import MAX_ID


def _control(request: Request) -> ControlPlane:
    control: ControlPlane = request.app.state.control
    return control


Run = Annotated[ControlPlane, Depends(_control)]
RowId = Annotated[int, Path(ge=1, le=MAX_ID, description="As the list shows it.")]


def _if_match(if_match: Annotated[str | None, Header(max_length=200)] = None) -> str | None:
    """The `version` that the caller has read, as it is or as an entity tag; None: whatever is there."""
    text = (if_match or "*").strip().removeprefix("W/").strip('"')
    return None if text == "*" else text


IfMatch = Annotated[str | None, Depends(_if_match)]


class Problem(BaseModel):
    """An error (RFC 9457). `code` is stable; `detail` says what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    param: str | None = Field(None, description="The field it is about.")
    request_id: str | None = None
    errors: list[dict[str, str]] | None = Field(
        None, description="Where fields are wrong: `param` and `detail` of each."
    )


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for these error statuses, and those every route has."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    descriptions = {
        400: "The request's head cannot be read.",
        401: "The admin token is missing or wrong.",
        403: "The Host or Origin is not let in.",
        404: "There is no such thing.",
        412: "It was changed since the `version` that If-Match names was read; `current` is what it is now.",
        409: "There is one already, or its state forbids it.",
        413: "The body is too large.",
        415: "The body's Content-Encoding is not known.",
        422: "Something sent is not valid.",
        431: "The request's head, its address included, is too long.",
        503: "The database, or the process that starts engines, cannot be used now; Retry-After says when to try again.",
    }
    unread = content | {"application/json": {}}  # nobody knows whose path it is
    return {
        status: {"description": descriptions[status], "content": unread if status == 431 else content}
        for status in sorted({400, 401, 403, 413, 415, 422, 431, 503, *statuses})
    }
