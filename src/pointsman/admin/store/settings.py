"""What the gateway keeps for itself, by key. Functions take a Session."""

from __future__ import annotations

import base64
import os
from typing import cast

from sqlmodel import Session, select

from ...secret import SecretBytes
from .tables import Setting

PEPPER = "pepper"  # what client keys are digested with; made once
MASTER_KEY_CHECK = "master_key_check"  # by which a wrong master key is told: `pointsman secrets rotate`
GIVEN_KEY = "given_client_key"  # the row of the key that POINTSMAN_CLIENT_KEY has given
HOSTS = (
    "allowed_hosts"  # names that clients may use for the gateway, with spaces between: `pointsman host add`
)
CUSTOMS = "customs"  # for all that leaves this machine; "" = nothing is done: `pointsman customs set`
CUSTOMS_PATTERNS = "customs_patterns"  # the user's own, a JSON object by name: `pointsman customs add`
USAGE_DAYS = "usage_days"  # how long usage is kept; "" = for ever: `pointsman usage keep`


_READ = "settings"


def read_all(session: Session) -> None:
    """get() needs no further look at the database, as long as this session writes none."""
    session.info[_READ] = {row.key: row.value for row in session.exec(select(Setting))}


def get(session: Session, key: str) -> str | None:
    if (read := session.info.get(_READ)) is not None:
        return cast(dict[str, str], read).get(key)
    row = session.get(Setting, key)
    return None if row is None else row.value


def put(session: Session, key: str, value: str) -> None:
    session.info.pop(_READ, None)
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
