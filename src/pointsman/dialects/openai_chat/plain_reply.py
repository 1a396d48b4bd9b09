"""A whole Chat answer of one text and nothing else, as a reply: almost all of them. What the reader
would tell of it, folded, in one step.

Not here: any other answer, which is told as the stream it could have been (reader.py).
"""

from __future__ import annotations

from operator import attrgetter

from ...conversation.events import Stop
from ...conversation.parts import AssistantPart, Text
from ...conversation.reply import Reply
from ..think import FIRSTS, IN_ALL, closes
from .frames import Chunk, Delta
from .seen import ChatSeen

_REST = (
    "refusal", "reasoning_details", "reasoning_content", "reasoning", "reasoning_text", "thinking", "annotations", "images",
    "extra_content",
)  # fmt: skip
_rest_of = attrgetter(*_REST)
_NOTHING = (None,) * len(_REST)


def _says_more(message: Delta) -> bool:
    """Than its text."""
    told = message.refusal or message.reasoning_details or message.annotations or message.images
    return bool(told or message.extra_content or message.thought())


def plain_reply(seen: ChatSeen, frame: Chunk) -> Reply | None:
    """None where more than a text was said, or reasoning may stand in it. seen: of that frame, which was whole."""
    choices = frame.choices
    if not choices or len(choices) > 1 or frame.citations or frame.search_results:
        return None
    if not seen.finished or seen.error is not None or seen.unknown or seen.calls is not None:
        return None
    choice = choices[0]
    message = choice.message
    if message is None or choice.delta is not None:
        return None
    text = message.content
    if type(text) is not str or (_rest_of(message) != _NOTHING and _says_more(message)):
        return None
    begun = text.lstrip()
    if not begun or begun[0] in FIRSTS or (IN_ALL in text and closes(text) is not None):
        return None
    stop = seen.stop or Stop.END
    matched = seen.matched if stop is Stop.STOP_SEQUENCE else None
    parts: list[AssistantPart] = [Text(text)]
    return Reply(
        frame.id or "", frame.model or "", parts, stop, matched, None, seen.usage, frame.service_tier, seen.stop_word,
    )  # fmt: skip
