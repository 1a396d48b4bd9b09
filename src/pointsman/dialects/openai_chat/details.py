"""Reasoning that a Chat backend wants back as it made it: `reasoning_details`, told in pieces, put together; and what
stands beside a call or a message (`extra_content`) and is no part of it
(docs/protocols/reasoning.md#reasoning-in-pieces).

Not here: as which parts of the answer they are told (reader.py).
"""

from __future__ import annotations

from typing import Any

BESIDE_CALL = "pointsman.call"
"""Type of the opaque value that holds what stands beside a call: of the next one, or of one before it, which its member
`back` counts from the last."""
BESIDE_MESSAGE = "pointsman.message"
"""The same of a message."""
_OURS = ("type", "back")


def beside_of(value: dict[str, Any]) -> dict[str, Any]:
    """What the maker told there."""
    return {name: one for name, one in value.items() if name not in _OURS}


_TEXTS = {"reasoning.summary": "summary"}
"""The member that holds the words, by type; `text` of all others."""


class Detail:
    """One detail. value: as far as it has come. part: the answer's part that tells it, -1 = none yet. over: that part has
    ended, so that words which come now belong to another."""

    __slots__ = ("over", "part", "value")

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value
        self.part = -1
        self.over = False


class Details:
    """Those of one answer, in order."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: list[Detail] = []

    def add(self, piece: dict[str, Any]) -> tuple[Detail, str] | None:
        """(the detail that it belongs to, its words). None: it repeats what is known."""
        key = text_key(piece)
        text = piece.get(key)
        text = text if isinstance(text, str) else ""
        if self._repeats(piece, text):
            return None
        found = self._goes_on_with(piece, text)
        if found is None:
            found = Detail(dict(piece))
            self._all.append(found)
            return found, text
        if text:
            found.value[key] = str(found.value.get(key) or "") + text
        for name, value in piece.items():
            if name != key and found.value.get(name) is None:
                found.value[name] = value
        return found, text

    def _repeats(self, piece: dict[str, Any], text: str) -> bool:
        """A last chunk that tells everything again; not one that is signed as the piece before it was."""
        seals = {name: piece[name] for name in ("signature", "data") if piece.get(name)}
        return bool(seals) and any(
            all(one.value.get(name) == value for name, value in seals.items())
            and one.value.get("id") in (None, piece.get("id"))
            and text in ("", one.value.get(text_key(piece)))
            for one in self._all
        )

    def _goes_on_with(self, piece: dict[str, Any], text: str) -> Detail | None:
        """The newest detail of its type, index and id: its words go on until it is signed."""
        if piece.get("data"):
            return None  # encrypted ones come whole
        for one in reversed(self._all):
            if all(_alike(one.value.get(name), piece.get(name)) for name in ("type", "index", "id")):
                signed = one.value.get("signature")
                closed = one.value.get("data") or (signed and signed != piece.get("signature"))
                return None if closed or (text and one.over) else one
        return None


def _alike(one: Any, other: Any) -> bool:
    return one is None or other is None or one == other


def text_key(detail: dict[str, Any]) -> str:
    """The member that holds its words."""
    return _TEXTS.get(str(detail.get("type")), "text")


def as_sent(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a history as their maker wants them: one that was signed after its part had ended stands there twice."""
    out: list[dict[str, Any]] = []
    for detail in details:
        unsigned = {name: value for name, value in detail.items() if name != "signature"}
        before = next((at for at, one in enumerate(out) if one == unsigned), None)
        if before is None or "signature" not in detail:
            out.append(detail)
        else:
            out[before] = detail
    return out
