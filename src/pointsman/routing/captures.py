"""Of which requests the bodies are kept for a while, because somebody has asked for it (docs/capture.md). Pure. Not here:
how they are kept (admin/control/captured.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class CaptureSpec(msgspec.Struct, frozen=True):
    """Those of one rule, or with one client key. until: unix seconds. most: bytes of a body that are kept."""

    mapping_id: int | None
    key_id: int | None
    until: float
    most: int


class Captures:
    """All of one snapshot. mappings, keys: whose requests may be captured; a request of theirs has no lane."""

    def __init__(self, specs: Iterable[CaptureSpec]) -> None:
        self._specs = tuple(specs)
        self.mappings = frozenset(one.mapping_id for one in self._specs if one.mapping_id is not None)
        self.keys = frozenset(one.key_id for one in self._specs if one.key_id is not None)

    def most(self, mapping_id: int | None, key_id: int | None, now: float) -> int | None:
        """Bytes of each body that are kept of a request now, None = none."""
        found = [
            one.most
            for one in self._specs
            if one.until > now
            and (
                (one.mapping_id is not None and one.mapping_id == mapping_id)
                or (one.key_id is not None and one.key_id == key_id)
            )
        ]
        return max(found, default=None)
