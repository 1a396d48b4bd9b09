"""An egress that remembers of its last connection when TCP stood and until when the certificate is good, for a test that
tells its parts (probe.py). One connection at a time. The guard, the ways and whom to trust are the egress' own (egress.py).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from ..providers.proxies import Proxies
from .backend import Backend
from .egress import Egress
from .trust import Trust

_Seen = Callable[[float], None]


class WatchedEgress(Egress):
    """judged: on the monotonic clock, when an address was last judged: with TLS that is when TCP stood. good_until: unix
    seconds, until when the backend's certificate is good, None where none was seen."""

    def __init__(self, connect_seconds: float, *, proxies: Proxies, local_host: str) -> None:
        super().__init__(connect_seconds, proxies=proxies, local_host=local_host)
        self._trust = _WatchedTrust(self._seen)
        self.judged = time.monotonic()
        self.good_until: float | None = None

    def check(self, backend: Backend, ip: str, local_only: bool) -> None:
        """See Egress.check: called before an address is connected to and again when it is, before anything is said."""
        super().check(backend, ip, local_only)
        self.judged = time.monotonic()

    def _seen(self, until: float) -> None:
        self.good_until = until


class _WatchedTrust(Trust):
    def __init__(self, seen: _Seen) -> None:
        super().__init__()
        self._tell = seen

    def context(self, ca_file: str | None) -> ssl.SSLContext:
        """The same, and each handshake tells until when the certificate is good."""
        context = super().context(ca_file)
        context.sslobject_class = _telling(self._tell)
        return context


def _telling(seen: _Seen) -> type[ssl.SSLObject]:
    class Telling(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()  # raises until it has ended
            until = (self.getpeercert() or {}).get("notAfter")
            if isinstance(until, str):
                seen(float(ssl.cert_time_to_seconds(until)))

    return Telling
