"""What an item says to a model that cannot read its kind: words, and pictures
(docs/protocols/messages.md#what-other-vendors-cannot-read). Not here: items with a neutral form, and
those that nobody else can be told of (items_in.py).

Two readers: a model, in a history (told), and a client, in an answer (answered).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from ...conversation.parts import Foreign, Image
from ...kinds import Protocol
from ..fields import Fields
from ..openai_parts import image_of, picture_of
from ..shown import PICTURE, fenced, paragraphs

Item = dict[str, Any]
Told = tuple[str, tuple[Image, ...]]
"""(words, pictures)."""

_BESIDE = frozenset({"type", "id", "call_id", "status", "container_id", "fingerprint", "role"})
"""Keys that say nothing to a model."""


def told(item: Fields) -> Told:
    """Of any item; ("", ()) where there is nothing that could be told."""
    value, kind = item.value, str(item.value.get("type"))
    known = _TOLD.get(kind)
    if known is not None:
        return known(item)
    left = {key: one for key, one in value.items() if key not in _BESIDE and not key.startswith("encrypted")}
    return (msgspec.json.encode(left).decode() if any(left.values()) else ""), ()


def _text(value: Any) -> str:
    """A string, or any other JSON value as its text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _objects(value: Any) -> list[Item]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _listed(value: Any) -> str:
    return "; ".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _web_search(item: Fields) -> Told:
    found = item.value.get("action")
    action: Item = found if isinstance(found, dict) else {}
    if action.get("type") == "open_page":
        return f"Opened a web page: {_text(action.get('url'))}", ()
    if action.get("type") == "find_in_page":
        return f"Looked for {_text(action.get('pattern'))!r} in {_text(action.get('url'))}", ()
    asked = _listed(action.get("queries")) or _text(action.get("query"))
    sources = [
        _lines(_text(one.get("title")), _text(one.get("url"))) for one in _objects(action.get("sources"))
    ]
    return _lines(f"Searched the web for: {asked}" if asked else "Searched the web.", *sources), ()


def _file_search(item: Fields) -> Told:
    results = [
        _lines(_text(one.get("filename")), _text(one.get("text")))
        for one in _objects(item.value.get("results"))
    ]
    return _lines(f"Searched files for: {_listed(item.value.get('queries'))}", *results), ()


def _code(item: Fields) -> Told:
    words, pictures = [_text(item.value.get("code"))], []
    for at, one in enumerate(_objects(item.value.get("outputs"))):
        if one.get("type") == "image":
            place = Fields({"image_url": one.get("url")}, f"outputs[{at}]", item)
            pictures.append(image_of(place))
        else:
            words.append(_text(one.get("logs")))
    return _lines("Ran this code:", words[0], *(["Its output:"] if words[1:] else []), *words[1:]), tuple(
        pictures
    )


def _picture(item: Fields) -> Told:
    value = item.value
    asked, result = _text(value.get("revised_prompt")), value.get("result")
    words = f"Made a picture: {asked}" if asked else "Made a picture."
    if not isinstance(result, str) or not result:
        error = value.get("error")
        why = _text(error.get("message")) if isinstance(error, dict) else ""
        return _lines(words, f"It failed. {why}".strip()), ()
    form = value.get("output_format") or "png"
    if form == "svg":  # a text, and no picture that models take
        return _lines(words, _decoded(result)), ()
    return words, (Image(f"image/{form}", result),)


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return data


def _mcp_call(item: Fields) -> Told:
    value = item.value
    call = f"Called {_text(value.get('name'))} of {_text(value.get('server_label'))}"
    error = value.get("error")
    failed = f"It failed: {_text(error)}" if error else ""
    return _lines(f"{call} with {_text(value.get('arguments'))}", _text(value.get("output")), failed), ()


def _tools(item: Fields) -> Told:
    names = ", ".join(_text(one.get("name") or one.get("type")) for one in _objects(item.value.get("tools")))
    whose = item.value.get("server_label")
    return (f"Tools of {_text(whose)}: {names}" if whose else f"Found tools: {names}"), ()


def _approval(item: Fields) -> Told:
    value = item.value
    call = f"{_text(value.get('name'))} of {_text(value.get('server_label'))}"
    return f"Asked the user to allow the call of {call} with {_text(value.get('arguments'))}", ()


_TOLD: dict[str, Callable[[Fields], Told]] = {
    "web_search_call": _web_search,
    "file_search_call": _file_search,
    "code_interpreter_call": _code,
    "image_generation_call": _picture,
    "mcp_call": _mcp_call,
    "mcp_list_tools": _tools,
    "mcp_approval_request": _approval,
    "tool_search_call": lambda item: (f"Searched tools: {_text(item.value.get('arguments'))}", ()),
    "tool_search_output": _tools,
    "program": lambda item: (f"Ran this program:\n{_text(item.value.get('code'))}", ()),
    "program_output": lambda item: (f"The program gave: {_text(item.value.get('result'))}", ()),
}


def answered(item: Item) -> list[Foreign]:
    """An item of an answer, for clients of other protocols: what a run gave, and each picture that was made.
    Searches say nothing here: what they found stands in the citations."""
    kind = str(item.get("type") or "")
    if kind == "code_interpreter_call":
        words, pictures = _run(item)
    elif kind == "image_generation_call":
        words, pictures = "", _picture(Fields(item, "output"))[1]
        words = "" if pictures else _picture(Fields(item, "output"))[0]
    elif kind == "mcp_call":
        words, pictures = _called(item), ()
    else:
        words, pictures = "", ()
    own = Protocol.OPENAI_RESPONSES.value
    if not words and pictures:
        prompt = _text(item.get("revised_prompt"))
        said = f"{PICTURE[:-1]}: {prompt}" if prompt else PICTURE
        return [Foreign(own, kind, item, said, pictures)]
    return [Foreign(own, kind, item, words), *(Foreign(own, kind, {}, PICTURE, (one,)) for one in pictures)]


def _run(item: Item) -> Told:
    outputs = _objects(item.get("outputs"))
    logs = "\n".join(_text(one.get("logs")) for one in outputs if one.get("type") != "image")
    pictures = (
        picture_of(Fields({"image_url": one.get("url")}, "outputs"))
        for one in outputs
        if one.get("type") == "image"
    )
    code = fenced(_text(item.get("code")), "python")
    return paragraphs(code, fenced(logs)), tuple(one for one in pictures if one is not None)


def _called(item: Item) -> str:
    call = f"Called {_text(item.get('name'))} of {_text(item.get('server_label'))}:"
    error = item.get("error")
    failed = f"It failed: {_text(error)}" if error else ""
    return paragraphs(call, fenced(_text(item.get("arguments"))), fenced(_text(item.get("output"))), failed)
