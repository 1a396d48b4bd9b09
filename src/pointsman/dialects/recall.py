"""What a request refers to instead of sending it, and what the gateway's memory has of that
(docs/protocols/messages.md#the-memory-of-responses). Shapes only.

Not here: the memory (translation/response_memory.py), and how a protocol writes a reference (its own folder).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from typing import Protocol as TypingProtocol

import msgspec

from ..errors import PointsmanError


class Given(msgspec.Struct, frozen=True):
    """A response that a client was given.

    previous: the id of the one that it goes on from, None for the first. asked: its request's body; None where only the
    items are left. items: (id, JSON) of its output, "" for no id. holder: key of the backend that keeps it itself, ""
    for none. shell: the answer as a whole less its items; b"" where it could not be read.
    """

    id: str
    previous: str | None
    asked: bytes | None
    items: tuple[tuple[str, bytes], ...]
    holder: str = ""
    shell: bytes = b""

    def item(self, name: str) -> bytes:
        """The item of that id. Raises StopIteration where there is none."""
        return next(item for own, item in self.items if own == name)


@dataclass(frozen=True, slots=True)
class References:
    """What a body says of state that it does not bring. previous: the response that it goes on from. items: the ids of
    items. stored: it names either, or other state that only its vendor keeps. keeps: its answer may be remembered."""

    previous: str | None = None
    items: tuple[str, ...] = ()
    stored: bool = False
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the memory has for one request. asks: what its body refers to. earlier: all items before its own, None where
    they are not known. holder: see Given, of the response before. items: the known ones of those that it refers to:
    id -> (JSON, holder)."""

    asks: References = References()
    earlier: tuple[bytes, ...] | None = None
    holder: str = ""
    items: Mapping[str, tuple[bytes, str]] = field(default_factory=dict)


NOTHING = Recalled()


@dataclass(frozen=True, slots=True)
class Remembered:
    """A protocol whose clients may refer to what they were given. Bodies have passed wire.splice.peek().

    references: of a body. own_items: a body's own items as JSON, without those before it. reference: the id that an item
    refers to, None for an item that is there itself. words: one of them begins a string of nearly every body that refers to
    anything (wire/scan.py); seen(body, hinted): references() of a body that has been looked at; hinted: one of them does.
    keeps: may the answer to a body of these members be remembered?
    """

    references: Callable[[bytes], References]
    own_items: Callable[[bytes], list[bytes]]
    reference: Callable[[bytes], str | None]
    words: tuple[bytes, ...]
    seen: Callable[[bytes, bool], References]
    keeps: Callable[[Mapping[str, Any]], bool]


class Keep(TypingProtocol):
    """Called once with an answer's id, its items and its shell (as in Given), before or while the client gets the last of
    it."""

    def __call__(self, name: str, items: Sequence[tuple[str, bytes]], shell: bytes = b"", /) -> None: ...


@dataclass(frozen=True, slots=True)
class ById:
    """Answers that clients may ask for again, below their protocol's path: `/ID` and `/ID/VERB`.

    verbs: what may stand behind the id, "" for nothing -> methods. reserved: words that are no id. not_found: of an id that
    nobody knows. kept(given, verb, method, query, inputs): the same of an answer that this gateway remembers, whole;
    inputs: gives the items that were asked, None where they are gone. Raises PointsmanError.
    """

    verbs: Mapping[str, tuple[str, ...]]
    reserved: frozenset[str]
    not_found: Callable[[str], PointsmanError]
    kept: Callable[[Given, str, str, Mapping[str, str], list[bytes] | None], bytes]
