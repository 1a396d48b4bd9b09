"""Which backend made an answer that its client may ask for again by its id (docs/protocols/messages.md#responses-by-id).

In memory, of this process, bounded in number; the usage database has the same of all processes, for longer
(admin/store/usage.py). Not here: who else is asked (request/stored.py).
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

MOST = 20_000
"""Answers remembered, about 400 bytes each."""


class Holder(msgspec.Struct, frozen=True):
    """backend: its key. target_model: the model's name there; model: the one that the client asked for."""

    backend: str
    target_model: str
    model: str


class Holders:
    """By caller and id: one client key never learns of another's answers."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], Holder] = OrderedDict()

    def put(self, caller: str, name: str, holder: Holder) -> None:
        """Remember it; the oldest go."""
        self._kept[caller, name] = holder
        self._kept.move_to_end((caller, name))
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, caller: str, name: str) -> None:
        """Of an answer that its client has deleted."""
        self._kept.pop((caller, name), None)

    def find(self, caller: str, name: str) -> Holder | None:
        """None where it is not known (any more)."""
        return self._kept.get((caller, name))
