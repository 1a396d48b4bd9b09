"""Ids of answers and of calls. Backends leave them out, give all calls the same one, or count them anew in every answer;
clients and agents tell turns apart by them (docs/protocols/tools.md#call-ids). So a translated answer, its items and its
calls get ids of our own, from the request's id, which is unique. A call's holds its backend's, which the backend may need
again: the same conversation gives the same ids. Only what is too long for that has to be remembered."""

from __future__ import annotations

import hashlib
import re
import string

_LONGEST = 40
"""Characters of a call's id: OpenAI's Chat refuses longer ones ("string too long. Expected a string with maximum length
40")."""
_SIGNS = string.digits + string.ascii_letters
_LEGAL = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_ESCAPED = re.compile(r"[^A-Za-z0-9_]")
_ESCAPE = re.compile(r"-([0-9A-F]{2}|-[0-9A-F]{6})")
_TOLD = re.compile(r"(.+)_p([mx])[0-9A-Za-z]{6}").fullmatch
"""A call's id as we tell it: its backend's (x: with illegal characters escaped), and six signs of the answer's."""


def unique_id(call_id: str, seen: set[str]) -> str:
    """The id, with a suffix where it was used before. seen: those of this answer so far."""
    found, count = call_id, 1
    while found in seen:
        count += 1
        found = f"{call_id}_{count}"
    seen.add(found)
    return found


def own_id(prefix: str, request_id: str) -> str:
    """An answer's, or that of a part of it: of the same request always the same."""
    return prefix + tail(request_id)


def tail(request_id: str) -> str:
    """What tells this request from any other."""
    rest = request_id.removeprefix("req_")
    if rest.isascii() and rest.isalnum():  # as ours are
        return rest
    return "".join(c for c in rest if c.isascii() and c.isalnum())


def told_id(call_id: str, request_id: str) -> str:
    """A call's, unique over a conversation, and safe with every backend: letters, digits, `_` and `-`, up to 40. call_id:
    the backend's, unique in its answer."""
    told = marked_id(call_id, request_id)
    return told if len(told) <= _LONGEST else f"call_{_digest(f'{request_id} {call_id}')[:24]}"


def marked_id(call_id: str, request_id: str) -> str:
    """The same however long: what upstream_id() reads."""
    signs = _signs(request_id)
    return f"{call_id}_pm{signs}" if _LEGAL(call_id) else f"{_ESCAPED.sub(_hex, call_id)}_px{signs}"


def upstream_id(call_id: str) -> str:
    """The backend's own, where it stands in what we told; any other id is itself."""
    found = _TOLD(call_id) if call_id[-9:-7] == "_p" else None
    if found is None:
        return call_id
    own, form = found.groups()
    return own if form == "m" else _ESCAPE.sub(lambda code: chr(int(code[1].strip("-"), 16)), own)


def _hex(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"-{code:02X}" if code < 256 else f"--{code:06X}"


def _signs(request_id: str) -> str:
    """Six of 62: two of a thousand answers have the same once in 100,000 conversations."""
    number = int(_digest(request_id)[:16], 16)
    out = ""
    for _ in range(6):
        number, place = divmod(number, len(_SIGNS))
        out += _SIGNS[place]
    return out


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
