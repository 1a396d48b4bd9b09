"""What control plane and data plane tell each other of what clients of several nodes may refer to (docs/scale.md). See
messages.py."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class SharedKind(StrEnum):
    """What is remembered. RESPONSE: a dialects.recall.Given, under its id and those of its items. THOUGHTS: a
    reasoning_store.Thoughts, under the ids of its turn's calls. CALL_ID: a backend's own id, under the one that a client was
    told."""

    RESPONSE = "response"
    THOUGHTS = "thoughts"
    CALL_ID = "call_id"


class Remember(msgspec.Struct, frozen=True, tag="remember"):
    """Keep it for all nodes, for so many seconds. caller: whose it is, nobody else finds it. names: the first is its own,
    others lead to it. body: packed."""

    kind: SharedKind
    caller: str
    names: tuple[str, ...]
    body: bytes
    seconds: float


class ForgetRemembered(msgspec.Struct, frozen=True, tag="forget"):
    """Its client has deleted it."""

    kind: SharedKind
    caller: str
    name: str


class RememberedQuestion(msgspec.Struct, frozen=True, tag="remembered_question"):
    """What of these kinds has any node kept under these names? number: of the question."""

    number: int
    kinds: tuple[SharedKind, ...]
    caller: str
    names: tuple[str, ...]


class RememberedFound(msgspec.Struct, frozen=True, tag="remembered_found"):
    """found: kind, the name that it is kept under, and its body."""

    number: int
    found: tuple[tuple[SharedKind, str, bytes], ...] = ()
