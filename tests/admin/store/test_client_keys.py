"""Client keys: shown once, kept as a keyed digest, required from the first one on."""

from __future__ import annotations

import base64
import hmac
import re
import zlib
from pathlib import Path

import pytest

from pointsman.admin.store import client_keys, settings
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import ClientKeyCreate
from pointsman.errors import PointsmanError
from pointsman.secret import Secret


def test_the_key_is_random_marked_and_checkable() -> None:
    made = {client_keys.new_secret() for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        assert re.fullmatch(r"pm-[A-Za-z0-9_-]{43}[A-Za-z0-9_-]{6}", secret)
        crc = zlib.crc32(secret[:-6].encode()).to_bytes(4, "big")
        assert secret[-6:] == base64.urlsafe_b64encode(crc).decode().rstrip("=")


def test_only_the_digest_is_kept(store: Store, data_dir: Path) -> None:
    with store.write() as session:
        row, secret = client_keys.create(session, ClientKeyCreate(name="laptop"))
        pepper = settings.pepper(session)
    assert row.digest == hmac.digest(pepper, secret.encode(), "sha256")
    assert row.prefix == secret[:8]
    assert not any(secret.encode() in path.read_bytes() for path in data_dir.iterdir())
    assert secret not in repr(row)
    assert "digest" not in repr(row)


def test_required_from_the_first_one_on_and_after_the_last(store: Store) -> None:
    with store.write() as session:
        assert not client_keys.required(session)
        row, _ = client_keys.create(session, ClientKeyCreate())
        assert client_keys.required(session)
        client_keys.revoke(session, row.id or 0)
        assert client_keys.required(session)


def test_revoking_twice_keeps_the_first_time(store: Store) -> None:
    with store.write() as session:
        row, _ = client_keys.create(session, ClientKeyCreate(name="a"))
        first = client_keys.revoke(session, row.id or 0).revoked_at
    with store.write() as session:
        assert client_keys.revoke(session, row.id or 0).revoked_at == first
    with store.read() as session:
        (again,) = client_keys.list_all(session)
        assert again.revoked_at == first
        assert first is not None
        assert first.tzinfo is not None


def test_an_unknown_one_is_said(store: Store) -> None:
    with store.write() as session:
        for number in (0, 77, 2**70):
            with pytest.raises(PointsmanError, match="pointsman key list"):
                client_keys.revoke(session, number)


# -- a key that a start was given


def live(store: Store) -> list[tuple[int | None, str, str]]:
    with store.read() as session:
        return [(r.id, r.name, r.prefix) for r in client_keys.list_all(session) if r.revoked_at is None]


def knows(store: Store, secret: str) -> bool:
    with store.read() as session:
        known = client_keys.digest(settings.pepper(session), secret)
        return any(r.digest == known and r.revoked_at is None for r in client_keys.list_all(session))


ONE, TWO = Secret("one-" + "3f9a" * 9), Secret("two-" + "b07c" * 9)


def test_a_given_key_is_one_row_at_every_restart_and_its_new_value_replaces_the_old(store: Store) -> None:
    for secret, other in ((ONE, TWO), (ONE, TWO), (TWO, ONE), (ONE, TWO)):
        client_keys.keep_given(store, secret)
        assert live(store) == [(1, "environment", secret.reveal()[:4])]
        assert knows(store, secret.reveal())
        assert not knows(store, other.reveal())


def test_a_given_key_leaves_peoples_own_keys_alone(store: Store) -> None:
    with store.write() as session:
        _, mine = client_keys.create(session, ClientKeyCreate(name="environment"))  # a name is no mark
    client_keys.keep_given(store, ONE)
    client_keys.keep_given(store, TWO)
    assert knows(store, mine)
    client_keys.keep_given(store, Secret(mine))
    assert len(live(store)) == 2


def test_a_given_key_that_was_revoked_stays_so_and_another_takes_its_place(store: Store) -> None:
    client_keys.keep_given(store, ONE)
    with store.write() as session:
        client_keys.revoke(session, 1)
    with pytest.raises(PointsmanError, match="was revoked") as caught:
        client_keys.keep_given(store, ONE)
    assert ONE.reveal() not in caught.value.public
    client_keys.keep_given(store, TWO)
    assert [row[0] for row in live(store)] == [2]
    assert not knows(store, ONE.reveal())
