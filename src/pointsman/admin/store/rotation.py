"""The vault at start, and changing its master key: every row in one transaction, while the gateway serves.

A crash at any point leaves the old or the new state, both openable. With a key file: the next key is on
disk (`master.key.new`) before the transaction, takes the file's place after it, and the check value in the
database tells the next start which of the two is right. Not here: the cipher and the files (vault.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel
from sqlmodel import Session

from ...config import KEY_VARIABLE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..vault import (
    Binding,
    MasterKey,
    Sealed,
    Vault,
    VaultError,
    check_opens,
    finish_promotion,
    make_check,
    promote_key,
    stage_key,
    staged_path,
)
from . import sealing, settings
from .database import Store


class RotationResult(BaseModel):
    """resealed: how many stored keys are now under the new master key. next_step: what is left to do, if
    anything."""

    key_id: str
    resealed: int
    next_step: str | None


def open_vault(store: Store, data_dir: Path, environ: Mapping[str, str]) -> Vault:
    """Loads the master key, verifies it against the stored rows, finishes an interrupted rotation. Degraded
    (`vault.problem`) instead of an exception; nothing is overwritten then."""
    with store.read() as session:
        keys = [row.encrypted_api_key for row in sealing.sealed_rows(session)]
        keys += [row.sealed_secret for row in sealing.sealed_webhooks(session)]
        check = settings.get(session, settings.MASTER_KEY_CHECK)
    sealed_by = {None if key is None else key.key_id for key in keys}
    shared = store.backing.shared and check is not None  # the first gateway has chosen the key of all
    vault = Vault.load(data_dir, environ, bool(sealed_by) or shared, check)
    if vault.problem is not None:
        if shared:
            vault.refuse(
                f"{vault.problem} (all gateways on one database have the same: copy it from another)"
            )
        return vault
    if sealed_by and check is None and sealed_by != {vault.key_id}:
        # a database without its check value: the rows themselves say which key they need
        vault.refuse("the master key is not the one the stored keys were sealed with; put the right one back")
    elif check is None or not check_opens(vault.require(), check):
        with store.write() as session:
            settings.put(session, settings.MASTER_KEY_CHECK, make_check(vault.require()))
    return vault


def renew_key(store: Store, vault: Vault, data_dir: Path, environ: Mapping[str, str]) -> bool:
    """Where the stored keys are under another master key by now, that one is looked for where the first one was. False: it
    was not found; the vault says so, and opens nothing."""
    with store.read() as session:
        check = settings.get(session, settings.MASTER_KEY_CHECK)
    if check is None or (vault.problem is None and check_opens(vault.require(), check)):
        return True
    found = open_vault(store, data_dir, environ)
    if found.problem is None:
        vault.adopt(found.require())
    else:
        vault.refuse(found.problem)
    return found.problem is None


def _nothing(new: MasterKey) -> None:
    """Is sealed beside the rows."""


def rotate(
    store: Store, vault: Vault, new_key: str | None = None, beside: Callable[[MasterKey], None] = _nothing
) -> RotationResult:
    """Seals every row under a new key and makes `vault` use it. new_key: needed when the environment holds
    the key, else made. beside: makes ready what is sealed and no row; both keys open it then. Raises PointsmanError, and
    changes nothing, when a row cannot be opened."""
    old = vault.require()
    new = _next_key(vault, old, new_key)
    if vault.path is not None:
        _stage(vault.path, old, new)
    # adopted with the commit, still under the store's lock: nobody can seal under the old key after it
    with store.write(after_commit=lambda: vault.adopt(new)) as session:
        rows = reseal(session, old, new)
        beside(new)
    store.backing.settle()  # the old ciphertexts leave the write-ahead log too
    return RotationResult(key_id=new.id, resealed=rows, next_step=_finish(vault))


def reseal(session: Session, old: MasterKey, new: MasterKey) -> int:
    """Every sealed row and the check value, under the new key; all or nothing by the caller's transaction."""
    rows, hooks = sealing.sealed_rows(session), sealing.sealed_webhooks(session)
    for row in rows:
        sealed = row.encrypted_api_key
        if sealed is not None:
            what = f"the key of {sealing.key_of(row)}"
            row.encrypted_api_key = _resealed(old, new, sealed, sealing.binding_of(row), what)
    for hook in hooks:
        what = f"the secret of webhook {hook.id}"
        hook.sealed_secret = _resealed(old, new, hook.sealed_secret, sealing.webhook_binding(hook.url), what)
    settings.put(session, settings.MASTER_KEY_CHECK, make_check(new))
    return len(rows) + len(hooks)


def _resealed(old: MasterKey, new: MasterKey, sealed: Sealed, binding: Binding, what: str) -> Sealed:
    try:
        return new.seal(old.open(sealed, binding), binding)
    except VaultError as error:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"Nothing was changed: {what} cannot be opened ({error.public})."
            " Set it again or remove it, then rotate.",
        ) from error


def _next_key(vault: Vault, old: MasterKey, text: str | None) -> MasterKey:
    if text is None or not text.strip():
        if vault.path is None:
            raise PointsmanError(
                ErrorKind.INVALID,
                f"The master key comes from {KEY_VARIABLE}: give the new one (32 bytes in base64 or hex, for"
                " example from: openssl rand -base64 32) on standard input, then set the variable to it.",
                param="new_key",
            )
        return MasterKey.new()
    try:
        new = MasterKey.parse(text)
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"The new key {error}.", param="new_key") from None
    if new.same(old):
        raise PointsmanError(
            ErrorKind.INVALID, "The new key is the one in use; give another.", param="new_key"
        )
    return new


def _stage(path: Path, old: MasterKey, new: MasterKey) -> None:
    try:
        finish_promotion(path, old)
        stage_key(path, new)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"Nothing was changed: the new key cannot be written beside the old one ({error.strerror});"
            " make the key file's folder writable.",
        ) from error


def _finish(vault: Vault) -> str | None:
    if vault.path is None:
        return f"Set {KEY_VARIABLE} to the new key before pointsman starts again."
    try:
        promote_key(vault.path)
    except OSError:
        staged = staged_path(vault.path)
        return (
            f"The keys are sealed anew, but the key file could not be replaced; run: mv {staged} {vault.path}"
        )
    return None
