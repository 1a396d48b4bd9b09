"""What is written is in the audit, in the same transaction, and no secret with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from pointsman.admin.store import audit, client_keys, credentials, mappings, prices, settings, webhooks
from pointsman.admin.store.asking import Author, Who, asked_by, last_entry
from pointsman.admin.store.audit import Audited
from pointsman.admin.store.audit_tables import AuditEntry, AuditRow, Did
from pointsman.admin.store.database import Store
from pointsman.admin.store.nouns import NOUNS
from pointsman.admin.store.recording import KEPT, MOST_ENTRIES
from pointsman.admin.store.rotation import rotate
from pointsman.admin.store.schemas import (
    BackendMappingCreate,
    BackendMappingUpdate,
    ClientKeyCreate,
    CloudCredentialCreate,
    WebhookCreate,
)
from pointsman.admin.store.tables import TABLES, BackendMapping, ProviderList
from pointsman.admin.vault import Vault
from pointsman.kinds import BackendType

from .conftest import ByHand

CANARY = "sk-canary-6b1d0f"


def rule(pattern: str = "qwen*") -> BackendMappingCreate:
    return BackendMappingCreate(model_pattern=pattern, backend_type=BackendType.LOCAL)


def entries(store: Store) -> list[Audited]:
    """Of what tests did, newest first."""
    with store.read() as session:
        return [one for one in audit.page(session) if one.rows[0].noun != "setting"]


def newest(store: Store) -> Audited:
    return entries(store)[0]


def test_every_table_is_watched_but_the_audit_s_own() -> None:
    watched = {str(table.__tablename__) for table in NOUNS}
    assert {table.name for table in TABLES} - watched == {"audit_entries", "audit_rows"}


def test_a_row_is_entered_as_it_is_created_changed_and_deleted(store: Store) -> None:
    with asked_by(Author(Who.WEB_PAGE, "a1b2c3")), store.write() as session:
        number = mappings.create(session, rule()).id
    assert number is not None
    made = newest(store)
    assert (made.who, made.session, made.changed, made.id) == (Who.WEB_PAGE, "a1b2c3", 1, last_entry())
    row = made.rows[0]
    assert (row.noun, row.row, row.name, row.did) == ("mapping", str(number), "qwen*", Did.CREATED)
    assert row.before == {}
    assert (row.after["backend_type"], row.after["priority"]) == ("local", 0)
    with store.write() as session:
        mappings.update(session, number, BackendMappingUpdate(priority=7))
    changed = newest(store)
    assert changed.who is Who.GATEWAY
    assert (changed.rows[0].before, changed.rows[0].after) == ({"priority": 0}, {"priority": 7})
    with store.write() as session:
        mappings.delete(session, number)
    gone = newest(store).rows[0]
    assert (gone.did, gone.before["priority"], gone.after) == (Did.DELETED, 7, {})
    assert {name for name in gone.before if name.endswith("_at")} == {"created_at"}


def test_a_change_of_nothing_is_no_entry(store: Store) -> None:
    with store.write() as session:
        row = mappings.create(session, rule())
    assert row.id is not None
    before = len(entries(store))
    with store.write() as session:
        mappings.update(session, row.id, BackendMappingUpdate(priority=0))
    with store.write() as session:
        mappings.delete(session, mappings.create(session, rule("gone")).id or 0)
    assert len(entries(store)) == before


def test_what_is_flushed_twice_is_entered_as_it_was_first_and_is_last(store: Store) -> None:
    with store.write() as session:
        number = mappings.create(session, rule()).id or 0
    with store.write() as session:
        mappings.update(session, number, BackendMappingUpdate(priority=1))
        mappings.update(session, number, BackendMappingUpdate(priority=2, enabled=False))
    (row,) = newest(store).rows
    assert (row.before, row.after) == ({"priority": 0, "enabled": True}, {"priority": 2, "enabled": False})


def test_many_rows_of_one_transaction_are_one_entry(store: Store) -> None:
    with store.write() as session:
        for number in range(30):
            mappings.create(session, rule(f"m{number}"))
    made = newest(store)
    assert (made.changed, len(made.rows)) == (30, audit.MOST_ROWS)
    with store.read() as session:
        assert len(audit.get(session, made.id).rows) == 30


REFUSED = "ALTER TABLE audit_rows ADD CONSTRAINT no CHECK (false) NOT VALID"
REFUSED_BY_A_TRIGGER = "CREATE TRIGGER no BEFORE INSERT ON audit_rows BEGIN SELECT RAISE(ABORT, 'no'); END"


def test_a_change_that_fails_leaves_no_entry_and_an_entry_that_fails_no_change(
    store: Store, by_hand: ByHand
) -> None:
    before = len(entries(store))
    with pytest.raises(ZeroDivisionError), store.write() as session:
        mappings.create(session, rule())
        raise ZeroDivisionError
    by_hand(REFUSED if store.backing.shared else REFUSED_BY_A_TRIGGER)
    with pytest.raises(sa.exc.IntegrityError, match="no"), store.write() as session:
        mappings.create(session, rule())
    with store.read() as session:
        assert session.exec(select(BackendMapping)).all() == []
    assert len(entries(store)) == before


def insert_by_statement(session: Session) -> None:
    session.execute(sa.insert(ProviderList), [{"provider": "p", "source": "s", "models": "[]"}])


def delete_by_statement(session: Session) -> None:
    session.execute(sa.delete(BackendMapping))


def below_the_session(session: Session) -> None:
    session.connection().exec_driver_sql("update backend_mappings set priority = 9")


@pytest.mark.parametrize("write", [insert_by_statement, delete_by_statement, below_the_session])
def test_a_statement_past_the_rows_is_refused(store: Store, write: object) -> None:
    assert callable(write)
    with pytest.raises(RuntimeError, match="the audit"), store.write() as session:
        mappings.create(session, rule())
        write(session)
    with store.read() as session:
        assert session.exec(select(BackendMapping)).all() == []


def test_no_secret_and_no_ciphertext_is_in_the_audit(store: Store, vault: Vault, data_dir: Path) -> None:
    wish = CloudCredentialCreate(backend_type=BackendType.OPENAI, api_key=CANARY)
    with store.write() as session:
        first = credentials.create(session, vault, wish)
    with store.write() as session:
        wish = CloudCredentialCreate(backend_type=BackendType.OPENAI, api_key=CANARY + "2")
        second = credentials.put(session, vault, wish)
        key, secret = client_keys.create(session, ClientKeyCreate(name="laptop"))
        client_keys.rotate(session, key.id or 0, 60)
        _, signing = webhooks.create(session, vault, WebhookCreate(url="https://hooks.example/x"))
    rotate(store, vault)
    with store.write() as session:
        credentials.delete(session, BackendType.OPENAI)
    with store.read() as session:
        lines = [f"{row.before} {row.after} {row.name}" for row in session.exec(select(AuditRow)).all()]
        assert settings.get(session, settings.PEPPER) is not None
        secrets = [CANARY, secret, signing.reveal(), "pm1.", settings.get(session, settings.PEPPER) or "?"]
    text = "\n".join(lines)
    assert [one for one in secrets if one in text] == []
    assert first.key_fingerprint
    assert second.key_fingerprint
    assert first.key_fingerprint in text, "fingerprints say which key it was"
    assert secret[:8] in text or key.prefix in text, "a client key is known by its first characters"


def test_a_large_value_is_a_digest(store: Store) -> None:
    with store.write() as session:
        session.add(ProviderList(provider="big", source="s", models="[" + " " * 20_000 + "]"))
    row = newest(store).rows[0]
    assert row.withheld == ["models"]
    assert row.after["models"].startswith("20,002 bytes, SHA-256 ")
    with store.write() as session:
        prices.forget_lists(session)
    assert newest(store).rows[0].did is Did.DELETED


def test_the_audit_keeps_so_many_and_no_older(store: Store, by_hand: ByHand) -> None:
    with store.write() as session:
        mappings.create(session, rule())
    number = 10 * MOST_ENTRIES - 2
    add = "INSERT INTO audit_entries (id, at, who) VALUES (:id, :at, 'admin API')"
    by_hand(add, id=number, at="2020-01-01 00:00:00.000000")
    by_hand(add, id=number + 1, at="2999-01-01 00:00:00.000000")
    if store.backing.shared:  # SQLite sees by itself which id was the last
        by_hand("SELECT setval(pg_get_serial_sequence('audit_entries', 'id'), :last)", last=number + 1)
    with store.write() as session:
        mappings.create(session, rule())
    with store.read() as session:
        kept = session.exec(select(AuditEntry)).all()
        assert [one.id for one in kept] == [number + 1, number + 2], "the first is too many, the next too old"
        assert {row.entry_id for row in session.exec(select(AuditRow)).all()} == {number + 2}
    assert timedelta(days=365) < KEPT < timedelta(days=400)
