"""The key by which the gateway's own pages ask its models: new with each start, in memory alone, bounded by nothing, and
nobody's (usage has no key for it). Not here: what they ask (play_run.py).
"""

from __future__ import annotations

import msgspec

from ...link.messages import ClientKeySpec, Snapshot
from ...secret import Secret
from ..store.client_keys import digest, new_secret

_NOBODYS = 0
"""No key's id in the database."""


class OwnKey:
    def __init__(self) -> None:
        self.secret = Secret(new_secret())

    def let_in(self, snapshot: Snapshot) -> Snapshot:
        """The same, where clients need keys with this one among them; else a key would be taken for a login at a
        provider."""
        if not snapshot.keys_required:
            return snapshot
        spec = ClientKeySpec(
            _NOBODYS, "the gateway's own pages", digest(snapshot.pepper, self.secret.reveal())
        )
        return msgspec.structs.replace(snapshot, client_keys=(*snapshot.client_keys, spec))
