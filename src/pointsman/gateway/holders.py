"""Which backend made an answer that its client may ask for again by its id (docs/protocols/messages.md#responses-by-id).

In memory, of this process, bounded in number; the usage database has the same of all processes, for longer
(admin/store/usage.py). Not here: who else is asked (request/stored.py).
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

MOST = 20_000
"""Answers remembered, about 400 bytes each."""
_CLAIMS = 8
"""Callers remembered of one id, the newest: more than one only where a backend gives the same id again and again."""


class Holder(msgspec.Struct, frozen=True):
    """backend: its key. target_model: the model's name there; model: the one that the client asked for."""

    backend: str
    target_model: str
    model: str


class Holders:
    """By id and caller: one client key never learns of another's answers."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[tuple[str, Holder], ...]] = OrderedDict()

    def put(self, caller: str, name: str, holder: Holder) -> None:
        """Remember it; the oldest go."""
        self._kept[name] = ((caller, holder), *self._without(caller, name))[:_CLAIMS]
        self._kept.move_to_end(name)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, caller: str, name: str) -> None:
        """Of an answer that its client has deleted."""
        rest = self._without(caller, name)
        if rest:
            self._kept[name] = rest
        else:
            self._kept.pop(name, None)

    def find(self, caller: str, name: str) -> Holder | None:
        """None where it is not known (any more)."""
        return next((holder for one, holder in self._kept.get(name, ()) if one == caller), None)

    def of_others(self, caller: str, name: str) -> set[str]:
        """Backends that gave this very id to another caller: what one of them has under it now is nobody's to say."""
        return {holder.backend for _, holder in self._without(caller, name)}

    def _without(self, caller: str, name: str) -> tuple[tuple[str, Holder], ...]:
        return tuple(claim for claim in self._kept.get(name, ()) if claim[0] != caller)
