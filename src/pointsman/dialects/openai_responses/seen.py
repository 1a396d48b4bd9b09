"""The one reading of a Responses answer: its frames in, facts out (grammar:
docs/protocols/streams.md#responses-streams).

The straight path, the translated one and a whole answer all come through see(). Not here: the parts of the
answer (reader.py, reply.py).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from ...conversation.events import SILENT_STOPS, Stop
from ...conversation.usage import TokenUsage, newer, ran, served
from ...wire.sse import data_of, name_of, unframed_error
from ..decoding import UNREADABLE, decode_object, read_whole
from ..openai_usage import common_sums, common_usage, neutral_usage
from ..seen import Seen
from ..vendor_errors import (
    bare_error,
    body_error,
    error_of,
    is_named_error,
    is_openai_object,
    names_error,
)
from ..whole_again import Alike
from .frames import (
    Frame,
    Item,
    Response,
    arguments_of,
    bare,
    decode,
    decode_whole,
    kind_of,
    objects,
    searches,
    shell_of,
    text_alone_of,
    thought_of,
    words_of,
)
from .told import OpenCall

CALLS = ("function_call", "custom_tool_call")
_FOR_A_FEE = ("file_search_call", "code_interpreter_call", "image_generation_call")
"""docs/protocols/usage.md#what-has-another-price"""
_ARGUMENTS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
CLOSING = {
    "response.output_text.done",
    "response.refusal.done",
    "response.content_part.done",
    "response.reasoning_text.done",
    "response.reasoning_summary_text.done",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.done",
}
"""Events that repeat all of what their deltas said, and may say more
(docs/protocols/streams.md#what-a-closing-event-adds)."""
_ENDS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
"""The event that ends an answer -> the status that it tells."""
_FAILED = ("failed", "cancelled")
_GOING_ON = ("queued", "in_progress")
_INCOMPLETE = {"max_output_tokens": Stop.MAX_TOKENS, "content_filter": Stop.REFUSAL}
_TEXT, _REFUSAL = "response.output_text.delta", "response.refusal.delta"
_ALONE = (_TEXT, _REFUSAL, "response.reasoning_text.delta", "response.reasoning_summary_text.delta")
"""Events of which the first, with words in it, has set all facts that those like it could."""


class ResponsesSeen(Seen):
    """See dialects.base.Seen.

    called: a client's tool was called. late: (place, item) of what stands in the last event and no event before it
    told. response: the response object of the end. searched: how often the backend searched the web, which is charged by the
    search; a page that it opens is not. runs: of its other tools that have a fee.
    """

    member = b'"output"'
    text_keys = (b'"delta"',)
    free_keys = (b'"sequence_number"', b'"obfuscation"')
    alike = Alike(
        b'"text"',
        (b'"created_at"', b'"completed_at"', b'"prompt_cache_key"', b'"safety_identifier"'),
        (
            b'"input_tokens"',
            b'"output_tokens"',
            b'"total_tokens"',
            b'"cached_tokens"',
            b'"reasoning_tokens"',
        ),
        often=(b'"id"',),  # of the answer, and of its item
    )
    __slots__ = (
        "_done",
        "_open_calls",
        "_raw",
        "_told_items",
        "called",
        "late",
        "response",
        "runs",
        "searched",
    )

    def __init__(self) -> None:
        self._nothing_yet()
        self.called = False
        self.late: list[tuple[int, Item]] = []
        self.response = Response()
        self.searched = self.runs = 0
        self._open_calls: dict[int, OpenCall] = {}  # by place
        self._done: set[int | str] = set()  # places and ids of the items that events told
        self._told_items: list[Item] = []  # those items, where the answer is remembered
        self._raw = b""  # what was read last, where it is

    def event(self, event: bytes) -> Frame | None:
        """See Seen. No frame also when the answer is over."""
        if self.finished or self.error is not None:
            if not self.finished and name_of(event) == b"response.failed":  # follows `error`
                self.finished = self.ended = True
            return None
        data = data_of(event) or unframed_error(event)
        if not data or data == b"[DONE]":
            return None
        if self.halves is not None:
            data = self.mend(data)
        try:
            frame: Frame | None = decode(data)
        except UNREADABLE:
            frame = self._odd(self.mend(data), event)
        if frame is not None:
            if frame.type[:9] != "response." and frame.type != "error":
                self._bare(frame, data, event)
            if self.keep is not None:
                self._raw = data
            self.see(frame)
        return frame

    def text_alone(self, frame: object) -> str:
        """See Seen. A piece of a call's arguments is never alone: whether they are closed depends on each."""
        if not isinstance(frame, Frame) or not self.output or self.finished:
            return ""
        if self.error is not None or self.halves is not None:
            return ""
        return frame.delta if frame.type in _ALONE and isinstance(frame.delta, str) else ""

    def whole_text(self, body: bytes) -> str:
        """See Seen."""
        response = self.take_whole(body)
        if response is None or response.status != "completed" or self.error is not None:
            return ""
        if self.malformed or len(self.late) != 1:
            return ""
        if not isinstance(response.usage, dict) or common_usage(response.usage) is None:
            return ""
        return text_alone_of(self.late[0][1])

    @staticmethod
    def counts_of(counts: list[int | None], told: TokenUsage) -> TokenUsage | None:
        """See Seen."""
        asked, made, total, cached, reasoning = counts
        if asked is None or made is None or total is None or told.cache_write:
            return None
        found = common_sums(asked, made, total, cached, reasoning)
        if found is None or told.cache_write is None:
            return found
        return msgspec.structs.replace(found, cache_write=0)

    def end(self) -> None:
        """See Seen. Codex does not act on `error`, only on `response.failed`, which the vendor sends after it."""
        self.concluded = self.concluded or (self.error is not None and not self.finished)

    def _bare(self, frame: Frame, data: bytes, event: bytes) -> None:
        """An error without its event around it, on which clients of this protocol do not act."""
        named = is_named_error(event)
        found = frame.error
        if not found and (named or not frame.type or names_error(frame.type)):
            found = bare_error(data, sure=named)
        if found:
            frame.type, frame.error, self.concluded = "error", found, True

    def whole(self, body: bytes) -> bool:
        """See Seen."""
        return self.take_whole(body) is not None

    def take_whole(self, body: bytes) -> Response | None:
        """A whole answer, seen as the last event of a stream that told nothing before it."""
        response = read_whole(decode_whole, bare, body)
        if response is None or not response.known:
            found = body_error(body)
            response = Response(error=found) if found is not None else response
        if response is None:
            return None
        if self.keep is not None:
            self._raw = body
        for frame in response.frames():
            self.see(frame)
        if response.status in _GOING_ON:  # whole as it is: a job in the background, which ends elsewhere
            self.output = self.finished = True
        return response

    def see(self, frame: Frame) -> None:
        """The facts of one frame."""
        kind = frame.type
        if kind == _TEXT:
            if not self.output:
                self.output = isinstance(frame.delta, str) and bool(frame.delta.strip())
        else:
            self._see_other(kind, frame)

    def _see_other(self, kind: str, frame: Frame) -> None:
        if kind.endswith(".delta"):
            self._delta(kind, frame)
        elif kind in CLOSING:
            self._repeated(kind, frame)
        elif kind == "response.output_item.added":
            self._added(frame.output_index, frame.item or {})
        elif kind == "response.output_item.done":
            self._told(frame.output_index, frame.item or {})
        elif kind in _ENDS:
            self._end(_ENDS[kind], frame.response or Response())
        elif kind == "error":
            told = {"message": frame.message, "code": frame.code, "param": frame.param}
            self._fail(frame.error or told)
        elif frame.response is not None:
            self._about(frame.response)
        elif not kind:
            self.malformed += 1

    def _odd(self, data: bytes, event: bytes) -> Frame | None:
        if data.strip() == b"[DONE]":
            return None
        with suppress(*UNREADABLE):  # its characters have been put together
            return decode(data)
        name = name_of(event)
        found = bare_error(data, sure=is_named_error(event)) if name[:9] != b"response." else None
        try:
            return decode(bare(decode_object(data)))
        except UNREADABLE:
            if found is None:
                self.malformed += 1
                return None
        self.concluded = True
        return Frame("error", error=found)

    def _delta(self, kind: str, frame: Frame) -> None:
        if kind in _ARGUMENTS:  # output by their call's beginning, which must have come
            call = self._open_calls.get(frame.output_index)
            if call is None:
                self.malformed += 1
            elif isinstance(frame.delta, str):
                call.add(frame.delta)
        elif frame.delta:  # reasoning, a refusal, or what a vendor's own tool does
            self.output = True
            self.refused = self.refused or kind == _REFUSAL

    def _repeated(self, kind: str, frame: Frame) -> None:
        call = self._open_calls.get(frame.output_index)
        if kind == "response.content_part.done":
            self._of_message(frame.whole_part())
        elif kind == "response.refusal.done":
            self._of_message({"type": "refusal", "refusal": frame.said})
        elif "reasoning" in kind:
            self.output = self.output or bool(frame.said)
        elif kind == "response.output_text.done":
            self._of_message({"text": frame.said})
        elif call is not None:
            call.whole(frame.said)

    def _of_message(self, part: dict[str, Any]) -> None:
        """Of a message, complete."""
        text, refusal = words_of(part)
        self.refused = self.refused or (refusal and bool(text))
        self.output = self.output or bool(text if refusal else text.strip())

    def _added(self, place: int, item: Item) -> None:
        kind = kind_of(item)
        if kind in CALLS:
            self.called = self.output = True
            self._open_calls[place] = OpenCall(self.call_begun(), kind != CALLS[0])

    def _told(self, place: int, item: Item) -> None:
        """An item that is complete."""
        self._done.add(place)
        name = item.get("id")
        if isinstance(name, str):
            self._done.add(name)
        if self.keep is not None:
            self._told_items.append(item)
        self._item(item, self._open_calls.pop(place, None))

    def _item(self, item: Item, call: OpenCall | None) -> None:
        """call: what came of it before, where it is one."""
        match kind_of(item):
            case "message":
                for part in objects(item, "content"):
                    self._of_message(part)
            case "reasoning":
                self.output = self.output or bool(thought_of(item) or item.get("encrypted_content"))
            case "":
                self.malformed += 1
            case kind:  # a call, a vendor's own
                self.output = True
                self.called = self.called or kind in CALLS
                if kind == "web_search_call" and searches(item):
                    self.searched += 1
                self.runs += kind in _FOR_A_FEE
                if kind == "function_call":
                    if call is None:
                        call = OpenCall(self.call_begun(), False)
                    call.whole(arguments_of(item))

    def _about(self, response: Response) -> None:
        self.answer_id = self.answer_id or response.id
        if response.usage is not None:
            self.usage = newer(self.usage, neutral_usage(response.usage))

    def _charged(self, response: Response) -> None:
        """What is charged beside the tokens."""
        self.usage = served(self.usage, response.service_tier)
        if self.searched and self.usage is not None:
            self.usage = msgspec.structs.replace(self.usage, web_searches=self.searched)
        self.usage = ran(self.usage, self.runs)

    def _end(self, status: str, response: Response) -> None:
        self.response = response
        self._about(response)
        self._late(response.output or [])
        self._charged(response)
        self.finished = self.ended = True
        if response.status is not None and response.status in _ENDS.values():
            status = response.status
        if status in _FAILED or response.error:
            self._fail(response.error or {"message": f"The response's status is {status}."})
        if self.error is not None or self.call_cut():
            return
        if self.keep is not None and self.answer_id is not None:
            self.keep(self.answer_id, self._items_of(response), shell_of(self._raw))
        if status == "incomplete":
            reason = response.reason or status
            self.stop = _INCOMPLETE.get(reason) or self.other_stop(reason) or Stop.MAX_TOKENS
            if self.stop in SILENT_STOPS:  # whatever it says, it is not whole
                self.stop, self.stop_word = Stop.MAX_TOKENS, reason
        elif self.refused:
            self.stop = Stop.REFUSAL
        else:
            self.stop = Stop.TOOL_USE if self.called else Stop.END
        self.refused = self.refused or self.stop is Stop.REFUSAL
        self.output = self.output or self.stop not in SILENT_STOPS  # a limit, a filter says why

    def _items_of(self, response: Response) -> list[tuple[str, bytes]]:
        """All of the answer as the memory takes it: as the end tells it, else as the events before did."""
        late, found = dict(self.late), []
        for place, raw in enumerate(response.output or []):
            item = late.get(place)
            with suppress(*UNREADABLE):  # then it is none, and counts in `malformed`
                item = decode_object(raw) if item is None else item
            if item is not None:
                found.append((str(item.get("id") or ""), bytes(raw)))
        return found or [(str(item.get("id") or ""), msgspec.json.encode(item)) for item in self._told_items]

    def _late(self, output: list[msgspec.Raw]) -> None:
        """Items that the events before did not tell: compatible servers leave some out, a whole answer all."""
        for place, raw in enumerate(output):
            if place in self._done:
                continue
            try:
                item = decode_object(raw)
            except UNREADABLE:
                self.malformed += 1
                continue
            if item.get("id") not in self._done:
                self.late.append((place, item))
                self._item(item, self._open_calls.pop(place, None))

    def _fail(self, error: Any) -> None:
        self.error = error_of(error)
        self.concluded = self.concluded or not is_openai_object(error)
