"""What a rule may set in the requests that it sends on: the closed list of names, with what each may hold. Pure.

A name stands for the same whatever protocol a target speaks. `NAME` always holds; `NAME?` only where the client has said
nothing of it. Not here: how each gets into a body (translation/preset_body.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from .request import EFFORTS

Presets = Mapping[str, Any]
"""NAME or NAME? -> its value; see PRESETS."""

IF_UNSAID = "?"
TEMPLATE = "chat_template_kwargs"
_SYSTEM_LENGTH = 65_536
_STOPS, _STOP_LENGTH = 16, 256
_NAME_LENGTH = 64
_MOST = 64
"""Of one rule."""


class _Wrong(ValueError):
    """What a value must be, as a clause that follows its name."""


def _number(least: float, most: float) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise _Wrong(f"must be a number from {least:g} to {most:g}")
        return value

    return check


def _whole(least: int, most: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _Wrong(f"must be a whole number from {least} to {most}")
        return value

    return check


def _switch(value: Any) -> Any:
    if not isinstance(value, bool):
        raise _Wrong("must be true or false")
    return value


def _effort(value: Any) -> Any:
    if value not in EFFORTS:
        raise _Wrong(f"must be one of {', '.join(EFFORTS)}")
    return value


def _text(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip() or len(value) > _SYSTEM_LENGTH or not _sound(value):
        raise _Wrong(f"must be a text of at most {_SYSTEM_LENGTH} characters")
    return value


def _sound(text: str) -> bool:
    """No half characters."""
    return not any("\ud800" <= one <= "\udfff" for one in text)


def _stops(value: Any) -> Any:
    listed = [value] if isinstance(value, str) else value
    texts = isinstance(listed, list) and all(
        isinstance(one, str) and 0 < len(one) <= _STOP_LENGTH and _sound(one) for one in listed
    )
    if not texts or not 0 < len(listed) <= _STOPS:
        raise _Wrong(
            f"must be a text, or a list of at most {_STOPS}, of at most {_STOP_LENGTH} characters each"
        )
    return listed


def _scalar(value: Any) -> Any:
    text = value if isinstance(value, str) else ""
    if not isinstance(value, bool | int | float | str) or len(text) > _STOP_LENGTH or not _sound(text):
        raise _Wrong(f"must be true, false, a number or a text of at most {_STOP_LENGTH} characters")
    return value


PRESETS: dict[str, Callable[[Any], Any]] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "top_k": _whole(0, 100_000),
    "min_p": _number(0, 1),
    "repeat_penalty": _number(0, 10),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "seed": _whole(0, 2**53),
    "max_tokens": _whole(1, 10_000_000),
    "stop": _stops,
    "system": _text,
    "thinking": _switch,
    "effort": _effort,
    "num_ctx": _whole(256, 1_000_000_000),
}
"""Name -> its check, which gives the value as it is kept. `chat_template_kwargs.NAME` is one more, for each NAME."""


def bare(name: str) -> str:
    """Without the mark that it holds only where the client is silent."""
    return name.removesuffix(IF_UNSAID)


def checked(presets: Mapping[str, Any]) -> dict[str, Any]:
    """As they are kept; a None stays, as what is to be taken away. Raises ValueError with what to do."""
    found: dict[str, Any] = {}
    if len(presets) > _MOST:
        raise ValueError(f"{len(presets)} are too many; a rule sets at most {_MOST}")
    for name, value in presets.items():
        check = _check_of(bare(name))
        try:
            found[name] = None if value is None else check(value)
        except _Wrong as wrong:
            raise ValueError(f"{bare(name)} {wrong}") from None
    twice = next(
        (name for name in found if found.get(name + IF_UNSAID) is not None and found[name] is not None), None
    )
    if twice is not None:
        raise ValueError(
            f"{twice} is set twice, always and where the client is silent; take one of the two away"
        )
    return found


def _check_of(name: str) -> Callable[[Any], Any]:
    check = PRESETS.get(name)
    if check is not None:
        return check
    holder, dot, inner = name.partition(".")
    if holder == TEMPLATE and dot and inner.isascii() and inner.isidentifier() and len(inner) <= _NAME_LENGTH:
        return _scalar
    known = ", ".join(PRESETS)
    raise ValueError(f"{name[:_NAME_LENGTH]!r} cannot be set; what can be is {known} and {TEMPLATE}.NAME")


def system_of(presets: Presets, *, silent: bool) -> str:
    """The system prompt that is put before the client's own; "" for none. silent: it has none."""
    text = presets.get("system") or (presets.get("system?") if silent else None)
    return str(text or "")


def merged(stand: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes over what stands: a None takes away, and of NAME and NAME? the newer one stays."""
    found = dict(stand)
    for name, value in changes.items():
        for one in (bare(name), bare(name) + IF_UNSAID):
            if value is not None or one == name:
                found.pop(one, None)
        if value is not None:
            found[name] = value
    return found


def read(text: str) -> tuple[str, Any]:
    """`NAME=VALUE` as it is typed: VALUE is JSON where it is, else a text. Raises ValueError."""
    name, sign, value = text.partition("=")
    name = name.strip()
    if not sign or not name:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    made: Any = value
    if bare(name) != "system":
        try:
            made = msgspec.json.decode(value)
        except msgspec.DecodeError:
            made = _WORDS.get(value.strip().lower(), value)
    (found,) = checked({name: made}).values()
    if found is None:
        raise ValueError(f"{bare(name)} cannot be null; take it away with --unset {bare(name)}")
    return name, found


_WORDS = {"on": True, "off": False, "True": True, "False": False}


def written(presets: Mapping[str, Any]) -> Iterator[str]:
    """As they are typed."""
    for name, value in presets.items():
        yield f"{name}={value if isinstance(value, str) else msgspec.json.encode(value).decode()}"
