"""The application's parts, loaded when somebody asks for the first of their paths: what is made of all of them takes half a
second of a start and 10 MB, and most gateways are asked for a few.

Not here: the application (app.py), what a part answers (routers/, web/).
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.types import Scope

from ..errors import PointsmanError
from .control.door import is_page

if TYPE_CHECKING:
    from .control.problems import ErrorAnswer

NOUNS = (
    *(
        "mappings",
        "mapping-order",
        "credentials",
        "local",
        "providers",
        "discovery",
        "backends",
        "models",
        "engines",
    ),
    *(
        "stored-models",
        "keys",
        "groups",
        "origins",
        "customs",
        "hosts",
        "nodes",
        "webhooks",
        "captured",
        "captures",
    ),
    *(
        "config",
        "cache",
        "shadow",
        "recordings",
        "audit",
        "backups",
        "uploaded-backups",
        "explain",
        "requests",
        "usage",
    ),
    *(
        "prices",
        "price-lists",
        "price-reference",
        "programs",
        "secrets",
        "settings",
        "status",
        "hello",
        "doctor",
    ),
    *("sign-in", "openapi.json"),
)
"""What a path of the API begins with, after `/api/`; in the document's order."""

_MODULES = {
    "captured": "captures",
    "hello": "status",
    "mapping-order": "mappings",
    "openapi.json": "root",
    "price-lists": "prices",
    "price-reference": "prices",
    "settings": "set_values",
    "uploaded-backups": "backups",
}
"""In routers/, where it is not called like its noun."""


def _module(noun: str) -> str:
    return _MODULES.get(noun, noun.replace("-", "_"))


MODULES = tuple(dict.fromkeys(map(_module, NOUNS)))
"""Of routers/, a part each."""
_KNOWN = frozenset(NOUNS)
_PAGES = "pages"
_EXPLAIN = frozenset({"explain", "models", "backends", _PAGES})
"""They look at rules and servers' models, and need the protocols for it."""


class LateParts:
    """Of that application."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._loaded: dict[str, list[APIRouter]] = {}
        self._page_error: ErrorAnswer | None = None
        self._loading = threading.RLock()

    async def ready(self, path: str) -> None:
        """Returns when what answers there is loaded. Other requests go on meanwhile."""
        part = part_of(path)
        if part is None or part in self._loaded:
            return
        await asyncio.to_thread(self._load, part)

    def _load(self, part: str) -> None:
        with self._loading:
            if part in self._loaded:
                return
            if part in _EXPLAIN:
                self._prepare_routing()
            if part == _PAGES:
                from .web import site

                site.prepare(self._app.state)
                self._page_error = site.page_error
                self._add(part, list(site.ROUTERS))
            else:
                self._add(part, routers_of(part))

    def load_all(self) -> None:
        """For the document: the API's parts in their order, whatever was asked for first."""
        with self._loading:
            for part in MODULES:
                self._load(part)
            ordered = [*(self._loaded[part] for part in MODULES), self._loaded.get(_PAGES, [])]
            # another list: who is looking for a route meanwhile goes through the one that was
            self._app.router.routes = [route for found in ordered for one in found for route in one.routes]

    def _prepare_routing(self) -> None:
        from .control.model_list import ModelNames
        from .control.routing_view import RoutingView

        state = self._app.state
        if not hasattr(state, "routing"):
            state.model_names, state.routing = ModelNames(), RoutingView()

    def _add(self, part: str, routers: list[APIRouter]) -> None:
        # as they are: include_router() builds each anew when somebody asks for the first time
        for router in routers:
            self._app.router.routes.extend(router.routes)
        self._loaded[part] = routers

    def error(
        self,
        scope: Scope,
        error: PointsmanError,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """What a browser is answered."""
        assert self._page_error is not None, "a page is asked for when they are ready"
        return self._page_error(scope, error, errors, headers)


def routers_of(module: str) -> list[APIRouter]:
    """That one's, of routers/, in the order in which they stand there."""
    found = vars(importlib.import_module(f".routers.{module}", __package__))
    return [one for one in found.values() if isinstance(one, APIRouter)]


def part_of(path: str) -> str | None:
    """Whose path that is: a module of routers/, or the pages. None: nothing is there."""
    if is_page(path):
        return _PAGES
    if path.startswith("/api/"):
        noun = path[5:].partition("/")[0]
        return _module(noun) if noun in _KNOWN else None
    return {"/": "root", "/internal/metrics": "status"}.get(path)
