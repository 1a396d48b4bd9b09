"""Turns as the target demands them: that there are any, who begins, that each says something, how
the last may end (docs/protocols/messages.md#turns-in-messages). See adapt.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..conversation.known import once_of
from ..conversation.notes import Notes
from ..conversation.parts import Document, Foreign, Part, Refusal, Text, Thinking
from ..conversation.profile import Profile
from ..conversation.request import Message, Request, Role

_OPENING = "(The conversation begins with the assistant's message.)"
PREFILL = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)
"""The vendor's wording, which clients know."""
_NOTHING = "at least one message must say something."


def says(part: Part) -> bool:
    """Blank texts say nothing, and are refused by the vendor."""
    if type(part) is Text or type(part) is Refusal:
        return bool(part.text) and not part.text.isspace()
    return not (isinstance(part, Document) and part.text is not None and not part.text.strip())


def _says_any(parts: Sequence[Part]) -> bool:
    return any(map(says, parts))


def _ends_in_words(parts: Sequence[Part]) -> bool:
    """Is its last part one that a turn may end in?"""
    return not parts or (type(parts[-1]) is not Thinking and says(parts[-1]))


def fit_turns(made: Request, profile: Profile, notes: Notes) -> None:
    """Changes `made`. Raises PointsmanError 400 for a conversation that cannot be sent."""
    for message in made.messages:
        if not message.parts:  # its reasoning was all that it said
            made.messages = [one for one in made.messages if one.parts]
            break
    if profile.turns == "strict":
        _strict(made, profile, notes)
    elif not any(map(_stands, made.messages)) and not any(text.text for text in made.system):
        notes.refuse("messages", _NOTHING)
    if made.messages and made.messages[-1].role is Role.ASSISTANT and not profile.continues:
        told = made.messages[-1].path or "messages"
        notes.change(told, "the backend may answer anew instead of going on with the assistant's message")


def _stands(message: Message) -> bool:
    """Is anything of it left in a protocol that lets turns be empty? The user's always."""
    return message.role is Role.USER or any(
        not isinstance(part, Text) or bool(part.text) for part in message.parts
    )


def _strict(made: Request, profile: Profile, notes: Notes) -> None:
    messages = made.messages
    for message in messages:
        if not once_of(message.parts, _ends_in_words):  # else it says something, too
            messages = _trimmed(_speaking(messages, notes), profile, notes)
            break
    if not messages:
        messages = [_from_system(made, notes)]
    if messages[0].role is Role.ASSISTANT:
        notes.repair("messages", "the first message must be the user's")
        messages = [Message(Role.USER, [Text(_OPENING)]), *messages]
    if messages[-1].role is Role.ASSISTANT:
        messages = [*messages[:-1], _last(messages[-1], profile, notes)]
    made.messages = messages


def _speaking(messages: list[Message], notes: Notes) -> list[Message]:
    """Those that say something; of the user's last one that is demanded."""
    kept = []
    last = max((at for at, one in enumerate(messages) if one.role is Role.USER), default=0)
    for at, message in enumerate(messages):
        if once_of(message.parts, _says_any):
            kept.append(message)
        elif message.role is Role.USER and all(isinstance(part, Text) for part in message.parts):
            if at == last:
                notes.refuse(notes.inside(message, "content"), "a user message must say something.")
            notes.repair(message.path, "a user message must say something")
    return kept


def _trimmed(messages: list[Message], profile: Profile, notes: Notes) -> list[Message]:
    """Thinking that nothing followed (the answer was cut there) may not end a turn."""
    kept: list[Message] = []
    after: Message | None = None  # the message that follows, of those that are kept
    for message in reversed(messages):
        if once_of(message.parts, _ends_in_words):
            pass  # as almost all do
        elif message.role is Role.ASSISTANT and not (
            profile.merge_turns and after is not None and after.role is Role.ASSISTANT
        ):
            parts = list(message.parts)
            while parts and (isinstance(parts[-1], Thinking) or not says(parts[-1])):
                cut = parts.pop()
                if isinstance(cut, Thinking):
                    notes.repair(cut.path, "an assistant turn cannot end in thinking")
            if len(parts) < len(message.parts):
                message = msgspec.structs.replace(message, parts=parts)
        if message.parts:
            kept.append(message)
            after = message
    kept.reverse()
    return kept


def _from_system(made: Request, notes: Notes) -> Message:
    """A prompt of system messages alone, which OpenAI answers: the last of them is what the user
    says."""
    system = [text for text in made.system if text.text.strip()]
    if not system:
        notes.refuse("messages", _NOTHING)
    notes.change("messages", "there must be a user's message; the last system message was sent as one")
    last = system.pop()
    made.system = system
    return Message(Role.USER, [last], path=last.path)


def _last(message: Message, profile: Profile, notes: Notes) -> Message:
    """The beginning of the answer, where the model takes that."""
    last = message.parts[-1]
    if isinstance(last, Foreign):
        return message  # a paused turn that goes on
    if not profile.prefill:
        notes.refuse("messages", PREFILL)
    if not isinstance(last, Text) or last.text == last.text.rstrip():
        return message
    # "must not end in whitespace"
    return msgspec.structs.replace(
        message, parts=[*message.parts[:-1], msgspec.structs.replace(last, text=last.text.rstrip())]
    )
