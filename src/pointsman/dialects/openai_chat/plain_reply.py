"""A whole Chat answer of one text and nothing else, as a reply: almost all of them. What the reader
would tell of it, folded, in one step.

Not here: any other answer, which is told as the stream it could have been (reader.py).
"""

from __future__ import annotations

from ...conversation.events import Stop
from ...conversation.parts import AssistantPart, Text
from ...conversation.reply import Reply
from ..think import FIRSTS, closes
from .frames import Chunk
from .seen import ChatSeen


def plain_reply(seen: ChatSeen, frame: Chunk) -> Reply | None:
    """None where more than a text was said, or reasoning may stand in it. seen: of that frame, which was whole."""
    if not frame.choices or len(frame.choices) > 1 or frame.citations or frame.search_results:
        return None
    if not seen.finished or seen.error is not None or seen.unknown or seen.calls is not None:
        return None
    message = frame.choices[0].message
    if message is None or frame.choices[0].delta is not None:
        return None
    text = message.content
    if type(text) is not str or message.refusal or message.reasoning_details or message.thought():
        return None
    if message.annotations or message.images or message.extra_content:
        return None
    begun = text.lstrip()
    if not begun or begun[0] in FIRSTS or closes(text) is not None:
        return None
    stop = seen.stop or Stop.END
    matched = seen.matched if stop is Stop.STOP_SEQUENCE else None
    parts: list[AssistantPart] = [Text(text)]
    return Reply(
        frame.id or "", frame.model or "", parts, stop, matched, None, seen.usage, frame.service_tier, seen.stop_word,
    )  # fmt: skip
