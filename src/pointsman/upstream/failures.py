"""How a connection to a backend does not come about. Not here: what an answer says of itself (resilience/)."""

from __future__ import annotations

from ..errors import PointsmanError
from ..kinds import ErrorKind


class EgressRefused(PointsmanError):
    """An address this gateway never connects to for this backend; trying again would not help."""

    def __init__(self, text: str) -> None:
        super().__init__(ErrorKind.FORBIDDEN, text, status=502)


class ConnectFailed(PointsmanError):
    """A proxy, DNS, TCP or TLS did not work. step: dns | tcp (or a Unix socket) | proxy | tls | http."""

    def __init__(self, step: str, text: str) -> None:
        super().__init__(ErrorKind.UPSTREAM_UNREACHABLE, text)
        self.step = step
