"""What a rule sets, in a Chat body (base.Presetting)."""

from __future__ import annotations

import msgspec

from ...conversation.profile import Profile
from ...wire.splice import find_values, first_item
from ..base import Presetting
from ..preset_text import before

_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_THINKING = frozenset({"reasoning_effort", "reasoning", "thinking"})
_SYSTEM = (b'"system"', b'"developer"')


def with_system(body: bytes, text: str, profile: Profile) -> bytes | None:
    """In the first message where that is the system's, which some models want to be the only one; else in one before it."""
    spans = find_values(body, "messages")
    if not spans or not body.startswith(b"[", spans[-1][0]):
        return None
    start, end = spans[-1]
    value = body[start:end]
    item = first_item(value)
    message = b"" if item is None else value[item[0] : item[1]]
    if _is_system(message):
        assert item is not None
        changed = _with_content(message, text)
        if changed is not None:
            return body[: start + item[0]] + changed + body[start + item[1] :]
    role = "developer" if profile.developer_role else "system"
    made = msgspec.json.encode({"role": role, "content": text})
    return body[: start + 1] + made + (b"," if message else b"") + body[start + 1 :]


def _with_content(message: bytes, text: str) -> bytes | None:
    spans = find_values(message, "content")
    if not spans:
        return None
    start, end = spans[-1]
    content = before(message[start:end], text, parts=True)
    return None if content is None else message[:start] + content + message[end:]


def has_system(body: bytes) -> bool:
    """Does the conversation begin with a system prompt?"""
    spans = find_values(body, "messages")
    value = body[slice(*spans[-1])] if spans else b""
    item = first_item(value)
    return item is not None and _is_system(value[slice(*item)])


def _is_system(message: bytes) -> bool:
    if not message.startswith(b"{"):
        return False
    roles = find_values(message, "role")
    return bool(roles) and message[slice(*roles[-1])] in _SYSTEM


PRESETTING = Presetting(
    reads=frozenset({
        "temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty", "stop", *_LIMITS, *_THINKING,
    }),
    twins={
        **{name: _LIMITS - {name} for name in _LIMITS},
        "reasoning_effort": _THINKING - {"reasoning_effort"},
        "chat_template_kwargs": _THINKING,
    },
    with_system=with_system,
    has_system=has_system,
)  # fmt: skip
