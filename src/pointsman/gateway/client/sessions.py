"""In which session of its agent a request is: what its own headers say.

Not here: which program that is (wire/user_agent.py).
"""

from __future__ import annotations

from ...dialects.registry import session_headers
from ...wire.http1 import RequestHead

MOST_SESSION = 200
"""Characters of its name."""


def session_of(head: RequestHead) -> str | None:
    """What an agent calls its session; None where it names none."""
    get = head.get
    for name in session_headers():
        value = get(name)
        if value:
            return value[:MOST_SESSION].decode("latin-1")
    return None
