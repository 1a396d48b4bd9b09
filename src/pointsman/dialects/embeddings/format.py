"""`encoding_format` of a client that asked for none (docs/protocols/requests.md#embeddings). Pure."""

from __future__ import annotations

import msgspec

from ...conversation.profile import Profile
from ..recall import Recalled

MARKS = (b'"encoding_format"',)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def without_null(body: bytes, profile: Profile, recalled: Recalled) -> bytes:
    """The body without an `encoding_format` of null. The vendor takes null for no wish, which gives numbers; servers that
    check it ("must be float or base64") refuse what libraries send when nobody asked."""
    members = _members(body)
    if bytes(members.get("encoding_format", b"")) != b"null":
        return body
    del members["encoding_format"]
    return msgspec.json.encode(members)
