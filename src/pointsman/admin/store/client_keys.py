"""Keys for the gateway's own clients. Made here, shown once, kept only as HMAC-SHA-256(pepper, key).

The data plane compares digests (constant time, from memory). Not here: what limits are (limits.py).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from ...config import CLIENT_KEY_VARIABLE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...secret import Secret, SecretBytes
from . import key_groups, rows, settings
from .asking import Author, Who, asked_by
from .columns import utc_now
from .database import Store
from .tables import ClientKey, ClientKeyColumns

if TYPE_CHECKING:
    from .schemas import ClientKeyCreate, ClientKeyUpdate

PREFIX = "pm-"
_PREFIX_LENGTH = 8
GIVEN_NAME = "environment"
GIVEN_PREFIX_LENGTH = 4
"""Of a key that may be as short as 32 hexadecimal digits."""


def list_all(session: Session) -> list[ClientKey]:
    """Revoked ones too."""
    return list(session.exec(select(ClientKey).order_by(col(ClientKey.id))))


def names(session: Session) -> dict[int, str]:
    """By id, revoked ones too."""
    return {row.id: row.name for row in list_all(session) if row.id is not None}


def get(session: Session, key_id: int) -> ClientKey:
    row = session.get(ClientKey, key_id) if abs(key_id) < 2**63 else None
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no client key {key_id}; list them with: pointsman key list."
        )
    return row


def create(session: Session, data: ClientKeyCreate) -> tuple[ClientKey, str]:
    """The row and the key itself: the only time it is seen."""
    secret = new_secret()
    row = ClientKey(
        **_columns(session, data),
        digest=digest(settings.pepper(session), secret),
        prefix=secret[:_PREFIX_LENGTH],
    )
    session.add(row)
    session.flush()
    return row, secret


def update(session: Session, key_id: int, data: ClientKeyUpdate) -> ClientKey:
    """Changes what is named. Raises CONFLICT of a revoked key."""
    from .schemas import ClientKeyCreate

    row = _live(session, key_id)
    stands: dict[str, Any] = {name: getattr(row, name) for name in ClientKeyColumns.model_fields}
    stands["group"] = key_groups.names(session).get(row.group_id or 0)
    whole = rows.valid(ClientKeyCreate, stands | data.model_dump(exclude_unset=True))
    for field, value in _columns(session, whole).items():
        setattr(row, field, value)
    session.flush()
    return row


def rotate(session: Session, key_id: int, grace_seconds: int) -> tuple[ClientKey, str]:
    """A new secret for the same key, whose limits and usage go on; the old one is good for so long."""
    row, secret = _live(session, key_id), new_secret()
    row.before, row.before_until = row.digest, utc_now() + timedelta(seconds=grace_seconds)
    row.digest, row.prefix = digest(settings.pepper(session), secret), secret[:_PREFIX_LENGTH]
    session.flush()
    return row, secret


def _live(session: Session, key_id: int) -> ClientKey:
    row = get(session, key_id)
    if row.revoked_at is not None:
        raise PointsmanError(
            ErrorKind.CONFLICT, f"Key {key_id} is revoked for good; make another with: pointsman key create."
        )
    return row


def _columns(session: Session, data: ClientKeyCreate) -> dict[str, Any]:
    if data.cache_seconds is None and data.cache_any_temperature:
        raise PointsmanError(
            ErrorKind.INVALID,
            "cache_any_temperature says which answers are kept; set cache_seconds, or take cache_any_temperature away.",
            param="cache_any_temperature",
        )
    values = rows.settled(data.model_dump(exclude={"group"}))
    return values | {"group_id": None if data.group is None else key_groups.get(session, data.group).id}


def keep_given(store: Store, secret: Secret) -> None:
    """The key that a start was given stands as one row, named `environment`: the next start with another value changes that
    row, and the old value is worthless. What a person has revoked stays revoked. Raises CONFLICT for such a value."""
    with store.read() as session:
        known = digest(settings.pepper(session), secret.reveal())
        row = session.exec(select(ClientKey).where(col(ClientKey.digest) == known)).one_or_none()
        if row is not None and row.revoked_at is None:
            return
    if row is not None:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"The client key in {CLIENT_KEY_VARIABLE} was revoked (key {row.id}); make a new one with:"
            " openssl rand -hex 32",
        )
    with asked_by(Author(Who.ENVIRONMENT)), store.write() as session:
        number = settings.get(session, settings.GIVEN_KEY)
        row = session.get(ClientKey, int(number)) if number is not None else None
        if row is None or row.revoked_at is not None:
            row = ClientKey(name=GIVEN_NAME, digest=known, prefix="")
            session.add(row)
        row.digest, row.prefix = known, secret.reveal()[:GIVEN_PREFIX_LENGTH]
        session.flush()
        settings.put(session, settings.GIVEN_KEY, str(row.id))


def revoke(session: Session, key_id: int) -> ClientKey:
    """Revoking twice changes nothing: the first time stands. The row stays, so that keys stay required and
    usage stays named."""
    row = get(session, key_id)
    if row.revoked_at is None:
        row.revoked_at, row.before = utc_now(), None
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
