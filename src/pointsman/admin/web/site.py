"""All that the pages are, in one place: their routes, and what they keep between two requests. Loaded by late.py, and by
nobody else while a gateway runs. Not here: the routes of `/api` (admin/app.py).
"""

from __future__ import annotations

from fastapi import FastAPI

from . import static_files, stream
from .errors import page_error
from .pages import PAGES
from .pages.playground import Plays
from .trials import Trials
from .view import Notices

ROUTERS = (static_files.router, stream.router, *PAGES)

__all__ = ["ROUTERS", "add_to", "page_error"]


def add_to(app: FastAPI) -> None:
    """Its routes come after those that are there."""
    app.state.notices = Notices()
    app.state.plays = Plays()
    app.state.trials = Trials()
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
