"""The pages, loaded when the first one is asked for: a gateway whose pages nobody opens has neither their memory nor the
time that they take at its start. Not here: what they are (site.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Scope

from ...errors import PointsmanError

if TYPE_CHECKING:
    from ..control.problems import ErrorAnswer


class LatePages:
    """Of that application."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._error: ErrorAnswer | None = None
        self._loading = asyncio.Lock()

    async def ready(self) -> None:
        """Returns when they answer. Loading takes a third of a second, and other requests go on meanwhile."""
        if self._error is not None:
            return
        async with self._loading:
            if self._error is None:
                self._error = await asyncio.to_thread(self._load)

    def _load(self) -> ErrorAnswer:
        from .site import add_to, page_error

        add_to(self._app)
        return page_error

    def error(
        self,
        scope: Scope,
        error: PointsmanError,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """What a browser is answered; when they are ready."""
        assert self._error is not None, "a page is asked for when they are ready"
        return self._error(scope, error, errors, headers)
