"""Placeholders of earlier requests, remembered in memory for a while. Pure. Not here: what they are (placeholders.py)."""

from __future__ import annotations

from collections.abc import Mapping

_MOST_KEPT = 2000
_LONGEST_KEPT = 16 * 1024


class KeptPlaceholders:
    """For conversations that the backend keeps: their next request does not hold what they stand
    for. By client, since nobody may ask for another's. The oldest go."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def keep(self, whose: str, known: Mapping[str, str]) -> None:
        """From a request of this client."""
        for name, credential in known.items():
            if len(credential) <= _LONGEST_KEPT:
                self._kept.pop((whose, name), None)
                self._kept[whose, name] = credential
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def of(self, whose: str) -> dict[str, str]:
        """All of this client's."""
        return {name: credential for (owner, name), credential in self._kept.items() if owner == whose}
