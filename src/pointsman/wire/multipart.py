"""A multipart/form-data body (RFC 7578, RFC 2046 section 5.1) looked at and changed by position: where its `model` stands.
What is not that value keeps its very bytes.

Where two readers could take another value for the model, the form is refused: the backend that is asked must be the one
that a rule names. Not here: what any other field means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .splice import MAX_MODEL

FORM = b"multipart/form-data"
_MAX_PARTS = 1000
_MAX_HEADERS = 16 * 1024
"""Bytes of one part's headers; a file's name is in them."""
_MAX_BOUNDARY = 200
"""Bytes; the RFC says 70."""
_PARAMETER = re.compile(rb';[ \t]*([^\s=;"]++)[ \t]*=[ \t]*("(?:[^"\\]++|\\.)*+"|"[^"]*+"|[^;]*+)', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_AFTER = {nl: re.compile(rb"(--)?+[ \t]*+(?(1)(?:\r?\n|\Z)|%b)" % nl).match for nl in (b"\r\n", b"\n")}
"""What follows a delimiter, by the form's line end: `--` where it is the last one, padding, the end of the line."""
_LIKE_ASCII = (b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"iso-8859-15", b"windows-1252")
"""Charsets that libraries name by habit; ASCII means the same in all of them."""
_AS_IT_IS = (b"", b"7bit", b"8bit", b"binary")
_YES = (b"true", b"1", b"on", b"yes")


class Form(msgspec.Struct, frozen=True):
    """What routing needs of a form. start, end: where the model's value stands in the body. ascii: its charset is not
    UTF-8, so that no other characters may stand there."""

    model: str
    stream: bool
    start: int
    end: int
    ascii: bool = False


class _Part(msgspec.Struct):
    """name: None where it has none. start, end: of its value."""

    name: bytes | None
    file: bool
    charset: bytes
    coding: bytes
    start: int
    end: int


def _bad(message: str, param: str | None = None) -> PointsmanError:
    return PointsmanError(ErrorKind.BAD_REQUEST, message, param=param)


def boundary_of(kind: bytes | None) -> bytes | None:
    """Of a Content-Type; None where it is no form. Raises PointsmanError 400 where it names no boundary, or two."""
    if kind is None or kind.partition(b";")[0].strip().lower() != FORM:
        return None
    found = [value for name, value in _parameters(kind) if name == b"boundary"]
    if len(found) != 1 or not 0 < len(found[0]) <= _MAX_BOUNDARY:
        raise _bad("The Content-Type multipart/form-data must name its boundary, once.")
    return found[0]


def peek_form(body: bytes, boundary: bytes) -> Form:
    """Raises PointsmanError 400: no form of that boundary, no `model`, or one that could be read in two ways."""
    model: _Part | None = None
    stream = False
    for part in _parts(body, boundary):
        if part.name == b"stream":
            stream = body[part.start : part.end].strip().lower() in _YES
        elif part.name == b"model":
            if model is not None:
                raise _bad("The form has the field 'model' twice; send it once.", "model")
            model = part
    if model is None:
        raise _bad("The form has no field 'model'; name the model to use, e.g. -F model=whisper-1.", "model")
    return Form(_text_of(model, body), stream, model.start, model.end, model.charset in _LIKE_ASCII)


def with_model(body: bytes, form: Form, model: str) -> bytes:
    """The same bytes with another value in the model's place. form: what peek_form() said of this body. Raises
    PointsmanError 400 where that value cannot be written in the field's charset."""
    if form.ascii and not model.isascii():
        raise _bad("The form's 'model' must be UTF-8: the name that it stands for is not ASCII.", "model")
    return b"".join((body[: form.start], model.encode(), body[form.end :]))


def _text_of(part: _Part, body: bytes) -> str:
    if part.file:
        raise _bad("The form's 'model' is sent as a file; send it as a plain field.", "model")
    if part.coding not in _AS_IT_IS:
        raise _bad("The form's 'model' has a Content-Transfer-Encoding; send it as it is.", "model")
    value = body[part.start : part.end]
    if not value:
        raise _bad("The form's 'model' is empty; name the model to use.", "model")
    if len(value) > 4 * MAX_MODEL:
        raise _bad(f"The model name is longer than {MAX_MODEL} characters.", "model")
    known = part.charset in (b"", b"utf-8", b"utf8") or (part.charset in _LIKE_ASCII and value.isascii())
    try:
        text = value.decode() if known else ""
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise _bad("The form's 'model' is not UTF-8.", "model")
    if len(text) > MAX_MODEL:
        raise _bad(f"The model name is longer than {MAX_MODEL} characters.", "model")
    return text


def _parts(body: bytes, boundary: bytes) -> Iterator[_Part]:
    """In order; what stands before the first and after the last is nobody's. Lines end as the first delimiter's does."""
    dashes = b"--" + boundary
    at, nl = _first(body, dashes)
    delimiter = nl + dashes
    for _ in range(_MAX_PARTS):
        head_end = body.find(nl + nl, at - len(nl), at + _MAX_HEADERS)
        if head_end < 0:
            raise _bad("The form has a part whose headers do not end.")
        start = head_end + 2 * len(nl)
        end, after = _next(body, delimiter, start - len(nl), nl)
        yield _part(body[at : max(at, head_end)], nl, start, max(start, end))
        if body.startswith(b"--", end + len(delimiter)):
            return
        at = after
    raise _bad(f"The form has more than {_MAX_PARTS} parts.")


def _first(body: bytes, dashes: bytes) -> tuple[int, bytes]:
    """(where the first part begins, how lines end)."""
    at = body.find(dashes)
    while at >= 0:
        if at == 0 or body[at - 1] == 10:
            for nl, after in _AFTER.items():
                found = after(body, at + len(dashes))
                if found is not None and found[1] is None:
                    return found.end(), nl
        at = body.find(dashes, at + 1)
    raise _bad("The body is not the form that its Content-Type says: it has no part with that boundary.")


def _next(body: bytes, delimiter: bytes, at: int, nl: bytes) -> tuple[int, int]:
    """(where the next delimiter begins, what is behind it). A line that only begins like one is data."""
    while (at := body.find(delimiter, at)) >= 0:
        found = _AFTER[nl](body, at + len(delimiter))
        if found is not None:
            return at, found.end()
        at += 1
    raise _bad("The form is cut: its last boundary is missing.")


def _part(head: bytes, nl: bytes, start: int, end: int) -> _Part:
    values: dict[bytes, bytes] = {}
    for line in re.sub(nl + rb"[ \t]+", b" ", head).split(nl):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name == b"content-disposition" and name in values:
            raise _bad("The form has a part with two Content-Disposition headers.")
        values[name] = value.strip()
    parameters = _parameters(values.get(b"content-disposition", b""))
    names = [value for name, value in parameters if name == b"name"]
    if len(names) > 1 or any(name == b"name*" for name, _ in parameters):
        raise _bad("The form has a part whose name is written twice, or in the form name*=.")
    charsets = [value for name, value in _parameters(values.get(b"content-type", b"")) if name == b"charset"]
    return _Part(
        names[0] if names else None,
        any(name in (b"filename", b"filename*") for name, _ in parameters),
        charsets[-1].lower() if charsets else b"",
        values.get(b"content-transfer-encoding", b"").lower(),
        start,
        end,
    )


def _parameters(value: bytes) -> list[tuple[bytes, bytes]]:
    """(lower-case name, value) of a header's parameters, quoted or not."""
    found = []
    for one in _PARAMETER.finditer(value):
        text = one[2].strip()
        if text[:1] == b'"':
            text = _ESCAPED.sub(rb"\1", text[1:-1])
        found.append((one[1].lower(), text))
    return found
