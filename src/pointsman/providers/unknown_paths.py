"""How a server says that it does not know a path, so that a protocol which was tried there can be translated instead.

Rows, asked of a whole answer to a request in a protocol that nobody has promised. Not here: what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

_LOOKED_AT = 500
"""Bytes of a body that are searched."""


@dataclass(frozen=True, slots=True)
class _Wording:
    """statuses: of the answer. says: a word that it has; says_not: one that shows that it is about something else."""

    statuses: tuple[int, ...]
    says: bytes = b""
    says_not: bytes | None = None


_WORDINGS = (
    # By the status alone; but "the model was not found" is a 404 of a path that is known.
    _Wording((404, 405, 501), says_not=b"model"),
    # LM Studio: "Unexpected endpoint or method. (POST /v1/messages). Returning 200 anyway".
    _Wording((200,), says=b"endpoint"),
)


def says_unknown_path(status: int, body: bytes) -> bool:
    """Does the answer say so? Of an answer with status 200: one that holds an error."""
    text = body.lower()
    return any(
        status in one.statuses
        and one.says in text[:_LOOKED_AT]
        and (one.says_not is None or one.says_not not in text)
        for one in _WORDINGS
    )
