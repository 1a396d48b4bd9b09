"""What becomes of each neutral field in each protocol: the one declaration (docs/protocols/requests.md#losses).

A row for every field of every type that a request is made of, a column for every protocol that is translated to. What
has no row is dropped and told, so that it cannot vanish, and fails the tests. `losses.py` reports and refuses by it.

    mapped      the target gets it, in its own words
    emulated    it gets the same by other means: in words, or by what the gateway does itself
    reported    no place for it: dropped and told, a 400 under strict
    refused     leaving it out would change what the answer is: a 400, why: what to do instead
    apart       it never goes to a target as such, why: the reason
    form        it says which form another field's value has, and decides how that one is written

Not here: what one model or one backend of a protocol takes (providers/, translation/adapt.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import msgspec

from ..conversation import parts, request
from ..kinds import Protocol


class How(StrEnum):
    """See the module."""

    MAPPED = "mapped"
    EMULATED = "emulated"
    REPORTED = "reported"
    REFUSED = "refused"
    APART = "apart"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Place:
    """why: a sentence for a refusal or for `apart`, a clause for a report. harmless: values besides the field's default
    that lose nothing when they are left out. field: a refusal names the field, not the part or tool that has it."""

    how: How
    why: str = ""
    harmless: tuple[Any, ...] = ()
    field: bool = False


Fields = Mapping[str, Place]
Carries = Mapping[type[msgspec.Struct], Fields]
"""One protocol's column: type -> its fields -> their place."""

MAPPED = Place(How.MAPPED)
EMULATED = Place(How.EMULATED)
REPORTED = Place(How.REPORTED, "the backend's protocol has no place for it")


def refused(why: str, *harmless: Any) -> Place:
    """why: what to do instead."""
    return Place(How.REFUSED, why, harmless)


def apart(why: str) -> Place:
    """why: the reason it never travels as such."""
    return Place(How.APART, why)


_COLUMNS = (Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES)
_Row = tuple[Place, Place, Place]


def _row(chat: Place, responses: Place, messages: Place) -> _Row:
    return (chat, responses, messages)


def _all(place: Place) -> _Row:
    return (place, place, place)


_EVERYWHERE = _all(MAPPED)
_WHERE = _all(apart("where the value stood in the client's body, for what is told of it"))
_ONE_ANSWER = refused(
    "this backend's protocol gives one answer a request; send n: 1, or several requests.", 1
)
_NO_LOGPROBS = refused("this backend's protocol has no log probabilities; leave it out.", False)
_PRICE = apart("a cache mark changes what an answer costs, never what it says")
_SHOWN = Place(How.REPORTED, "the text goes, but the backend's protocol has no place for what it cites")
_WITHIN = apart("it goes, and is told, with the citation as a whole")
_MAKER = apart("earlier reasoning goes to the model that made it only; fit_history.py tells what does not go")
_NO_SOUND = refused("this backend takes no sound; send its text instead.")
"""Responses has no sound in either: its input is text, images and files (OpenAI SDK, `ResponseInputContentParam`)."""
_NO_SERVER_TOOL = refused("Chat Completions has no tools of this type; leave it out for this model.")
_ANY_DOMAIN = Place(
    How.REFUSED,
    "this backend's search cannot be kept to or from domains; leave them out for this model.",
    field=True,
)
_LIVE = Place(How.REPORTED, "the backend's search has no such switch", (True,))
_DEFAULT_SIZE = Place(How.REPORTED, "the backend's search has no such size", ("medium",))
_IMAGE_BY_ID = refused("a file id of an image has no place in this protocol; send the image itself.")
_FILE_BY_URL = refused("Chat Completions has no documents by URL; send the file's data.")
_IN_WORDS = apart("a model of another vendor is told what it says")
_PHASE = apart("a mark of one vendor's models on their own history, which no other reads")
_NAMED = apart("a label that the model is not shown")
_NO_INDEX = Place(How.REPORTED, "a citation without the vendor's own index is refused there")
_CONTROL = apart("what the gateway itself needs to know of the client's request")
_FORM = Place(How.FORM)

ROWS: dict[type[msgspec.Struct], dict[str, _Row]] = {
    request.Request: {
        "model": _EVERYWHERE,
        "system": _EVERYWHERE,
        "messages": _EVERYWHERE,
        "tools": _EVERYWHERE,
        "server_tools": _row(_NO_SERVER_TOOL, MAPPED, MAPPED),
        "tool_choice": _EVERYWHERE,
        "parallel_tools": _EVERYWHERE,
        "max_tokens": _EVERYWHERE,
        "stop": _row(MAPPED, EMULATED, MAPPED),
        "temperature": _EVERYWHERE,
        "top_p": _EVERYWHERE,
        "top_k": _row(MAPPED, REPORTED, MAPPED),
        "seed": _row(MAPPED, REPORTED, REPORTED),
        "frequency_penalty": _row(MAPPED, REPORTED, REPORTED),
        "presence_penalty": _row(MAPPED, REPORTED, REPORTED),
        "logit_bias": _row(MAPPED, REPORTED, REPORTED),
        "n": _row(MAPPED, _ONE_ANSWER, _ONE_ANSWER),
        "logprobs": _all(_NO_LOGPROBS),
        "top_logprobs": _all(REPORTED),
        "effort": _EVERYWHERE,
        "thinking": _row(EMULATED, EMULATED, MAPPED),
        "summary": _row(apart("what reasoning a Chat backend shows it shows unasked"), MAPPED, EMULATED),
        "format": _EVERYWHERE,
        "verbosity": _row(MAPPED, MAPPED, REPORTED),
        "user": _EVERYWHERE,
        "cache_key": _row(MAPPED, MAPPED, REPORTED),
        "cache_auto": _EVERYWHERE,
        "service_tier": _EVERYWHERE,
        "metadata": _row(MAPPED, MAPPED, REPORTED),
        "stream": _EVERYWHERE,
        "include_usage": _all(apart("usage is always asked for; the client's answer shows it where it was wanted")),
        "max_tool_calls": _row(REPORTED, MAPPED, EMULATED),
        "web_search": _EVERYWHERE,
        "legacy_functions": _all(_CONTROL),
        "phases": _row(_CONTROL, _FORM, _CONTROL),
        "raw": _all(_CONTROL),
        "paths": _WHERE,
        "plain": _all(_CONTROL),
        "texts": _all(_CONTROL),
    },
    request.Message: {
        "role": _EVERYWHERE,
        "parts": _EVERYWHERE,
        "name": _row(MAPPED, REPORTED, REPORTED),
        "phase": _row(_PHASE, MAPPED, _PHASE),
    },
    request.Tool: {
        "name": _EVERYWHERE,
        "description": _EVERYWHERE,
        "schema": _EVERYWHERE,
        "strict": _EVERYWHERE,
        "kind": _row(MAPPED, MAPPED, EMULATED),
        "grammar": _row(MAPPED, MAPPED, EMULATED),
        "namespace": _row(EMULATED, MAPPED, EMULATED),
        "cache": _row(_PRICE, _PRICE, MAPPED),
        "strict_unsaid": _all(_CONTROL),
        "namespace_description": _row(EMULATED, MAPPED, EMULATED),
    },
    request.ServerTool: {
        "protocol": _all(_FORM),
        "type": _all(_FORM),
        "name": _all(_FORM),
        "value": _row(_NO_SERVER_TOOL, MAPPED, MAPPED),
    },
    request.WebSearch: {
        "allowed_domains": _row(_ANY_DOMAIN, MAPPED, MAPPED),
        "blocked_domains": _row(_ANY_DOMAIN, _ANY_DOMAIN, MAPPED),
        "max_uses": _row(REPORTED, MAPPED, MAPPED),
        "location": _EVERYWHERE,
        "context_size": _row(MAPPED, MAPPED, _DEFAULT_SIZE),
        "live": _row(_LIVE, MAPPED, _LIVE),
        "cache": _row(_PRICE, _PRICE, MAPPED),
    },
    request.ToolChoice: {
        "mode": _EVERYWHERE,
        "name": _EVERYWHERE,
        "allowed": _all(EMULATED),
        "server": _all(_FORM),
        "allowed_server": _all(EMULATED),
    },
    request.ThinkingMode: {
        "type": _row(EMULATED, EMULATED, MAPPED),
        "budget": _row(EMULATED, EMULATED, MAPPED),
        "display": _row(apart("the answer is written as the client wants it shown"), EMULATED, MAPPED),
    },
    request.OutputFormat: {
        "type": _row(MAPPED, MAPPED, EMULATED),
        "name": _row(MAPPED, MAPPED, _NAMED),
        "schema": _EVERYWHERE,
        "strict": _row(MAPPED, MAPPED, apart("a format is always enforced there")),
        "description": _row(MAPPED, MAPPED, REPORTED),
    },
    parts.CacheMark: {"ttl": _EVERYWHERE},
    parts.Text: {"text": _EVERYWHERE, "cache": _EVERYWHERE, "citations": _row(_SHOWN, _SHOWN, MAPPED)},
    parts.Refusal: {"text": _row(MAPPED, EMULATED, EMULATED)},
    parts.Thinking: {"text": _row(MAPPED, MAPPED, _MAKER), "opaque": _EVERYWHERE, "redacted": _all(_FORM)},
    parts.Image: {
        "media_type": _EVERYWHERE,
        "data": _EVERYWHERE,
        "url": _EVERYWHERE,
        "file_id": _row(_IMAGE_BY_ID, MAPPED, MAPPED),
        "file_of": _all(_FORM),
        "detail": _row(MAPPED, MAPPED, REPORTED),
        "cache": _EVERYWHERE,
    },
    parts.Document: {
        "media_type": _EVERYWHERE,
        "data": _EVERYWHERE,
        "url": _row(_FILE_BY_URL, MAPPED, MAPPED),
        "text": _row(EMULATED, EMULATED, MAPPED),
        "parts": _row(EMULATED, EMULATED, MAPPED),
        "file_id": _EVERYWHERE,
        "file_of": _all(_FORM),
        "title": _EVERYWHERE,
        "context": _row(EMULATED, EMULATED, MAPPED),
        "citations": _row(REPORTED, REPORTED, MAPPED),
        "cache": _EVERYWHERE,
    },
    parts.Audio: {"data": _row(MAPPED, _NO_SOUND, _NO_SOUND), "format": _row(MAPPED, _NO_SOUND, _NO_SOUND)},
    parts.ToolCall: {
        "id": _EVERYWHERE,
        "name": _EVERYWHERE,
        "arguments": _EVERYWHERE,
        "kind": _row(MAPPED, MAPPED, EMULATED),
        "namespace": _row(EMULATED, MAPPED, EMULATED),
        "cache": _row(_PRICE, _PRICE, MAPPED),
    },
    parts.ToolResult: {
        "call_id": _EVERYWHERE,
        "parts": _EVERYWHERE,
        "is_error": _row(EMULATED, EMULATED, MAPPED),
        "kind": _all(_FORM),
        "cache": _row(_PRICE, _PRICE, MAPPED),
    },
    parts.Foreign: {
        "protocol": _all(_FORM),
        "type": _all(_FORM),
        "value": _row(_IN_WORDS, MAPPED, MAPPED),
        "text": _all(EMULATED),
        "shown": _all(EMULATED),
    },
    parts.Citation: {
        "url": _row(_WITHIN, _WITHIN, _NO_INDEX),
        "title": _all(_WITHIN),
        "cited_text": _all(_WITHIN),
        "start": _all(_WITHIN),
        "end": _all(_WITHIN),
        "raw": _row(_WITHIN, _WITHIN, MAPPED),
        "protocol": _all(_FORM),
    },
    parts.Opaque: {"protocol": _all(_FORM), "data": _EVERYWHERE, "backend": _all(_FORM), "before": _all(_FORM)},
}  # fmt: skip
for _kind, _fields in ROWS.items():
    if issubclass(_kind, parts.Placed):
        _fields["path"] = _WHERE


def column(protocol: Protocol) -> Carries:
    """What that protocol carries."""
    at = _COLUMNS.index(protocol)
    return {kind: {name: places[at] for name, places in fields.items()} for kind, fields in ROWS.items()}


def reachable(kind: type[msgspec.Struct] = request.Request) -> dict[type[msgspec.Struct], None]:
    """Every type that a request is made of, itself first."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[Any] = [kind]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            if one not in found:
                found[one] = None
                waiting += get_type_hints(one).values()
        else:
            waiting += get_args(one)
    return found


def gaps(carries: Carries) -> list[str]:
    """What is wrong with a column: fields without a place, places without a field. [] when it is complete."""
    wrong = []
    for kind in reachable():
        fields, places = kind.__struct_fields__, carries.get(kind, {})
        wrong += [f"{kind.__name__}.{name} has no place" for name in fields if name not in places]
        wrong += [f"{kind.__name__}.{name} is no field" for name in places if name not in fields]
    wrong += [f"{kind.__name__} is no part of a request" for kind in carries if kind not in reachable()]
    return wrong
