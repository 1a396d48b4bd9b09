"""What one snapshot of the rules says about customs: whose requests are looked through, for what, and what is done then.

Not here: the request (gateway/attempt/customs.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from ..kinds import Customs
from ..secret import Secret
from .finding import Carrier, Finder, Found

_ORDER = tuple(Customs)


def strictest(*said: str | None) -> Customs | None:
    """Of what a rule, a key and the setting for all say; None where nobody says anything."""
    found = [Customs(one) for one in said if one]
    return max(found, key=_ORDER.index, default=None)


@lru_cache(maxsize=2)
def _finder(keys: frozenset[bytes], own: tuple[tuple[str, str], ...]) -> Finder:
    """Most snapshots differ in something else."""
    return Finder(keys, dict(own))


class Inspection:
    """for_all: the setting for all that leaves this machine. key: of this installation, for placeholders. stored: the keys
    that the gateway keeps, own: the user's patterns by name."""

    def __init__(
        self, for_all: str | None, key: bytes, stored: Iterable[Secret | None], own: Mapping[str, str]
    ) -> None:
        self._for_all = for_all
        self.key = key
        keys = frozenset(one.reveal().encode() for one in stored if one is not None)
        self._finder = _finder(keys, tuple(own.items()))

    def mode(self, rule: str | None, key: str | None = None) -> Customs | None:
        """What is done for a request of this rule and with this client key."""
        return strictest(self._for_all, rule, key)

    def find(self, text: bytes) -> tuple[Found, ...]:
        """In plain text."""
        return self._finder.find(text)

    def look(self, body: bytes, *, form: bool = False) -> list[Carrier]:
        """Where credentials stand in a body; form: it is no JSON, but fields of a form."""
        if not form:
            return self._finder.look(body)
        found = self._finder.find(body)
        return [Carrier(0, len(body), body, found)] if found else []
