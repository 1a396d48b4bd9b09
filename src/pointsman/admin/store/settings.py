"""What the gateway keeps for itself, by key. Functions take a Session."""

from __future__ import annotations

import base64
import os

from sqlmodel import Session

from ...secret import SecretBytes
from .tables import Setting

PEPPER = "pepper"
MASTER_KEY_CHECK = "master_key_check"
GIVEN_KEY = "given_client_key"  # the row's id
HOSTS = "allowed_hosts"  # names with spaces between
USAGE_DAYS = "usage_days"  # how long usage is kept; "" = for ever


def get(session: Session, key: str) -> str | None:
    row = session.get(Setting, key)
    return None if row is None else row.value


def put(session: Session, key: str, value: str) -> None:
    row = session.get(Setting, key)
    if row is None:
        session.add(Setting(key=key, value=value))
    else:
        row.value = value
    session.flush()


def pepper(session: Session) -> SecretBytes:
    """32 random bytes that key digests and fingerprints; made when the database is first opened."""
    text = get(session, PEPPER)
    if text is None:
        text = base64.b64encode(os.urandom(32)).decode()
        put(session, PEPPER, text)
    return SecretBytes(base64.b64decode(text))
