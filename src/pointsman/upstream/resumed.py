"""A TLS client that goes on with the session of an earlier connection to the same name (RFC 8446 section 2.2): a handshake
without certificates. The certificate was judged when the session began, by the same context: one
of another file, or of a file that has changed, has no sessions of this one's. Not here: whom to trust (trust.py).
"""

from __future__ import annotations

import ssl
from typing import Any
from weakref import WeakValueDictionary

MOST = 256
"""Names whose session is kept."""


def _session_of(one: ssl.SSLObject) -> ssl.SSLSession | None:
    """None also where its handshake has not ended: Python raises ValueError then."""
    try:
        return one.session
    except ValueError:
        return None


def resuming() -> type[ssl.SSLObject]:
    """For `ssl.SSLContext.sslobject_class` of one context."""
    sessions: dict[str, ssl.SSLSession] = {}
    last: WeakValueDictionary[str, ssl.SSLObject] = WeakValueDictionary()

    class Resumed(ssl.SSLObject):
        """TLS 1.3 gives its sessions after the handshake, whenever it likes: they are asked for when the next connection
        is made, or this one ends."""

        _begun = False

        def do_handshake(self) -> None:
            name = self.server_hostname
            if not self._begun and name is not None:
                self._begun = True
                before = last.get(name)
                session = sessions.get(name) if before is None else _session_of(before)
                if session is not None:
                    self.session = session
                last[name] = self
            super().do_handshake()

        def __del__(self) -> None:
            inner: Any = getattr(self, "_sslobj", None)  # not there where it could not be made
            session = None if inner is None else _session_of(self)
            if session is None or self.server_hostname is None:
                return
            if len(sessions) >= MOST:
                sessions.pop(next(iter(sessions)))
            sessions[self.server_hostname] = session

    return Resumed
