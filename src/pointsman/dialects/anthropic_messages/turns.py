"""The order of turns that Messages demands (docs/protocols/messages.md#turns-in-messages): who may
follow whom, results first, how it may end.

Deterministic, and a longer conversation renders its earlier turns as before. Not here: single blocks (content_out.py).
"""

from __future__ import annotations

from typing import Any

from ...conversation.parts import Text
from ...conversation.profile import Profile
from ...conversation.request import Message, Request, Role
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
        self._done: list[dict[str, Any]] = []

    def build(self, request: Request) -> list[dict[str, Any]]:
        """All turns of the request."""
        messages = request.messages
        for index, message in enumerate(messages):
            if message.role is Role.ASSISTANT:
                self._add("assistant", _content(message))
            elif message.role is Role.USER:
                self._user(message)
            else:
                self._system(message, messages[index + 1 :])
        return self._done

    def _add(self, role: str, blocks: list[Block], merge: bool = False) -> None:
        if not blocks:
            return
        last = self._done[-1] if self._done else None
        if last is not None and last["role"] == role and (merge or self._profile.merge_turns):
            last["content"].extend(blocks)
            if role == "user":
                last["content"].sort(key=_after_results)
        else:
            self._done.append({"role": role, "content": blocks})

    def _user(self, message: Message) -> None:
        blocks = _content(message)
        blocks.sort(key=_after_results)  # results stand first; the rest keeps its order
        last = self._done[-1] if self._done else None
        results = last is not None and any(b["type"] == "tool_result" for b in (*last["content"], *blocks))
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


def _content(message: Message) -> list[Block]:
    return [block for part in message.parts if (block := block_of(part)) is not None]


def _after_results(block: Block) -> bool:
    return bool(block["type"] != "tool_result")
