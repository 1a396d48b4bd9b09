"""That nothing plain is stored or used: the store refuses to write it, and does not use what got in by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite import dialect
from sqlmodel import Session, select

from pointsman.admin.store import credentials, local_backends, sealing
from pointsman.admin.store.columns import SealedText
from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import rotate
from pointsman.admin.store.schemas import CloudCredentialCreate, LocalBackendCreate, LocalBackendUpdate
from pointsman.admin.store.snapshot import compile_snapshot
from pointsman.admin.store.tables import CloudCredential, LocalBackend
from pointsman.admin.vault import Sealed, Vault, VaultError
from pointsman.errors import PointsmanError
from pointsman.kinds import BackendType

from .conftest import ByHand

CANARY = "sk-canary-77"


def new_row(session: Session) -> None:
    session.add(CloudCredential(backend_type=BackendType.OPENAI, name="x", encrypted_api_key=CANARY))


def new_row_said_to_be_sealed(session: Session) -> None:
    session.add(CloudCredential(backend_type=BackendType.OPENAI, name="x", encrypted_api_key=Sealed(CANARY)))


def changed_row(session: Session) -> None:
    credentials.get(session, BackendType.OPENAI).encrypted_api_key = Sealed(CANARY)


def changed_local_row(session: Session) -> None:
    local_backends.get(session, "box").encrypted_api_key = Sealed(CANARY)


def bulk_insert(session: Session) -> None:
    rows = [{"backend_type": BackendType.OPENAI, "name": "x", "encrypted_api_key": CANARY}]
    session.execute(sa.insert(CloudCredential), rows)


def bulk_update(session: Session) -> None:
    session.execute(sa.update(CloudCredential).values(encrypted_api_key=CANARY))


def update_below_the_session(session: Session) -> None:
    table: Any = LocalBackend.__table__  # type: ignore[attr-defined]
    session.connection().execute(table.update().values(encrypted_api_key=CANARY))


@pytest.fixture
def filled(store: Store, vault: Vault) -> Store:
    with store.write() as session:
        wish = CloudCredentialCreate(backend_type=BackendType.OPENAI, api_key="sk-kept")
        credentials.create(session, vault, wish)
        local = LocalBackendCreate(name="box", base_url="http://127.0.0.1:1", api_key="sk-box")
        local_backends.create(session, vault, local)
    return store


def stored(store: Store) -> list[str]:
    """All text that stands for a key, as the database has it."""
    with store.read() as session:
        query = "SELECT encrypted_api_key FROM {}"
        tables = ("cloud_credentials", "local_backends")
        return [row[0] for name in tables for row in session.connection().exec_driver_sql(query.format(name))]


@pytest.mark.parametrize(
    "write",
    [
        new_row,
        new_row_said_to_be_sealed,
        changed_row,
        changed_local_row,
        bulk_insert,
        bulk_update,
        update_below_the_session,
    ],
)
def test_a_plain_key_is_not_written_whatever_writes_it(
    filled: Store, write: Callable[[Session], None], data_dir: Path
) -> None:
    before = stored(filled)
    assert len(before) == 2
    with pytest.raises(sa.exc.StatementError, match="not a sealed key") as caught, filled.write() as session:
        write(session)
    assert CANARY not in f"{caught.value} {caught.value!r}"
    assert stored(filled) == before
    assert CANARY.encode() not in b"".join(path.read_bytes() for path in data_dir.glob("*.db*"))


@pytest.mark.parametrize("database_url", [None])
def test_the_guard_outlives_a_file_that_was_put_back(filled: Store, data_dir: Path) -> None:
    path = data_dir / "pointsman.db"
    copy = path.with_suffix(".copy")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.chmod(0o600)
    copy.replace(path)  # the store opens it anew, with another engine
    with pytest.raises(sa.exc.StatementError, match="not a sealed key"), filled.write() as session:
        changed_row(session)


@given(st.text().filter(lambda text: Sealed(text).key_id is None))
def test_no_text_but_a_sealed_one_passes_the_guard(text: str) -> None:
    engine, free = dialect(), dialect()  # type: ignore[no-untyped-call]
    SealedText.guard(engine)
    with pytest.raises(ValueError, match="not a sealed key"):
        SealedText().process_bind_param(Sealed(text), engine)
    assert SealedText().process_bind_param(Sealed(text), free) == text


def test_a_plain_key_written_by_hand_is_never_used_and_stops_no_other(
    filled: Store, vault: Vault, by_hand: ByHand
) -> None:
    by_hand(f"UPDATE cloud_credentials SET encrypted_api_key = '{CANARY}'")
    with filled.read() as session:
        snapshot = compile_snapshot(session, vault, 1, "e")
        row = session.exec(select(CloudCredential)).one()
        with pytest.raises(VaultError, match="not sealed"):
            sealing.open_key(vault, row)
    specs = {spec.key: spec for spec in snapshot.backends}
    assert specs["openai"].api_key is None
    assert "openai is not sealed" in (specs["openai"].problem or "")
    assert CANARY not in (specs["openai"].problem or "")
    assert (specs["local/box"].problem, specs["local/box"].api_key is None) == (None, False)


def test_a_plain_key_written_by_hand_stops_a_rotation_which_changes_nothing(
    filled: Store, vault: Vault, by_hand: ByHand
) -> None:
    by_hand(f"UPDATE local_backends SET encrypted_api_key = '{CANARY}'")
    before = stored(filled)
    with pytest.raises(PointsmanError, match="Nothing was changed") as caught:
        rotate(filled, vault)
    assert CANARY not in caught.value.public
    assert stored(filled) == before


def test_a_row_with_a_plain_key_written_by_hand_can_still_be_changed_and_mended(
    filled: Store, vault: Vault, data_dir: Path, by_hand: ByHand
) -> None:
    by_hand(f"UPDATE local_backends SET encrypted_api_key = '{CANARY}'")
    with filled.write() as session:
        local_backends.update(session, vault, "box", LocalBackendUpdate(context_window=4096))
    with filled.write() as session:
        row = local_backends.update(session, vault, "box", LocalBackendUpdate(api_key="sk-new"))
        assert sealing.open_key(vault, row) is not None
    assert all(Sealed(text).key_id is not None for text in stored(filled))
