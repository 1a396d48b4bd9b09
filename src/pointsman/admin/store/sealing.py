"""Which columns hold sealed keys, and what each is bound to. One place: no row is forgotten in a
rotation.

Not here: the cipher (vault.py).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from sqlmodel import Session, col, select

from ...kinds import BackendType, backend_key
from ...providers.catalog import CATALOG, origin_of
from ..vault import Binding, Secret, Vault, VaultError, fingerprint
from .settings import pepper
from .tables import CloudCredential, LocalBackend, Webhook

SealedRow = CloudCredential | LocalBackend
Opened = MutableMapping[tuple[Binding, str], Secret]
"""Keys that were opened, by what each is bound to and its fingerprint."""


def base_url_of(row: SealedRow) -> str:
    """Where the row's key may go: its own base URL or the type's."""
    if isinstance(row, LocalBackend):
        return row.base_url
    return row.base_url or CATALOG[row.backend_type].base_url or ""


def type_of(row: SealedRow) -> BackendType:
    return BackendType.LOCAL if isinstance(row, LocalBackend) else row.backend_type


def key_of(row: SealedRow) -> str:
    """`openai/groq`, `local/box`."""
    return backend_key(type_of(row), row.name)


def binding(kind: BackendType, name: str, base_url: str | None) -> Binding:
    """Raises VaultError when the base URL is no URL (edited by hand): nothing may be sent there."""
    try:
        origin = origin_of(kind, base_url)
    except ValueError:
        raise VaultError(f"The base URL of {backend_key(kind, name)} is not valid; set it again.") from None
    table = LocalBackend if kind is BackendType.LOCAL else CloudCredential
    return Binding(str(table.__tablename__), kind.value, name, origin)


def binding_of(row: SealedRow) -> Binding:
    """What the row's key is bound to, as the row is now."""
    return binding(type_of(row), row.name, row.base_url)


def seal_key(session: Session, vault: Vault, bound_to: Binding, secret: Secret) -> dict[str, Any]:
    """The columns that keep a key. Raises VaultError while degraded."""
    return {
        "encrypted_api_key": vault.require().seal(secret, bound_to),
        "key_fingerprint": fingerprint(pepper(session), secret),
    }


def open_key(vault: Vault, row: SealedRow, opened: Opened | None = None) -> Secret | None:
    """The row's key, None where it has none. Raises VaultError naming the row. opened: keys that were opened before, kept
    there: the same key sealed under a master key that this gateway has not got yet is used on.

    The store refuses to write a plain key (columns.SealedText); one that got in by other ways is
    not used.
    """
    sealed = row.encrypted_api_key
    if sealed is None:
        return None
    if sealed.key_id is None:
        raise VaultError(
            f"The key of {key_of(row)} is not sealed, so it is not used: it was written by hand; set it again."
        )
    bound_to = binding_of(row)
    known = None if opened is None else opened.get((bound_to, row.key_fingerprint or ""))
    if vault.problem is not None:
        if opened is not None and known is not None:
            opened[bound_to, row.key_fingerprint or ""] = known
            return known
        raise VaultError(f"The key of {key_of(row)} cannot be opened: {vault.problem}.")
    try:
        found = vault.require().open(sealed, bound_to)
        if opened is not None:
            opened[bound_to, row.key_fingerprint or ""] = found
        return found
    except VaultError as error:
        raise VaultError(f"The key of {key_of(row)} cannot be used: {error.public}.") from error


def webhook_binding(url: str) -> Binding:
    """Of a webhook's secret: whoever edits the address by hand has no signature for it."""
    return Binding(str(Webhook.__tablename__), "webhook", "", url)


def sealed_webhooks(session: Session) -> list[Webhook]:
    return list(session.exec(select(Webhook).order_by(col(Webhook.id))))


def sealed_rows(session: Session) -> list[SealedRow]:
    """Every row that holds a sealed key of a backend."""
    credentials = session.exec(select(CloudCredential).order_by(col(CloudCredential.id)))
    with_key = select(LocalBackend).where(col(LocalBackend.encrypted_api_key).is_not(None))
    backends = session.exec(with_key.order_by(col(LocalBackend.id)))
    return [*credentials, *backends]
