"""An answer's placeholders as what they stand for, whole or in a stream, wherever that is cut.

An event whose text ends with what may be the beginning of a placeholder is held, and those behind it, until more of that
text has come: never longer than the text of one placeholder takes. Then the credential stands in the event that completes
it, and the others keep what they had besides; no event is lost, added or moved. In arguments of calls, which are JSON in a
string, it is escaped once more. Pure. Not here: what an event means otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ..wire.surrogates import decode
from .placeholders import BEGINS, LENGTH

_WORD = re.compile(BEGINS + "[a-z2-7]{16}")
_PLACES = ("index", "output_index", "content_index", "summary_index", "item_id")
_ONGOING = frozenset(("text", "content", "thinking", "response"))
"""Where protocols without a `delta` have text that goes on."""
_JSON = frozenset(("arguments", "partial_json"))
_OVER = ("_stop", ".done", ".completed", ".failed", ".incomplete", "message_delta")
_MOST_HELD = 512
"""Events that are held for one that goes on somewhere else; then they go as they are."""
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_DATA = re.compile(rb"(?:^|[\r\n])data:[ ]?(\{[^\r\n]*)")
_FIRST = BEGINS[:1].encode()
_LINE = re.compile(rb"\s*(\{.*\})\s*", re.DOTALL).fullmatch

Place = tuple[Any, ...]


class _Text(NamedTuple):
    """One text of an event: where it stands in it, and which text of the stream it goes on with, None where with none."""

    inside: Any
    key: Any
    place: Place | None
    is_json: bool


class _Held:
    """An event that waits. value: its JSON; at: where that stands in `raw`."""

    __slots__ = ("changed", "end", "raw", "start", "value")

    def __init__(self, raw: bytes, start: int, end: int, value: Any) -> None:
        self.raw, self.start, self.end, self.value = raw, start, end, value
        self.changed = False

    def told(self) -> bytes:
        if not self.changed:
            return self.raw
        return self.raw[: self.start] + msgspec.json.encode(self.value) + self.raw[self.end :]


class _Waiting(NamedTuple):
    """A text that may go on as a placeholder. parts: the events that have a piece of it, and how long that is; begun: it."""

    parts: list[tuple[_Held, _Text, int]]
    begun: str

    def move(self) -> None:
        """It is one, and the event that ends it has it."""
        for event, one, size in self.parts:
            kept: str = one.inside[one.key]
            one.inside[one.key], event.changed = kept[: len(kept) - size], True


class PuttingBack:
    """Of one answer. known: placeholder -> credential. lines: its stream has a JSON object a line, and no events."""

    def __init__(self, known: Mapping[str, str], *, lines: bool = False) -> None:
        self._known = known
        self._lines = lines
        self._rest = b""
        self._held: list[_Held] = []
        self._open: dict[Place, _Waiting] = {}

    # -- whole

    def body(self, body: bytes) -> bytes:
        """A whole answer in JSON; the same bytes where nothing of it is put back."""
        if BEGINS.encode() not in body:
            return body
        try:
            value = decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return body
        changed = False
        for one in _texts(value):
            text = one.inside[one.key]
            back = self._back(text, one.is_json)
            if back != text:
                one.inside[one.key], changed = back, True
        return msgspec.json.encode(value) if changed else body

    def stream(self, stream: bytes) -> bytes:
        """All of a stream at once."""
        return self.feed(stream) + self.finish()

    # -- in pieces

    def feed(self, data: bytes) -> bytes:
        """More of the stream: what of it the client gets now, whole events only."""
        looked = max(0, len(self._rest) - 3)  # an end may be cut, too
        data = self._rest + data if self._rest else data
        out: list[bytes] = []
        at = 0
        while (end := self._end_of(data, looked)) > 0:
            self._take(data[at:end], out)
            at = looked = end
        self._rest = data[at:]
        return b"".join(out)

    def finish(self) -> bytes:
        """The stream is over, or fails here: what is left of it."""
        out: list[bytes] = []
        rest, self._rest = self._rest, b""
        if rest:
            self._take(rest, out)
        self._let_go(out)
        return b"".join(out)

    def _end_of(self, data: bytes, at: int) -> int:
        if self._lines:
            return data.find(b"\n", at) + 1 or -1
        found = _EVENT_END.search(data, at)
        return -1 if found is None else found.end()

    def _take(self, raw: bytes, out: list[bytes]) -> None:
        if not self._open and _FIRST not in raw and b"\\u00" not in raw:  # the commonest: nothing begins here
            self._tell(_Held(raw, 0, 0, None), out)
            return
        event = self._read(raw)
        if event is None:
            if raw.lstrip().startswith(b"data:"):  # [DONE], and what is no JSON
                self._let_go(out)
            self._tell(_Held(raw, 0, 0, None), out)
            return
        texts = [one for one in _texts(event.value) if isinstance(one.inside[one.key], str)]
        over = _is_over(event.value)
        for one in texts:
            self._more(event, one, over=over)
        if over:
            self._open.clear()
        self._tell(event, out)

    def _read(self, raw: bytes) -> _Held | None:
        found = _LINE(raw) if self._lines else _DATA.search(raw)
        if found is None:
            return None
        text = found[1].rstrip()
        try:
            value = decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        return (
            _Held(raw, found.start(1), found.start(1) + len(text), value) if isinstance(value, dict) else None
        )

    def _more(self, event: _Held, one: _Text, *, over: bool) -> None:
        text: str = one.inside[one.key]
        waiting = self._open.pop(one.place, None) if one.place is not None and text else None
        whole = text
        if waiting is not None and _may_go_on(waiting.begun + text):
            whole = waiting.begun + text
            if len(whole) < LENGTH:
                if not over and one.place is not None:
                    self._open[one.place] = _Waiting([*waiting.parts, (event, one, len(text))], whole)
                return
            if whole[:LENGTH] in self._known:
                waiting.move()
            else:
                whole = text
        back = self._back(whole, one.is_json)
        if back != text:
            one.inside[one.key], event.changed = back, True
        if one.place is not None and not over and (size := _begun(back)):
            self._open[one.place] = _Waiting([(event, one, size)], back[len(back) - size :])

    def _tell(self, event: _Held, out: list[bytes]) -> None:
        if self._held or self._open:
            self._held.append(event)
            if len(self._held) > _MOST_HELD:
                self._open.clear()
            if self._open:
                self._let_go_before(out)
                return
            self._let_go(out)
        else:
            out.append(event.told())

    def _let_go_before(self, out: list[bytes]) -> None:
        """What stands before the first event that waits."""
        waiting = {id(event) for one in self._open.values() for event, _, _ in one.parts}
        while id(self._held[0]) not in waiting:
            out.append(self._held.pop(0).told())

    def _let_go(self, out: list[bytes]) -> None:
        self._open.clear()
        out += [one.told() for one in self._held]
        self._held.clear()

    def _back(self, text: str, is_json: bool) -> str:
        if BEGINS not in text:
            return text

        def credential(found: re.Match[str]) -> str:
            known = self._known.get(found[0])
            if known is None:
                return found[0]
            return msgspec.json.encode(known)[1:-1].decode() if is_json else known

        return _WORD.sub(credential, text)


def _begun(text: str) -> int:
    """How many characters at its end may be the beginning of a placeholder."""
    for at in range(max(0, len(text) - LENGTH + 1), len(text)):
        if text[at] == BEGINS[0] and _may_go_on(text[at:]):
            return len(text) - at
    return 0


def _may_go_on(text: str) -> bool:
    """Is this, or its beginning, the beginning of a placeholder?"""
    size = len(BEGINS)
    if len(text) <= size:
        return BEGINS.startswith(text)
    return text.startswith(BEGINS) and re.fullmatch("[a-z2-7]*", text[size:LENGTH]) is not None


def _is_over(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    if isinstance(kind, str) and kind.endswith(_OVER):
        return True
    if value.get("done") is True:
        return True
    choices = value.get("choices")
    return isinstance(choices, list) and any(
        isinstance(one, dict) and one.get("finish_reason") for one in choices
    )


def _texts(value: Any) -> list[_Text]:
    found: list[_Text] = []
    kind = str(value.get("type", "")) if isinstance(value, dict) else ""
    place = tuple(value[name] for name in _PLACES if name in value) if isinstance(value, dict) else ()
    _walk(value, (kind, *place), "arguments" in kind, found)
    return found


def _walk(value: Any, place: Place, is_json: bool, found: list[_Text]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in items:
        if isinstance(one, str):
            ongoing = "delta" in place or key == "delta" or key in _ONGOING
            json = key in _JSON or (is_json and key == "delta")
            found.append(_Text(value, key, (*place, key) if ongoing else None, json))
        elif isinstance(one, dict | list) and one:
            name = key
            if isinstance(key, int) and isinstance(one, dict) and isinstance(one.get("index"), int):
                name = one["index"]
            _walk(one, (*place, name), is_json, found)
