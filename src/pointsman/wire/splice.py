"""A JSON body looked at and changed by position, never re-encoded: what is not touched keeps its very bytes.

Not here: the meaning of any field but the top-level `model` and `stream`, which every protocol has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .depth import depth_exceeds
from .scan import body_look
from .surrogates import mended

UNSEEN = -1
"""Marks of a body that was not looked at: all of them may be true."""
MAX_DEPTH = 128
MAX_MODEL = 1024
"""Characters of a model name; local servers use file paths. Longer ones would cost in every pattern they are tried on."""
MAX_KEYS = 10_000
"""Top-level keys that are walked where a second `model` is possible; each costs microseconds of everybody's time."""


class Peek(msgspec.Struct, frozen=True):
    """What routing needs of a body, and what spares later steps a look of their own. start, end: where the model's value
    stands; -1 where that is not known. marks: of the words that peek() was given, and NULLS (scan.body_look()); UNSEEN
    where nothing of that is known."""

    model: str
    stream: bool | None
    start: int = -1
    end: int = -1
    marks: int = UNSEEN


class _Named(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None


_named = msgspec.json.Decoder(_Named).decode
_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_any = msgspec.json.Decoder().decode
_SPACE = b" \t\r\n"
# Possessive (`*+`): a plain `*` would remember every step, which is gigabytes for a long string.
_key_at = re.compile(rb'[ \t\r\n]*+("(?:[^"\\]++|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+').match
_comma_at = re.compile(rb"[ \t\r\n]*+[,}]").match
_scalar_at = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^\[{"][^,}\] \t\r\n]*+').match
_null_at = re.compile(rb":[ \t\r\n]*+null").search
_tokens = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]').finditer


def _bad(message: str, param: str | None = None) -> PointsmanError:
    return PointsmanError(ErrorKind.BAD_REQUEST, message, param=param)


def peek(body: bytes, words: tuple[bytes, ...] = ()) -> Peek:
    """Model and stream flag of a request body, and which of the `words` it has.

    Raises PointsmanError (400): not JSON, no model, deeper than MAX_DEPTH, or the top-level `model` written twice
    (an upstream that takes the first would not be the one this gateway authorised).
    """
    seen = body_look(body, MAX_DEPTH, MAX_MODEL, words)
    return Peek(*seen) if seen is not None else peek_carefully(body)


def peek_carefully(body: bytes) -> Peek:
    """The same of any body, where body_look() has found something unusual."""
    try:
        found = _named(body)
    except msgspec.ValidationError:
        raise _wrong_shape(body) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        sound = mended(body)  # its text is the backend's to judge
        if sound is not body:
            return peek_carefully(sound)
        raise _bad(f"The body is not valid JSON: {_position(error)}.") from None
    except RecursionError:
        raise _too_deep() from None
    if not found.model:
        raise _bad('The body has no \'model\'; name the model to use, e.g. "model": "practice".', "model")
    if len(found.model) > MAX_MODEL:
        raise _bad(f"The model name is longer than {MAX_MODEL} characters.", "model")
    if depth_exceeds(body, MAX_DEPTH):
        raise _too_deep()
    if _may_repeat_model(body) and len(find_values(body, "model")) > 1:
        raise _bad("The body has the key 'model' twice at its top level; send it once.", "model")
    return Peek(found.model, found.stream)


def speaks_of_a_model(body: bytes) -> bool:
    """Does a body that peek() refuses try to name a model all the same?"""
    try:
        return "model" in _top_level(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.lstrip(_SPACE).startswith(b"{") and b'"model"' in body


def _may_repeat_model(body: bytes) -> bool:
    """False where it is spelled once and nothing is escaped; True where the keys must be walked to be sure."""
    return body.count(b'"model"') != 1 or b"\\u" in body


def _too_deep() -> PointsmanError:
    return _bad(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _position(error: Exception) -> str:
    text = str(error)
    return text.removeprefix("JSON is malformed: ") if text.isprintable() else "malformed"


def _wrong_shape(body: bytes) -> PointsmanError:
    try:
        value = _any(mended(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _bad(f"The body is not valid JSON: {_position(error)}.")
    except RecursionError:
        return _too_deep()
    if not isinstance(value, dict):
        return _bad("The body must be a JSON object.")
    if not isinstance(value.get("model", ""), str):
        return _bad("'model' must be a string.", "model")
    return _bad("'stream' must be true or false.", "stream")


def find_values(body: bytes, key: str) -> list[tuple[int, int]]:
    """(start, end) of each value that stands under `key` at the top level of a valid JSON object, in order.

    Keys are compared as they decode, so an escaped spelling counts. Only top-level keys are walked; nested values
    are skipped whole, by the length msgspec found for them. Raises PointsmanError (400) when a key is not UTF-8,
    which peek() does not look at.
    """
    return [(start, end) for name, _, start, end in members_of(body) if name == key]


def members_of(body: bytes) -> Iterator[tuple[str, int, int, int]]:
    """(key, where its member begins, start and end of its value) of each top-level member, in order. A member begins
    behind the comma before it."""
    try:
        raws = _top_level(body)
    except UnicodeDecodeError as error:
        raise _bad(f"The body is not valid JSON: {_position(error)}.") from None
    except msgspec.DecodeError:
        body = mended(body)  # of the same length
        raws = _top_level(body)
    keys = 0
    position = body.index(b"{") + 1
    while (match := _key_at(body, position)) is not None:
        name = _any(match[1])
        start = match.end()
        raw = bytes(raws[name])
        end = start + len(raw) if body.startswith(raw, start) else _value_end(body, start)
        following = body[end : end + 1]
        if following not in (b",", b"}") and following not in (b" ", b"\t", b"\r", b"\n"):
            end = _value_end(body, start)  # an earlier twin of the key began with the same bytes
        yield name, position, start, end
        after = _comma_at(body, end)
        assert after is not None  # the body is valid JSON
        position = after.end()
        keys += 1
        if keys > MAX_KEYS:
            raise _bad(f"The body has more than {MAX_KEYS} keys at its top level.")


def _value_end(body: bytes, start: int) -> int:
    """End of the value at `start`, found token by token: only for keys written twice, which are rare."""
    match = _scalar_at(body, start)
    if match is not None:
        return match.end()
    depth = 0
    for token in _tokens(body, start):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return len(body)


def replace_model(body: bytes, model: str) -> bytes:
    """The same bytes with the top-level `model` value spliced. The body has passed peek()."""
    ((start, end),) = find_values(body, "model")
    return body[:start] + msgspec.json.encode(model) + body[end:]


def set_member(body: bytes, name: str, value: bytes) -> bytes:
    """The same bytes with that JSON as the top-level member `name`, where it was written last or at the end. The body has
    passed peek()."""
    spans = find_values(body, name)
    if not spans:
        at = body.rindex(b"}")
        return b"%b,%b:%b%b" % (body[:at], msgspec.json.encode(name), value, body[at:])
    start, end = spans[-1]
    return body[:start] + value + body[end:]


def set_inside(body: bytes, member: str, name: str, value: bytes | None) -> bytes:
    """The same bytes with that JSON as `name` in the top-level object `member`, which is made where there is none; None
    takes it out. The body has passed peek()."""
    spans = find_values(body, member)
    start, end = spans[-1] if spans else (0, 0)
    inner = body[start:end]
    if not inner.startswith(b"{"):
        made = None if value is None else b"{%b:%b}" % (msgspec.json.encode(name), value)
        return body if made is None else set_member(body, member, made)
    if value is None:
        inner = without_members(inner, lambda key, _: key == name)
    elif inner.strip(b"{} \t\r\n"):
        inner = set_member(inner, name, value)
    else:
        inner = b"{%b:%b}" % (msgspec.json.encode(name), value)
    return body[:start] + inner + body[end:]


def first_item(value: bytes) -> tuple[int, int] | None:
    """(start, end) of the first item of a JSON list; None where it is none, or empty."""
    if not value.startswith(b"["):
        return None
    start = next((at for at in range(1, len(value)) if value[at] not in _SPACE), len(value))
    return None if value[start : start + 1] in (b"]", b"") else (start, _value_end(value, start))


def with_flag(body: bytes, member: str, name: str) -> bytes:
    """The body, which has no `member`, with one more at its end: an object with `name` true."""
    at = body.rindex(b"}")
    return b'%b,"%b":{"%b":true}%b' % (body[:at], member.encode(), name.encode(), body[at:])


def set_flag(body: bytes, member: str, name: str) -> bytes | None:
    """The body with `name` true in the object `member`; None when it is true already or what stands
    there is something unusual. The body has passed peek()."""
    flag = msgspec.json.encode(name) + b":true"
    spans = find_values(body, member)
    if not spans:
        return with_flag(body, member, name)
    if len(spans) > 1:
        return None
    ((start, end),) = spans
    value = body[start:end]
    if value == b"null":
        return b"%b{%b}%b" % (body[:start], flag, body[end:])
    if not value.startswith(b"{"):
        return None
    inner = find_values(value, name)
    if len(inner) > 1:
        return None
    if inner:
        at, to = inner[0]
        if value[at:to] not in (b"false", b"null"):
            return None
        changed = value[:at] + b"true" + value[to:]
    else:
        comma = b"," if value.strip(b"{} \t\r\n") else b""
        changed = b"{" + flag + comma + value[1:]
    return body[:start] + changed + body[end:]


def without_nulls(body: bytes) -> bytes:
    """The body less its top-level members that are null; the others keep their very bytes. The body has passed peek()."""
    if _null_at(body) is None:
        return body
    return without_members(body, lambda _, value: value == b"null")


def without_members(body: bytes, dropped: Callable[[str, bytes], bool]) -> bytes:
    """The body less those of its top-level members (key, value) for which dropped() says so; the others keep their very
    bytes. The same object where it drops none. Raises PointsmanError (400), see find_values()."""
    members = list(members_of(body))
    kept = [body[at:end] for name, at, start, end in members if not dropped(name, body[start:end])]
    if len(kept) == len(members):
        return body
    return body[: members[0][1]] + b",".join(kept) + body[members[-1][3] :]


def has_flag(body: bytes, member: str, name: str) -> bool:
    """Is `name` true in the object `member`? Asked of a body that has passed peek()."""
    values = [body[start:end] for start, end in find_values(body, member)]
    return any(
        value[start:end] == b"true"
        for value in values
        if value.startswith(b"{")
        for start, end in find_values(value, name)
    )


def say_flag(body: bytes, member: str, name: str) -> bytes:
    """The body with `name` false in the object `member`, where that is there and says nothing of it, or null."""
    spans = find_values(body, member) if member.encode() in body else []
    if len(spans) != 1:
        return body
    ((start, end),) = spans
    value = body[start:end]
    if not value.startswith(b"{"):
        return body
    said = find_values(value, name)
    if said:
        (first, last) = said[-1]
        null = len(said) == 1 and value[first:last] == b"null"
        return body[: start + first] + b"false" + body[start + last :] if null else body
    comma = b"," if value.strip(b"{} \t\r\n") else b""
    return body[:start] + b"{" + msgspec.json.encode(name) + b":false" + comma + value[1:] + body[end:]
