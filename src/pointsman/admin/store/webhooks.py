"""Webhooks: who is told of events, and the secret that signs what is sent there. Functions take a Session and raise
PointsmanError. Not here: sending (control/sending.py).
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...secret import Secret
from ..vault import Vault
from . import rows, sealing
from .tables import Webhook

if TYPE_CHECKING:
    from .schemas import WebhookCreate, WebhookUpdate

MOST = 50
_TOLD = "{} is told already; see: pointsman webhook list."
_PREFIX = "whsec_"
"""As Standard Webhooks has it (https://www.standardwebhooks.com); what follows is base64 of the HMAC's key."""


def list_all(session: Session) -> list[Webhook]:
    return list(session.exec(select(Webhook).order_by(col(Webhook.id))))


def create(session: Session, vault: Vault, data: WebhookCreate) -> tuple[Webhook, Secret]:
    """The row and its secret. Raises CONFLICT where the URL is told already, VaultError while degraded."""
    if len(list_all(session)) >= MOST:
        raise PointsmanError(ErrorKind.CONFLICT, f"There are {MOST} webhooks already; remove some.")
    secret = Secret(_PREFIX + base64.b64encode(os.urandom(32)).decode())
    sealed = vault.require().seal(secret, sealing.webhook_binding(data.url))
    row = Webhook(**data.model_dump(mode="json"), sealed_secret=sealed)
    rows.add(session, row, _TOLD.format(data.url))
    return row, secret


def update(session: Session, vault: Vault, webhook_id: int, data: WebhookUpdate) -> Webhook:
    """Its secret is sealed anew for another URL. Raises CONFLICT where that is told already, VaultError while degraded."""
    row = get(session, webhook_id)
    changes = data.model_dump(mode="json", exclude_unset=True)
    url = changes.get("url", row.url)
    if url != row.url:
        ring = vault.require()
        secret = ring.open(row.sealed_secret, sealing.webhook_binding(row.url))
        row.sealed_secret = ring.seal(secret, sealing.webhook_binding(url))
    for name, value in changes.items():
        setattr(row, name, value)
    rows.add(session, row, _TOLD.format(url))
    return row


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
