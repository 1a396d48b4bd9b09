"""The one reading of a Chat answer (grammar: docs/protocols/streams.md#chat-streams): which facts a
chunk, or a whole body, sets.

Not here: the neutral events that are told of it (reader.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...conversation.events import SILENT_STOPS, Stop
from ...conversation.usage import TokenUsage, newer, served
from ...wire.sse import data_of
from ...wire.surrogates import mended
from ..decoding import UNREADABLE
from ..openai_usage import common_sums, common_usage, neutral_usage
from ..seen import Seen
from ..stop_words import NO_REASONS
from ..think import FIRSTS, ThinkSplitter
from ..vendor_errors import (
    bare_error,
    body_error,
    error_of,
    event_error,
    is_named_error,
    is_openai_object,
)
from ..whole_again import Alike
from .calls import Calls
from .frames import Choice, Chunk, Delta, decode, decode_odd, pieces, unknown_output

END, MAX_TOKENS, TOOL_USE, REFUSAL = Stop.END, Stop.MAX_TOKENS, Stop.TOOL_USE, Stop.REFUSAL
STOPS = {
    "": END,
    "stop": END,
    "length": MAX_TOKENS,
    "tool_calls": TOOL_USE,
    "function_call": TOOL_USE,
    "content_filter": REFUSAL,
}

MAX_WORDS = 2000
_FAILURE = re.compile(b"error|exception|fail|bad gateway|unavailable|overload|timed? ?out", re.IGNORECASE)


def _begins_a_word(content: str) -> bool:
    """No white space, and nothing that could be a tag."""
    first = content[0]
    return first not in FIRSTS and not first.isspace()


class _Other:
    """What is known of a choice that is not the answer."""

    __slots__ = ("calls", "finished")

    def __init__(self) -> None:
        self.calls = Calls()
        self.finished = False


class ChatSeen(Seen):
    """See dialects.base.Seen. calls: the answer's, None before the first. matched: the stop sequence that ended the
    answer, where the server tells it. unknown: the first output, where it was of a kind that only its vendor knows.
    unread: the first event that was no JSON and speaks of a failure."""

    text_keys = (b'"content"', b'"reasoning_content"', b'"reasoning"')
    free_keys = (b'"created"', b'"system_fingerprint"', b'"obfuscation"')
    alike = Alike(
        b'"content"',
        (b'"id"', b'"created"', b'"system_fingerprint"'),
        (
            b'"prompt_tokens"',
            b'"completion_tokens"',
            b'"total_tokens"',
            b'"cached_tokens"',
            b'"reasoning_tokens"',
        ),
    )
    __slots__ = (
        "_begun", "_called", "_data", "_finish", "_in_delta", "_index", "_others", "_said_no", "calls", "matched",
        "unknown", "unread",
    )  # fmt: skip

    def __init__(self) -> None:
        self._nothing_yet()
        self._begun: ThinkSplitter | None = None  # of the text, until the first output
        self._called = False
        self._data = b""  # of the frame that is being seen
        self._finish = ""
        self._in_delta = False  # is the answer told there?
        self._index = -1  # of the choice that is the answer: the first that comes
        self._others: dict[int, _Other] | None = None  # by their index
        self._said_no = False
        self.calls: Calls | None = None
        self.matched: str | None = None
        self.unknown: dict[str, Any] | None = None
        self.unread = ""

    def event(self, event: bytes) -> Chunk | None:
        """See Seen."""
        data = data_of(event)
        if self.halves is not None:
            data = self.mend(data)
        self._data = data
        try:
            frame: Chunk | None = decode(data)
        except UNREADABLE:
            frame = self._odd(data, event) if data else self._unframed(event)
        if frame is not None:
            if not frame.choices and (frame.choices is None or frame.usage is None):
                self._may_be_error(frame, data, event)
            self.see(frame)
        return frame

    def whole(self, body: bytes) -> bool:
        """See Seen. Its `message` is one big delta."""
        return self.whole_frame(body) is not None

    def whole_frame(self, body: bytes) -> Chunk | None:
        """A whole answer, decoded and seen."""
        self._data = body
        try:
            frame: Chunk | None = decode(body)
        except UNREADABLE:
            self._data = body = mended(body)
            frame = self._odd(body)
        if frame is None:
            found = body_error(body)
            if found is None:
                return None
            frame = Chunk(error=found)
        if not frame.choices:
            self._may_be_error(frame, body)
        else:
            for choice in frame.choices:
                if choice.message is not None and choice.message.tool_calls:
                    for place, call in enumerate(choice.message.tool_calls):
                        call.index = place  # each is a call of its own, whatever its id
        self.see(frame)
        if frame.choices is None and self.error is None:
            self.malformed += 1
            return None
        self._closed()
        self.end()
        return frame

    def text_alone(self, frame: object) -> str:
        """See Seen."""
        if (
            not isinstance(frame, Chunk)
            or not self.output
            or self.halves is not None
            or self.error is not None
        ):
            return ""
        told = frame.error or frame.usage is not None or frame.x_groq is not None
        if told or not frame.choices or len(frame.choices) > 1:
            return ""
        (choice,) = frame.choices
        delta = choice.delta
        if delta is None or choice.finish_reason or choice.error or choice.usage is not None:
            return ""
        if delta.refusal or delta.tool_calls or delta.function_call is not None:
            return ""
        if (choice.index or 0) != self._index or isinstance(delta.content, list):
            return ""
        return delta.content or delta.thought()

    def whole_text(self, body: bytes) -> str:
        """See Seen. Reports of usage are put together (newer()), so that one alone is read by its counts."""
        frame = self.whole_frame(body)
        if frame is None or not frame.choices or len(frame.choices) > 1 or self.halves is not None:
            return ""
        (choice,) = frame.choices
        if self.error is not None or choice.message is None or choice.usage is not None:
            return ""
        counted = isinstance(frame.usage, dict) and common_usage(frame.usage) is not None
        content = choice.message.content
        return content if counted and isinstance(content, str) else ""

    @staticmethod
    def counts_of(counts: list[int | None], told: TokenUsage) -> TokenUsage | None:
        """See Seen."""
        prompt, made, total, cached, reasoning = counts
        if prompt is None or made is None or total is None:
            return None
        return common_sums(prompt, made, total, cached, reasoning)

    def _may_be_error(self, frame: Chunk, data: bytes, event: bytes = b"") -> None:
        """A frame without choices. An error in a form that its clients overlook is not told by its bytes."""
        if not frame.error or frame.error is True:
            frame.error = bare_error(data, sure=is_named_error(event))
            self.concluded = self.concluded or frame.error is not None

    def _unframed(self, event: bytes) -> Chunk | None:
        """An event without data."""
        found = event_error(event)
        self.concluded = self.concluded or found is not None
        return Chunk(error=found) if found is not None else None

    def _odd(self, data: bytes, event: bytes = b"") -> Chunk | None:
        if data.strip(b' \t"').upper() == b"[DONE]":
            self._end_told()
            return None
        self._data = data = self.mend(data)
        frame = decode_odd(data)
        if frame is None:
            error = bare_error(data, sure=is_named_error(event))
            if error is not None:
                self.concluded = True
                return Chunk(error=error)
            self.malformed += 1
            if _FAILURE.search(data):
                self.unread = self.unread or data[:MAX_WORDS].decode("utf-8", "replace").strip()
        return frame

    def see(self, frame: Chunk) -> None:
        """One frame: the only place where facts begin."""
        if frame.error or self.error is not None:
            self._fail(frame.error)
            if frame.usage is not None:  # what a failed answer cost
                self._count(frame.usage)
            return
        if self.answer_id is None:
            self.answer_id = frame.id
        if frame.choices:
            for choice in frame.choices:
                other = None
                index = choice.index or 0
                if self._index < 0:
                    self._index = index
                elif index != self._index:
                    other = self._other(choice)
                delta = choice.delta
                if delta is not None:
                    if not self._in_delta and (delta.content or delta.tool_calls):
                        self._in_delta = True
                elif self._in_delta and self.output:
                    choice.message = None  # all of it again, at its end
                else:
                    delta = choice.message
                if delta is not None and (
                    not self.output or delta.refusal or delta.tool_calls or delta.function_call is not None
                ):
                    self._delta(delta, other)
                if choice.error and self.error is None:
                    self._fail(choice.error, overlooked=True)
                    return
                reason = choice.finish_reason
                if reason and (reason in STOPS or reason.strip().lower() not in NO_REASONS):
                    if other is not None:
                        other.finished = True
                    elif not self._finish:
                        self._finished(reason, choice.stop_reason)
                if choice.usage is not None:
                    self._count(choice.usage)
            if self._others is not None:
                self.finished = self._all_said_why
        if frame.usage is not None:
            self._count(frame.usage)
            if frame.service_tier is not None and frame.service_tier != "default":
                self.usage = served(self.usage, frame.service_tier)
        elif frame.x_groq is not None:
            self._count(frame.x_groq.get("usage") if isinstance(frame.x_groq, dict) else None)

    def _fail(self, error: Any, *, overlooked: bool = False) -> None:
        """The first counts. overlooked: where it stands, its clients do not look."""
        if self.error is None:
            self.error = error_of(error)
            self.concluded = self.concluded or overlooked or not is_openai_object(error)

    def _count(self, usage: Any) -> None:
        told = neutral_usage(usage)
        self.usage = told if self.usage is None else newer(self.usage, told)

    def answers(self, choice: Choice) -> bool:
        """Is this choice the answer? Of several the first; the others count as output, and must be whole."""
        if self._index < 0:
            self._index = choice.index or 0
        return (choice.index or 0) == self._index

    def _other(self, choice: Choice) -> _Other:
        if self._others is None:
            self._others = {}
        return self._others.setdefault(choice.index or 0, _Other())

    @property
    def _all_said_why(self) -> bool:
        """Has every choice that began said why it stopped?"""
        return bool(self._finish) and all(other.finished for other in (self._others or {}).values())

    def end(self) -> None:
        """See Seen: what looked like the beginning of a `<think>` was text."""
        if not self.output and self._begun is not None and self.error is None:
            self._said(self._begun.finish())
        if self.unread:
            self._unread_failure()
        if self.arguments and self.finished:
            self.call_cut()

    def _delta(self, delta: Delta, other: _Other | None) -> None:
        if not self.output:
            self._first_output(delta)
        if delta.refusal:
            self.output = True
            self._said_no = self._said_no or other is None
        if delta.tool_calls or delta.function_call is not None:
            self._calls_of(delta, other)
        if not self.output:
            self.unknown = None if delta.images else unknown_output(self._data)
            self.output = bool(delta.images or self.unknown)
        if other is None:
            if self._said_no:
                self.refused = True
            if self._finish:  # told before the rest of the answer
                self.stop = self._class()

    def _calls_of(self, delta: Delta, other: _Other | None) -> None:
        if other is None and self.calls is None:
            self.calls = Calls()
        calls = self.calls if other is None else other.calls
        assert calls is not None
        for call in delta.calls():
            name, text = call.said()
            if name or text:
                self.output = True
                self._called = self._called or other is None
            tool = calls.known(call, name, text, self._data) or calls.begin(self.call_begun())
            calls.add(tool, call, name, text, self._data)

    def _first_output(self, delta: Delta) -> None:
        content = delta.content
        if content and isinstance(content, str) and self._begun is None and _begins_a_word(content):
            self.output = True  # the commonest
        elif delta.thought() or (delta.reasoning_details and delta.details()):
            self.output = True
        elif isinstance(content, str):
            if content:
                self._begun = self._begun or ThinkSplitter()
                self._said(self._begun.feed(content))
        elif content is not None:
            self._said(pieces(content))

    def _said(self, found: Iterable[tuple[bool, str]]) -> None:
        """White space alone says nothing; any reasoning does."""
        self.output = self.output or any(text if thinking else text.strip() for thinking, text in found)

    def _finished(self, reason: str, matched: Any) -> None:
        self.finished = True
        self._finish = reason
        if matched and isinstance(matched, str):  # vLLM tells which
            self.matched = matched
        stop = self.stop = self._class()
        if not self.output:
            self.output = stop not in SILENT_STOPS  # e.g. a small limit spent on thinking
        if stop is REFUSAL:
            self.refused = True

    def _end_told(self) -> None:
        """The last word of a stream. What could not be read may stand where the reason belongs."""
        self.ended = True
        self._unread_failure()
        if self._all_said_why or not self.end_unexplained():
            self._closed()

    def _unread_failure(self) -> None:
        if self.unread and not self._finish:
            text = self.unread if not self.unread.startswith("<") else "The backend failed."
            self._fail(text, overlooked=True)

    def _closed(self) -> None:
        """An end, whether or not a reason was given: after the last word, and of a whole body, which cannot be cut."""
        if self.error is None and not (self.arguments and self.call_cut()):
            self.finished = True
            if self.stop is None:
                self.stop = self._class()

    def _class(self) -> Stop:
        """Why it stopped; several servers say `stop` though they call tools
        (docs/protocols/stop-reasons.md#stop-although-tools-were-called)."""
        stop = STOPS.get(self._finish)
        if stop is None:
            stop = self.other_stop(self._finish) or END
        if self._said_no and stop is not MAX_TOKENS:
            return REFUSAL
        if stop is END:
            if self._called:
                return TOOL_USE
            if self.matched is not None:
                return Stop.STOP_SEQUENCE
        return stop
