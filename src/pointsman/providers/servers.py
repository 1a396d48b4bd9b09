"""How servers say which program they are, where one has a habit that matters. Rows. Not here: what follows from it."""

from __future__ import annotations

from collections.abc import Iterable

_UNHEEDING = (b"basehttp/",)
"""How the `Server` header begins of those that compute a whole answer to its end whoever has left: mlx_lm's, which is
Python's http.server. They notice while they stream (docs/protocols/backends.md#servers-that-never-notice-who-left)."""


def is_unheeding(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Does the answer come from one of these? headers: with lower-case names."""
    return any(name == b"server" and value.lower().startswith(_UNHEEDING) for name, value in headers)
