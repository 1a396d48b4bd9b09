"""Message threads: `thread` keeps a conversation at the vendor, and later requests bring only what is new
(docs/protocols/requests.md#message-threads). Here: who cannot keep one says so in the words on which clients go on.

Not here: what else only one vendor has (request_in.py).
"""

from __future__ import annotations

from typing import NoReturn

from ...conversation.profile import Profile
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...wire.splice import find_values
from ..recall import Recalled


def refuse_thread() -> NoReturn:
    """The 400 after which the SDK's toolRunner and Claude Code send the whole conversation again, and no threads from
    then on. `create` too: the next request would bring only what is new."""
    raise PointsmanError(
        ErrorKind.BAD_REQUEST,
        "'thread': this backend keeps no conversations; send the whole one in 'messages', without 'thread'.",
        param="thread",
        details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
    )


THREAD = b"thread"


def may_have_thread(body: bytes, recalled: Recalled) -> bool:
    """Is it worth a look?"""
    return body.find(b'"%b"' % THREAD) >= 0


def without_threads(body: bytes, profile: Profile, recalled: Recalled) -> bytes:
    """The body as it is. Raises PointsmanError 400 where it has a thread and the backend knows none: it would ignore
    the field and answer what is new as if it were everything."""
    if not profile.threads and any(body[start:end] != b"null" for start, end in find_values(body, "thread")):
        refuse_thread()
    return body
