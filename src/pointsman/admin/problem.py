"""A problem (RFC 9457) as JSON: how the admin API tells an error, whoever answers for it: the
application, the standby without it, a command without a gateway. Not here: HTTP (control/problems.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from ..errors import PointsmanError


def problem_body(
    error: PointsmanError, request_id: str | None = None, errors: Sequence[Mapping[str, str]] = ()
) -> bytes:
    """The problem's text. errors: one entry a wrong field, when there are several to tell."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.public,
        "code": error.kind.value,
        "param": error.param,
        "request_id": request_id,
    }
    body |= error.details or {}
    if errors:
        body["errors"] = list(errors)
    return json.dumps(body, ensure_ascii=False).encode()
