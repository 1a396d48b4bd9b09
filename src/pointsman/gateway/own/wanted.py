"""Is a local server wanted by somebody, in this process? Asked by shadows (gateway/shadow), and for those of other processes
(siblings.py)."""

from __future__ import annotations

from ..data_plane import DataPlane


def wanted_by_clients(plane: DataPlane, engine: str) -> bool:
    """Does a client's request run at that base URL, or wait for it? Several rows may lead to one server."""
    health = plane.board.backends
    for key, backend in plane.backends.items():
        known = health.get(key) if backend.spec.base_url == engine else None
        if known is not None and (known.places.in_use or known.places.queued):
            return True
    return False


def wanted(plane: DataPlane, engine: str) -> bool:
    """The same, or does a shadow run there?"""
    return wanted_by_clients(plane, engine) or (plane.shadows is not None and plane.shadows.asks(engine))
