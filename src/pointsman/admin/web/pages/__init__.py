"""One module a page: its routes, and what its templates are given."""

from __future__ import annotations

from . import client_keys, connect, home, key_groups, more, sign_in, undo

PAGES = (
    sign_in.router,
    home.router,
    key_groups.router,
    client_keys.router,
    connect.router,
    more.router,
    undo.router,
)
