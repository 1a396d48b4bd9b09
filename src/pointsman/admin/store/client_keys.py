"""Keys for the gateway's own clients. Made here, shown once, kept only as HMAC-SHA-256(pepper, key).

The data plane compares digests (constant time, from memory). Not here: budgets and scopes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import zlib

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...secret import SecretBytes
from . import settings
from .columns import utc_now
from .tables import ClientKey

PREFIX = "pm-"
_PREFIX_LENGTH = 8


def list_all(session: Session) -> list[ClientKey]:
    """Revoked ones too."""
    return list(session.exec(select(ClientKey).order_by(col(ClientKey.id))))


def get(session: Session, key_id: int) -> ClientKey:
    row = session.get(ClientKey, key_id) if abs(key_id) < 2**63 else None
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no client key {key_id}; list them with: pointsman key list."
        )
    return row


def create(session: Session, name: str = "") -> tuple[ClientKey, str]:
    """The row and the key itself: the only time it is seen."""
    secret = new_secret()
    row = ClientKey(
        name=name, digest=digest(settings.pepper(session), secret), prefix=secret[:_PREFIX_LENGTH]
    )
    session.add(row)
    session.flush()
    return row, secret


def revoke(session: Session, key_id: int) -> ClientKey:
    """Revoking twice changes nothing: the first time stands. The row stays, so that keys stay required and
    usage stays named."""
    row = get(session, key_id)
    if row.revoked_at is None:
        row.revoked_at = utc_now()
        session.flush()
    return row


def required(session: Session) -> bool:
    """From the first key on one is needed, also after the last was revoked
    (docs/reliability-promises.md#client-keys)."""
    return session.exec(select(ClientKey.id).limit(1)).first() is not None


def digest(pepper: SecretBytes, secret: str) -> bytes:
    return hmac.new(pepper, secret.encode(), hashlib.sha256).digest()


def new_secret() -> str:
    """`pm-`, 43 random characters (256 bits), 6 of checksum, so that scanners can tell a real one."""
    body = PREFIX + secrets.token_urlsafe(32)
    return body + _checksum(body)


def _checksum(body: str) -> str:
    crc = zlib.crc32(body.encode()).to_bytes(4, "big")
    return base64.urlsafe_b64encode(crc).decode().rstrip("=")
