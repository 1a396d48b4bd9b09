"""Which requests are the same request: equal in all that changes an answer, whatever their bytes (docs/cache.md). Asked by
the gateway before it answers from its cache or a recording (docs/replay.md), and by `explain` to tell. Pure.

Not here: who asked and by which rule (gateway/request/cached.py), and the answers (admin/control/answer_cache.py,
admin/control/recordings.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from ..conversation.presets import IF_UNSAID
from ..dialects.paths import Route
from ..routing.specs import MappingSpec

_MARKS = ("cache_control", "prompt_cache_breakpoint")
_TOOLS_OUT = (
    "web_search", "web_fetch", "file_search", "code_execution", "code_interpreter", "image_generation", "mcp",
)  # fmt: skip
"""Tools that a vendor runs itself: what they find changes by the hour."""
_EXACT = 2**53
"""Up to this a whole number is the same whether it is written as a fraction or not."""


class Unlike(Exception):
    """The request is answered anew each time. The text, a clause, says why."""


def is_told_apart(where: Route) -> bool:
    """Are there requests of this path that are the same?"""
    return where.exact and where.generates and where.media is None


def canonical(where: Route, body: bytes, rule: MappingSpec, *, stream: bool) -> bytes:
    """The same bytes for the same request of this path, whose answer is the same, too. body: has passed peek(). stream: that
    is wanted. Raises Unlike."""
    asked = _asked(where, body)
    sameness = where.dialect.sameness
    for name in sameness.more:
        if asked.get(name) not in (None, False):
            raise Unlike(f"it asks for more than an answer ({name})")
    for tool in _objects(asked, "tools"):
        if str(tool.get("type", "")).startswith(_TOOLS_OUT):
            raise Unlike(f"it asks for more than an answer (the tool {tool['type']})")
    if where.dialect.endpoint.writes and not rule.cache_any_temperature:
        _refuse_chance(_temperature(asked.get(sameness.options) if sameness.options else asked, rule))
    return _told(where, asked, stream)


def recorded_as(where: Route, body: bytes, model: str, *, stream: bool) -> bytes:
    """The same, of a request that has one answer, whatever chance or a vendor's tool would have made of it. model: its name
    here. Raises Unlike."""
    asked = _asked(where, body)
    asked["model"] = model
    return _told(where, asked, stream)


def in_any_form(asked: bytes) -> bytes:
    """The same bytes, whether a stream is asked for or not. asked: as recorded_as() has it."""
    told = json.loads(asked)
    for name in _FORMS:
        told.pop(name, None)
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")


_FORMS = ("stream", "stream_options")


def _asked(where: Route, body: bytes) -> dict[str, Any]:
    if not is_told_apart(where):
        raise Unlike("its path gives no answers that are kept")
    return _read(body)


def _told(where: Route, asked: dict[str, Any], stream: bool) -> bytes:
    """Without what changes no answer."""
    sameness = where.dialect.sameness
    for name in sameness.idle:
        asked.pop(name, None)
    for path in sameness.marked:
        for one in _objects(asked, path):
            for mark in _MARKS:
                one.pop(mark, None)
    asked["stream"] = stream
    return json.dumps(asked, sort_keys=True, separators=(",", ":")).encode("ascii")


def _refuse_chance(temperature: Any) -> None:
    if temperature is None:
        raise Unlike("it says no temperature, so that its answer is left to chance")
    if temperature != 0:
        raise Unlike(f"its temperature is {temperature}, so that its answer is left to chance")


def _temperature(holder: Any, rule: MappingSpec) -> Any:
    """As its target gets it; None where nobody says one. holder: of what the client says of it."""
    always = rule.presets.get("temperature")
    if always is not None:
        return always
    said = holder.get("temperature") if isinstance(holder, dict) else None
    return rule.presets.get(f"temperature{IF_UNSAID}") if said is None else said


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=_members, parse_float=_number, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise Unlike("its JSON can be read in more than one way") from None
    if not isinstance(found, dict):
        raise Unlike("its body is no object")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")
    return found


def _number(text: str) -> int | float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _objects(asked: dict[str, Any], path: str) -> Iterator[dict[str, Any]]:
    """Those at the path, whose steps are members, through lists."""
    holders: list[Any] = [asked]
    for step in path.split("."):
        found = [holder.get(step) for holder in holders if isinstance(holder, dict)]
        holders = [one for each in found for one in (each if isinstance(each, list) else [each])]
    return (one for one in holders if isinstance(one, dict))
