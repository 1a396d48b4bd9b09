"""Which program asks, and in which session of it: what its own headers say, for the usage log. Nothing is decided by it.

Not here: whose key it has (access.py).
"""

from __future__ import annotations

import re
from functools import lru_cache

from ...dialects.registry import session_headers
from ...wire.http1 import RequestHead

MOST_CLIENT = 64
"""Characters of a program's name."""
MOST_SESSION = 200
_odd = re.compile(r"[^a-z0-9._+-]+")
_is_version = re.compile(r"v?[0-9]").match
_KINDS = ("async",)
"""What SDKs put before their name for some of their classes: `AsyncOpenAI/Python`."""


def client_of(head: RequestHead) -> str:
    """The program's name, lower case and without its version; "" where it does not say."""
    agent = head.get(b"user-agent")
    return _product(agent[:256]) if agent else ""


def session_of(head: RequestHead) -> str | None:
    """What an agent calls its session; None where it names none."""
    get = head.get
    for name in session_headers():
        value = get(name)
        if value:
            return value[:MOST_SESSION].decode("latin-1")
    return None


@lru_cache(256)
def _product(agent: bytes) -> str:
    """The first product of a user agent (RFC 9110, 10.1.5). What follows its slash is a part of the name where it is no
    version: `OpenAI/Python 3.57.0` is openai-python."""
    words = agent.decode("latin-1").lower().split()
    parts: list[str] = []
    for part in words[0].split("/") if words else ():
        if _is_version(part) and parts:
            break
        parts.append(_odd.sub("-", part).strip("-"))
    name = "-".join(filter(None, parts))
    for kind in _KINDS:
        if len(parts) > 1 and name.startswith(kind):
            name = name.removeprefix(kind).lstrip("-")
    return name[:MOST_CLIENT]
