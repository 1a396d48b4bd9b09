"""Webhooks: who is told of events, and the secret that signs what is sent there. Functions take a Session and raise
PointsmanError. Not here: sending (control/sending.py).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import ErrorKind, Topic
from ...secret import Secret
from ..vault import Vault
from . import rows, sealing
from .tables import Webhook

MOST = 50
_PREFIX = "whsec_"
"""As Standard Webhooks has it (https://www.standardwebhooks.com); what follows is base64 of the HMAC's key."""


def list_all(session: Session) -> list[Webhook]:
    return list(session.exec(select(Webhook).order_by(col(Webhook.id))))


def create(session: Session, vault: Vault, url: str, on: Collection[Topic]) -> tuple[Webhook, Secret]:
    """The row and its secret. Raises CONFLICT where the URL is told already, VaultError while degraded."""
    if len(list_all(session)) >= MOST:
        raise PointsmanError(ErrorKind.CONFLICT, f"There are {MOST} webhooks already; remove some.")
    secret = Secret(_PREFIX + base64.b64encode(os.urandom(32)).decode())
    sealed = vault.require().seal(secret, sealing.webhook_binding(url))
    row = Webhook(url=url, on=list(on), sealed_secret=sealed)
    rows.add(session, row, f"{url} is told already; see: pointsman webhook list.")
    return row, secret


def get(session: Session, webhook_id: int) -> Webhook:
    row = session.get(Webhook, webhook_id)
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no webhook {webhook_id}; list them with: pointsman webhook list."
        )
    return row


def delete(session: Session, webhook_id: int) -> None:
    session.delete(get(session, webhook_id))
    session.flush()


def signing_key(vault: Vault, row: Webhook) -> bytes:
    """What signs. Raises VaultError where it cannot be opened."""
    secret = vault.require().open(row.sealed_secret, sealing.webhook_binding(row.url))
    return base64.b64decode(secret.reveal().removeprefix(_PREFIX))
