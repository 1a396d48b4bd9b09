"""OpenAI's paths for sound, pictures, moderation and ranking: which there are, and the one reading of their answers
(docs/protocols/media.md). They are passed on by `model` and never translated.

Not here: how a form is read (wire/multipart.py), and where such a request goes (gateway/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..conversation.usage import TokenUsage, newer
from ..wire.sse import data_of, unframed_error
from .base import Seen
from .decoding import UNREADABLE
from .openai_usage import neutral_usage
from .vendor_errors import bare_error, body_error, error_inside


class _Choice(msgspec.Struct):
    finish_reason: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    error: Any = None
    usage: Any = None
    choices: list[_Choice] | None = None


_event = msgspec.json.Decoder(_Event).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_any = msgspec.json.Decoder().decode
_LAST = (".done", ".completed")
"""How the types of the events end that end a stream: `transcript.text.done`, `speech.audio.done`,
`image_generation.completed`, `image_edit.completed` [OpenAI SDK, types/audio, types/image_*_event.py]."""
_SAID = "text"
"""The member of what was heard: of silence there is nothing to say, while a sound or a picture of no bytes is none."""
_JSON = ("application/json", "text/html", "application/xml", "text/xml", "")
"""Labels of what is judged as JSON: a page where an answer should be is none."""


class MediaSeen(Seen):
    """See dialects.base.Seen. Of a stream: an answer whose events have a type ends by one of a last type; one in pieces of a
    chat (vLLM) by a reason and `[DONE]`; of anything else nobody knows its end but its framing.

    wanted: the member of a whole JSON answer, "" for none. opaque: by its label it is no JSON, and nothing in it can be
    judged (sound, subtitles, text)."""

    __slots__ = ("_known", "_opaque", "_reasons", "_wanted")

    def __init__(self, wanted: str, *, opaque: bool = False) -> None:
        super().__init__()
        self._wanted = wanted
        self._opaque = opaque
        self._known = False  # by what its stream ends
        self._reasons = False  # did the last choice say why it ends?

    def event(self, event: bytes) -> None:
        """See Seen."""
        data = data_of(event) or unframed_error(event)
        if data == b"[DONE]":
            self.ended = True
            self.finished = self.finished or self._reasons or not self._known or not self.reason_due
            if not self.finished:
                self.end_unexplained()
            return
        if not data or self.error is not None:
            return
        try:
            frame = _event(data)
        except UNREADABLE:
            found = bare_error(data)
            frame = _Event(error=found)
            if found is None:
                self._words(data)
                return
        self.see(frame, data)

    def _words(self, data: bytes) -> None:
        """Data that is no JSON: words, as some servers stream them, but for half an object."""
        if data.lstrip()[:1] in (b"{", b"["):
            self.malformed += 1
        else:
            self.output = True

    def see(self, frame: _Event, data: bytes) -> None:
        """The facts of one event."""
        if frame.error or frame.type == "error":
            self.error = error_inside(data)
            return
        self.usage = newer(self.usage, neutral_usage(frame.usage))
        if isinstance(frame.type, str):
            self._known = self.output = True
            self.finished = self.finished or frame.type.endswith(_LAST)
        elif frame.choices is not None:
            self._known = self.output = True
            self._reasons = any(one.finish_reason is not None for one in frame.choices)
        else:
            self.output = True

    def end(self) -> None:
        """See Seen."""
        if self.output and not (self._known and self.reason_due) and self.error is None:
            self.finished = True
        self.ended = self.ended or self.finished  # no word of another protocol follows

    def whole(self, body: bytes) -> bool:
        """See Seen. A list is an answer, too (rerank of Text Embeddings Inference), and a text in quotes."""
        if self._opaque:
            self.output = bool(body) or self._wanted == _SAID
            self.finished = True
            return True
        try:
            value = _object(body)
        except UNREADABLE:
            return self._bare(body)
        failed = bytes(value.get("error", b"null"))
        if failed not in (b"null", b'""', b"{}", b"false"):
            self.error = error_inside(body)
            return True
        if self._wanted not in value if self._wanted else not value or body_error(body) is not None:
            return self._bare(body)
        if "usage" in value:
            self.usage = neutral_usage(_any(value["usage"]))
        self.output = self.finished = True
        return True

    def _bare(self, body: bytes) -> bool:
        found = body_error(body)
        if found is not None:
            self.error = error_inside(msgspec.json.encode({"error": found}))
            self.concluded = True
            return True
        self.output = self.finished = body.lstrip()[:1] in (b"[", b'"') and _is_json(body)
        return self.finished


def _is_json(body: bytes) -> bool:
    try:
        _any(body)
    except UNREADABLE:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Media:
    """One of these paths. wanted: see MediaSeen. form: its requests may come as multipart/form-data."""

    wanted: str = ""
    form: bool = False

    @property
    def member(self) -> bytes:
        """What stands in every whole JSON answer."""
        return f'"{self.wanted}"'.encode() if self.wanted else b""

    def opaque(self, label: str) -> bool:
        """Is an answer of this Content-Type nothing that could be judged?"""
        kind = label.partition(";")[0].strip().lower()
        return kind not in _JSON and not kind.endswith("+json")

    def seen(self, label: str) -> MediaSeen:
        """For one answer of this Content-Type."""
        return MediaSeen(self.wanted, opaque=self.opaque(label))


MEDIA: Mapping[str, Media] = {
    "/v1/audio/transcriptions": Media(_SAID, form=True),
    "/v1/audio/translations": Media(_SAID, form=True),
    "/v1/audio/speech": Media(),
    "/v1/images/generations": Media("data"),
    "/v1/images/edits": Media("data", form=True),
    "/v1/images/variations": Media("data", form=True),
    "/v1/moderations": Media("results"),
    "/v1/rerank": Media("results"),
}


def usage_at_end(tail: bytes) -> TokenUsage | None:
    """Of a large JSON answer that passed as it came: the usage in its last bytes, where it stands behind the pictures."""
    at = tail.rfind(b'"usage"')
    end = tail.rfind(b"}")
    if at < 0 or end < 0:
        return None
    try:
        return neutral_usage(_any(b"{" + tail[at : end + 1])["usage"])
    except UNREADABLE:
        return None
