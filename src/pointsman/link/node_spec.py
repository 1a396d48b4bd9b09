"""What a snapshot says of this gateway as one of several nodes. Not here: what the others have (routing/specs.py)."""

from __future__ import annotations

import msgspec

from ..secret import Secret


class NodeSpec(msgspec.Struct, frozen=True):
    """This gateway among others on one database. key: by which they know each other. serves: names of its own local
    backends, which the others may ask through it. whole: they may ask it for what its own local servers list, too."""

    name: str
    key: Secret
    serves: tuple[str, ...] = ()
    whole: bool = False
