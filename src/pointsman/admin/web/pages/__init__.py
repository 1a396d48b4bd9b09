"""One module a page: its routes, and what its templates are given."""

from __future__ import annotations

from . import connect, home, more, sign_in, undo

PAGES = (sign_in.router, home.router, connect.router, more.router, undo.router)
