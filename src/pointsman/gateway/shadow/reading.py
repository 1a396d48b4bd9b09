"""What a client was told, read again: one answer in neutral form, out of the bytes of its own protocol. Not here: a
backend's answers on their way (gateway/attempt)."""

from __future__ import annotations

from ...conversation.profile import Profile
from ...conversation.reply import Fold, Reply
from ...dialects.base import Reader
from ...dialects.paths import Route
from ...errors import PointsmanError
from ...wire.sse import EventSplitter
from ..client.recorder import Recorder

_EVENTS = b"content-type: text/event-stream"


def told_reply(recorder: Recorder, where: Route) -> Reply | None:
    """None where its client got no answer from its beginning to its end, or one that is too large to be told again."""
    told = recorder.told()
    translation = where.dialect.translation
    if told is None or translation is None:
        return None
    lines, body = told
    reader = translation.reader(Profile())
    try:
        return _streamed(reader, body) if _EVENTS in lines.lower() else reader.reply(body)
    except (ValueError, PointsmanError):
        return None


def _streamed(reader: Reader, body: bytes) -> Reply | None:
    folding, splitter = Fold(), EventSplitter()
    events = splitter.feed(body)
    rest = splitter.finish()
    for event in (*events, rest) if rest else events:
        for one in reader.read(event):
            folding.add(one)
    for one in reader.finish():
        folding.add(one)
    return folding.reply if folding.ended else None
