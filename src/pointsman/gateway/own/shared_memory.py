"""What this process was told to remember, for the other nodes, too: sent up, and asked for where this process and its
siblings do not know it (docs/scale.md). Off where this gateway is the only one.

Not here: this process's own memories (translation/response_memory.py, translation/reasoning_store.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol as TypingProtocol

import msgspec

from ...dialects.recall import Given
from ...link.shared_messages import ForgetRemembered, Remember, SharedKind
from ...translation.reasoning_store import KEPT_SECONDS, ReasoningStore, Thoughts
from ...translation.response_memory import names_of, size_of

MOST_BYTES = 2 * 1024 * 1024
"""Of one response that is kept for others; of a larger one its items are, and what it was asked is not."""
_AGAIN_SECONDS = 0.1
"""A client may be quicker at the next node than what it was given there."""
_WAITS = (0.05, 0.1, 0.25, 0.6)
"""The same of a response, without which the client gets an error."""
_RESPONSES = (SharedKind.RESPONSE,)
_OF_CALLS = (SharedKind.THOUGHTS, SharedKind.CALL_ID)

_given = msgspec.msgpack.Decoder(Given)
_thoughts = msgspec.msgpack.Decoder(Thoughts)


class WayUp(TypingProtocol):
    """See link.shared.SharedByLink."""

    async def find(
        self, kinds: tuple[SharedKind, ...], caller: str, names: Sequence[str]
    ) -> tuple[tuple[SharedKind, str, bytes], ...]: ...

    def say(self, message: Remember | ForgetRemembered) -> bool: ...


class SharedMemory:
    """on: other nodes serve the same clients. seconds: that a response is kept."""

    def __init__(self, seconds: float, reasoning: ReasoningStore) -> None:
        self.on = False
        self._seconds = seconds
        self._reasoning = reasoning
        self._up: WayUp | None = None

    def go(self, up: WayUp) -> None:
        """By that way."""
        self._up = up

    def follow(self, shared: bool) -> None:
        """Whether there are other nodes now."""
        self.on = shared and self._up is not None
        self._reasoning.tell = self._keep_call if self.on else None

    def keep(self, caller: str, given: Given) -> None:
        """A response that this process remembers."""
        if not self.on:
            return
        if given.asked is not None and size_of(given) > MOST_BYTES:
            given = msgspec.structs.replace(given, asked=None)
        if size_of(given) <= MOST_BYTES:
            names = tuple(dict.fromkeys(names_of(given)))
            self._say(
                Remember(SharedKind.RESPONSE, caller, names, msgspec.msgpack.encode(given), self._seconds)
            )

    def forget(self, caller: str, name: str) -> None:
        """A response that its client has deleted."""
        if self.on:
            self._say(ForgetRemembered(SharedKind.RESPONSE, caller, name))

    async def find(self, caller: str, names: Sequence[str]) -> list[Given]:
        """The responses that other nodes know by these ids of responses and items."""
        if not self.on or not names:
            return []
        found: dict[str, Given] = {}
        for wait in (*_WAITS, None):
            found |= {
                name: _given.decode(body) for _, name, body in await self._ask(_RESPONSES, caller, names)
            }
            if wait is None or {*names} <= {name for given in found.values() for name in names_of(given)}:
                break
            await asyncio.sleep(wait)
        return [*found.values()]

    async def learn_calls(self, caller: str, call_ids: Sequence[str]) -> None:
        """What other nodes have kept of these calls is this process's from now on."""
        found = await self._ask(_OF_CALLS, caller, call_ids)
        if not found:
            await asyncio.sleep(_AGAIN_SECONDS)
            found = await self._ask(_OF_CALLS, caller, call_ids)
        for kind, name, body in found:
            if kind is SharedKind.THOUGHTS:
                self._reasoning.put(caller, [name], _thoughts.decode(body))
            else:
                self._reasoning.put_id(caller, name, body.decode())
        for name in call_ids:
            self._reasoning.known(caller, name)

    def _keep_call(self, caller: str, names: Sequence[str], kept: Thoughts | str) -> None:
        kind, body = SharedKind.CALL_ID, kept.encode() if isinstance(kept, str) else b""
        if not isinstance(kept, str):
            kind, body = SharedKind.THOUGHTS, msgspec.msgpack.encode(kept)
        for name in names:
            self._say(Remember(kind, caller, (name,), body, KEPT_SECONDS))

    async def _ask(
        self, kinds: tuple[SharedKind, ...], caller: str, names: Sequence[str]
    ) -> tuple[tuple[SharedKind, str, bytes], ...]:
        assert self._up is not None
        return await self._up.find(kinds, caller, names)

    def _say(self, message: Remember | ForgetRemembered) -> None:
        assert self._up is not None
        self._up.say(message)
