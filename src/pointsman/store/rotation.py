"""The vault at start, and changing its master key: every row in one transaction, while the gateway serves.

A crash at any point leaves the old or the new state, both openable. With a key file: the next key is on disk
(`master.key.new`) before the transaction, takes the file's place after it, and the check value in the database
tells the next start which of the two is right. Not here: the cipher and the files (vault.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import event
from sqlmodel import Session

from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..vault import KEY_VARIABLE, MasterKey, Secret, Vault, VaultError, make_check, promote_key, stage_key
from . import sealing, settings
from .database import Store


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did. rows: keys sealed anew. instruction: what is left for a person to do, or None."""

    key_id: str
    rows: int
    instruction: str | None


def open_vault(store: Store, data_dir: Path, environ: Mapping[str, str]) -> Vault:
    """Loads the master key, verifies it against the stored rows, finishes an interrupted rotation. Degraded
    (`vault.problem`) instead of an exception; then nothing is written."""
    with store.read() as session:
        rows_exist = sealing.any_sealed(session)
        check = settings.get(session, settings.MASTER_KEY_CHECK)
        if check is None and rows_exist:
            check = None
    vault = Vault.load(data_dir, environ, rows_exist, check)
    if vault.problem is None and (check is None or not rows_exist):
        with store.write() as session:
            _require_rows_open(session, vault)
            settings.put(session, settings.MASTER_KEY_CHECK, vault.make_check())
    return vault


def rotate(store: Store, vault: Vault, new_key: str | None = None) -> Rotated:
    """Seals every row under a new key and makes `vault` use it. new_key: needed when the environment holds the key,
    else made. Raises PointsmanError and changes nothing when a row cannot be opened."""
    old = vault.require()
    new = _next_key(vault, old, new_key)
    if vault.path is not None:
        _stage(vault.path, new)
    with store.write() as session:
        rows = reseal(session, old, new)
        # in the same breath as the commit, under the store's lock: nobody can seal under the old key after it
        event.listen(session, "after_commit", lambda _session: vault.adopt(new))
    store.truncate_log()  # the old ciphertexts go from the write-ahead log too
    return Rotated(new.id, rows, _finish(vault, new))
