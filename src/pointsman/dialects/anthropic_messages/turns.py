"""The order of turns that Messages demands (PROTOCOLS.md 4.1, 4.2): who may follow whom, results first, how it may end.

Deterministic, and a longer conversation renders its earlier turns as before. Not here: single blocks (content_out.py).
"""

from __future__ import annotations

from typing import Any

from ...conversation.notes import Notes
from ...conversation.parts import Text
from ...conversation.profile import Profile
from ...conversation.request import Message, Request, Role
from .cache_marks import put
from .content_out import Block, Blocks

_THINKING = ("thinking", "redacted_thinking")
_OPENING = "(The conversation begins with the assistant's message.)"
PREFILL = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)
"""The vendor's wording, which clients know."""


def reminder(text: str) -> str:
    """A system message in the middle, for models that take none there (PROTOCOLS.md 4.2)."""
    return f"<system-reminder>\n{text}\n</system-reminder>"


class Turns:
    """Builds `messages`. Each turn is {"role", "content": list of blocks}."""

    __slots__ = ("_blocks", "_done", "_notes", "_profile")

    def __init__(self, profile: Profile, notes: Notes) -> None:
        self._profile = profile
        self._notes = notes
        self._blocks = Blocks(profile, notes)
        self._done: list[dict[str, Any]] = []

    def build(self, request: Request) -> list[dict[str, Any]]:
        """All turns of the request."""
        messages = request.messages
        for index, message in enumerate(messages):
            if message.role is Role.ASSISTANT:
                self._add("assistant", self._content(message))
            elif message.role is Role.USER:
                self._user(message)
            else:
                self._system(message, messages[index + 1 :])
        self._trim()
        self._begin()
        self._end()
        return self._done

    def _content(self, message: Message) -> list[Block]:
        if message.name:
            self._notes.drop(self._notes.inside(message, "name"))
        return [block for part in message.parts for block in self._blocks.of(part)]

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
        blocks = self._content(message)
        if not blocks and all(isinstance(part, Text) for part in message.parts):
            self._notes.refuse(f"{message.path}.content", "a user message must say something.")
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

    def _trim(self) -> None:
        """Thinking that nothing followed (the answer was cut there) may not end a turn."""
        kept = []
        for turn in self._done:
            content = turn["content"]
            while turn["role"] == "assistant" and content and content[-1]["type"] in _THINKING:
                content.pop()
                self._notes.repair("messages", "an assistant turn cannot end in thinking")
            if content:
                kept.append(turn)
        self._done = kept

    def _begin(self) -> None:
        if self._done and self._done[0]["role"] != "user":
            self._notes.repair("messages", "the first message must be the user's")
            self._done.insert(0, {"role": "user", "content": [{"type": "text", "text": _OPENING}]})

    def _end(self) -> None:
        if not self._done or self._done[-1]["role"] != "assistant":
            return
        last = self._done[-1]["content"][-1]
        if last["type"] == "server_tool_use" or last["type"].endswith("_tool_result"):
            return  # a paused turn that goes on
        if not self._profile.prefill:
            self._notes.refuse("messages", PREFILL)
        if last["type"] == "text":
            last["text"] = last["text"].rstrip()  # "must not end in whitespace"


def _after_results(block: Block) -> bool:
    return bool(block["type"] != "tool_result")


def lacks_thinking(turns: list[dict[str, Any]]) -> bool:
    """Does the latest assistant turn, whose calls are just being answered, begin without thinking? With a thinking budget
    that is a 400 ("Expected `thinking` ..., but found `tool_use`")."""
    for index in range(len(turns) - 1, 0, -1):
        if turns[index]["role"] == "user" and turns[index - 1]["role"] == "assistant":
            if turns[index]["content"][0]["type"] != "tool_result":
                return False
            return turns[index - 1]["content"][0]["type"] not in _THINKING
    return False
