"""The order of turns that Messages demands (docs/protocols/messages.md#turns-in-messages): who may
follow whom, results first, how it may end.

Deterministic, and a longer conversation renders its earlier turns as before. Not here: single blocks (content_out.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...conversation.known import KnownList
from ...conversation.parts import Part, Text
from ...conversation.profile import Profile
from ...conversation.request import Message, Request, Role
from ..written import Object, Written, as_text, first_written, stands_apart, written
from .cache_marks import put
from .content_out import Block, block_of


def reminder(text: str) -> str:
    """A system message in the middle, for models that take none there
    (docs/protocols/messages.md#system-text-in-the-middle)."""
    return f"<system-reminder>\n{text}\n</system-reminder>"


class Turns:
    """Builds `messages`. Each turn is {"role", "content": list of blocks}."""

    __slots__ = ("_done", "_profile")

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._done: list[Object] = []

    def build(self, request: Request) -> list[Any]:
        """All turns of the request, for the encoder."""
        messages = request.messages
        if request.texts:
            for message in messages:
                only: Any = message.parts[0]
                text = {"type": "text", "text": only.text}
                self._done.append({"role": message.role.value, "content": [text]})
            return self._done
        count = 0
        if messages and type(messages[0].parts) is KnownList:
            count = first_written(self._done, messages, Turns, _known)
        for index, message in enumerate(messages[count:] if count else messages, count):
            said = message.role is Role.ASSISTANT
            if not said and message.role is not Role.USER:
                self._system(message, messages[index + 1 :])
                continue
            known = _known(message)
            if known is not None and stands_apart(self._done, known):
                self._done += known
            elif said:
                self._add("assistant", _content(message.parts))
            else:
                self._user(message.parts)
        return as_text(self._done)

    def _add(self, role: str, blocks: list[Block], merge: bool = False) -> None:
        if not blocks:
            return
        last = self._done[-1] if self._done else None
        if last is not None and last["role"] == role and (merge or self._profile.merge_turns):
            content = [*last["content"], *blocks]
            if role == "user":
                content.sort(key=_after_results)
            self._done[-1] = {"role": role, "content": content}
        else:
            self._done.append({"role": role, "content": blocks})

    def _user(self, parts: Sequence[Part]) -> None:
        blocks = _of_user(parts)
        last = self._done[-1] if self._done else None
        results = False
        if last is not None and last["role"] == "user":
            results = any(block["type"] == "tool_result" for block in (*last["content"], *blocks))
        self._add("user", blocks, merge=results)

    def _system(self, message: Message, following: list[Message]) -> None:
        texts = [part for part in message.parts if isinstance(part, Text) and part.text.strip()]
        last = self._done[-1]["role"] if self._done else ""
        after = next((m.role for m in following if m.role in (Role.USER, Role.ASSISTANT)), None)
        if self._profile.mid_system and last in ("user", "system") and after is not Role.USER:
            # "must directly follow a user turn and be followed by an assistant turn or end the array"
            self._add("system", [put({"type": "text", "text": t.text}, t.cache) for t in texts], merge=True)
            return
        blocks = [put({"type": "text", "text": reminder(t.text)}, t.cache) for t in texts]
        self._add("user", blocks, merge=True)


def _known(message: Message) -> tuple[Written, ...] | None:
    """What a turn that was met before becomes beside turns of others."""
    parts = message.parts
    if type(parts) is not KnownList or message.role not in (Role.USER, Role.ASSISTANT):
        return None
    role = "assistant" if message.role is Role.ASSISTANT else "user"
    return written(parts, (Turns, role), _alone, role, parts)


def _alone(role: str, parts: Sequence[Part]) -> list[Object]:
    """A turn beside turns of others."""
    blocks = _content(parts) if role == "assistant" else _of_user(parts)
    return [{"role": role, "content": blocks}] if blocks else []


def _content(parts: Sequence[Part]) -> list[Block]:
    blocks = map(block_of, parts)
    return [block for block in blocks if block is not None]


def _of_user(parts: Sequence[Part]) -> list[Block]:
    """Results stand first; the rest keeps its order."""
    blocks = _content(parts)
    if len(blocks) > 1:
        blocks.sort(key=_after_results)
    return blocks


def _after_results(block: Block) -> bool:
    return bool(block["type"] != "tool_result")
