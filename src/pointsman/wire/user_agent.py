"""Which program asks: what its user agent says, for the usage log and for rules that name one.

Not here: whose key it has (gateway/client/access.py), and which session it is in (gateway/client/sessions.py).
"""

from __future__ import annotations

import re
from functools import lru_cache

from .http1 import RequestHead

MOST_CLIENT = 64
"""Characters of a program's name."""
_odd = re.compile(r"[^a-z0-9._+-]+")
_is_version = re.compile(r"v?[0-9]").match
MINIFIED = "sdk-js"
"""An SDK whose class, of `OpenAI/JS 5.23`, a program's build has renamed: `ls/JS 5.23`, and anew in its next release."""
_SHORTENED = 3
"""Characters of such a name, at most."""
_KINDS = ("async",)
"""What SDKs put before their name for some of their classes: `AsyncOpenAI/Python`."""


def client_of(head: RequestHead) -> str:
    """The program's name, lower case and without its version; "" where it does not say."""
    agent = head.get(b"user-agent")
    return _product(agent[:256]) if agent else ""


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
    if len(parts) == 2 and parts[1] == "js" and len(parts[0]) <= _SHORTENED:
        return MINIFIED
    name = "-".join(filter(None, parts))
    for kind in _KINDS:
        if len(parts) > 1 and name.startswith(kind):
            name = name.removeprefix(kind).lstrip("-")
    return name[:MOST_CLIENT]
